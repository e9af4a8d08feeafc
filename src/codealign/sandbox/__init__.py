"""Where programs run: apart from their judge, and as far from this machine as it allows.

`Cell` is a sandbox on this machine, `open_cell` the strongest one that it gives. docs/judge.md says what
can be relied on. No torch, no pydantic: what runs in a cell is the standard library.
"""

from codealign.sandbox.cell import Cell
from codealign.sandbox.host import Host, describe_host
from codealign.sandbox.levels import LEVELS, LevelReport, isolation_levels, open_cell
from codealign.sandbox.limits import Limits
from codealign.sandbox.protocol import Ending, Execution, Sandbox

__all__ = [
    "LEVELS",
    "Cell",
    "Ending",
    "Execution",
    "Host",
    "LevelReport",
    "Limits",
    "Sandbox",
    "describe_host",
    "isolation_levels",
    "open_cell",
]
