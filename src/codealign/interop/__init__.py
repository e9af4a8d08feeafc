"""Preference data of other tools, read and written: TRL, UltraFeedback, LLaMA-Factory, KTO's labels."""

from codealign.interop.conversations import Unusable
from codealign.interop.files import Preferences, dataset_info, export_rows, read_preferences
from codealign.interop.formats import FORMATS, Format, format_named

__all__ = [
    "FORMATS",
    "Format",
    "Preferences",
    "Unusable",
    "dataset_info",
    "export_rows",
    "format_named",
    "read_preferences",
]
