"""What tests need that become an ordinary user."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

SOURCE_DIR = Path(__file__).parents[1] / "src"


@cache
def readable_sources() -> str:
    """A copy of the sources that every user may read; the checkout may lie where only root looks."""
    place = tempfile.mkdtemp(prefix="codealign-sources-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.chmod(place, 0o755)
    unneeded = shutil.ignore_patterns("kata_policy", "corpus", "__pycache__")
    shutil.copytree(SOURCE_DIR / "codealign", Path(place, "codealign"), ignore=unneeded)
    return place
