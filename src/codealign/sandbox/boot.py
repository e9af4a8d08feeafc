"""Clean interpreters for the processes of the sandbox and the judge.

They are started, never forked: the caller may hold torch and threads, and its memory must not reach a
cell. They get an empty environment, no `site`, and lean packages: `codealign` and its subpackages are
entered as bare namespaces, so that what their `__init__` imports (pydantic, numpy) stays outside.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_BOOT = """
import sys, types
source, target, *arguments = sys.argv[1:]
for name in ("codealign", "codealign.sandbox", "codealign.judging"):
    package = types.ModuleType(name)
    package.__path__ = [source + "/" + name.replace(".", "/")]
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent: setattr(sys.modules[parent], child, package)
import importlib
importlib.import_module(target).main(arguments)
"""

SOURCE_DIR = str(Path(__file__).resolve().parents[2])


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs `main(arguments)` of a module of this package in a clean interpreter."""
    return [sys.executable, "-s", "-S", "-B", "-P", "-c", _BOOT, SOURCE_DIR, module, *arguments]


def environment() -> dict[str, str]:
    """The whole environment of such a process: nothing of the caller's but the loader's path.

    The hash seed is fixed so that set order, and with it a verdict, is the same everywhere.
    """
    fixed = {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "USER": "program",
        "LOGNAME": "program",
        "PATH": "/usr/bin:/bin",
        # Thread arenas reserve 64 MB of address space each, which RLIMIT_AS counts.
        "MALLOC_ARENA_MAX": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    loader = os.environ.get("LD_LIBRARY_PATH")
    return fixed | ({"LD_LIBRARY_PATH": loader} if loader else {})
