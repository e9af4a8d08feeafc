"""A memory and a pids cgroup per cell, where this process may make them (v1, v2, or neither).

Best effort by nature: in most containers the cgroup file systems are read-only, and then `make` says
why. What a killed worker left behind is swept by the next one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
OVERHEAD_BYTES = 48 * 2**20
"""The zygote's own memory and page tables, on top of what programs get."""
REMOVE_TIMEOUT_S = 5.0
_PREFIX = "codealign-"


class CellCgroups(NamedTuple):
    """The cgroups of one cell."""

    dirs: list[Path]
    procs_files: list[str]
    """Writing a process id here moves the process in."""
    oom_file: Path
    """Counts kills by the out-of-memory killer."""


class NoCgroups(Exception):
    """They can't be made here; the message says why."""


def make(memory_bytes: int, max_processes: int) -> CellCgroups:
    """Make the cgroups of one cell.

    Raises:
        NoCgroups: not mounted, not writable, or the controllers are not there.
    """
    try:
        places = _places()
        if any("memory" in names.split(",") for names in places):
            return _make_v1(places, memory_bytes, max_processes)
        return _make_v2(places.get("", "/"), memory_bytes, max_processes)
    except OSError as error:
        raise NoCgroups(f"{error.strerror}: {error.filename}") from None


def _places() -> dict[str, str]:
    """Where this process is: the path by controllers (v1), the path under "" (v2)."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return {entry.split(":")[1]: entry.split(":", 2)[2] for entry in lines}


def _name() -> str:
    return f"{_PREFIX}{os.getpid()}-{os.urandom(3).hex()}"


def _make_v1(places: dict[str, str], memory_bytes: int, max_processes: int) -> CellCgroups:
    name = _name()
    memory = _v1_dir(places, "memory") / name
    pids = _v1_dir(places, "pids") / name
    _sweep(memory.parent)
    _sweep(pids.parent)
    memory.mkdir()
    total = str(memory_bytes + OVERHEAD_BYTES)
    (memory / "memory.limit_in_bytes").write_text(total)
    swap = memory / "memory.memsw.limit_in_bytes"
    if swap.exists():
        swap.write_text(total)
    pids.mkdir()
    (pids / "pids.max").write_text(str(max_processes + 1))
    procs = [str(path / "cgroup.procs") for path in (memory, pids)]
    return CellCgroups([memory, pids], procs, memory / "memory.oom_control")


def _v1_dir(places: dict[str, str], controller: str) -> Path:
    for names, path in places.items():
        if controller in names.split(","):
            return ROOT / controller / path.lstrip("/")
    raise NoCgroups(f"no {controller} controller")


def _make_v2(own: str, memory_bytes: int, max_processes: int) -> CellCgroups:
    here = ROOT / own.lstrip("/")
    missing = {"memory", "pids"} - set((here / "cgroup.controllers").read_text().split())
    if missing:
        raise NoCgroups(f"{here} has no controller {', '.join(sorted(missing))}")
    parent = _v2_parent(here)
    _sweep(parent)
    cell = parent / _name()
    cell.mkdir()
    (cell / "memory.max").write_text(str(memory_bytes + OVERHEAD_BYTES))
    if (cell / "memory.swap.max").exists():
        (cell / "memory.swap.max").write_text("0")
    (cell / "pids.max").write_text(str(max_processes + 1))
    return CellCgroups([cell], [str(cell / "cgroup.procs")], cell / "memory.events")


def _v2_parent(here: Path) -> Path:
    """Where children may have both controllers: below us, or beside us (a cgroup with processes of its
    own can't give controllers to children, except the root)."""
    for parent in (here, here.parent):
        control = parent / "cgroup.subtree_control"
        if {"memory", "pids"} <= set(control.read_text().split()):
            return parent
        try:
            control.write_text("+memory +pids")
            return parent
        except OSError:
            continue
    raise NoCgroups(f"{here} may not give its controllers to a child")


def oom_kills(cgroups: CellCgroups) -> int:
    """How often the out-of-memory killer has struck in this cell."""
    for line in cgroups.oom_file.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


def remove(cgroups: CellCgroups) -> None:
    """Remove the cgroups of a cell whose processes have been killed, and may still be dying."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    for path in cgroups.dirs:
        while not _remove_if_empty(path) and time.monotonic() < deadline:
            time.sleep(0.005)


def remove_of(owner: int) -> None:
    """Remove what a killed worker left, once the processes in it, which the kernel is ending, are gone."""
    left = [path for parent in _parents() for path in parent.glob(f"{_PREFIX}{owner}-*")]
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while left and time.monotonic() < deadline:
        left = [path for path in left if not _remove_if_empty(path)]
        time.sleep(0.005 if left else 0)


def _parents() -> list[Path]:
    """Where this process and its children may have made cgroups; none where there are none."""
    try:
        places = _places()
    except OSError:
        return []
    if any("memory" in names.split(",") for names in places):
        return [_v1_dir(places, "memory"), _v1_dir(places, "pids")]
    here = ROOT / places.get("", "/").lstrip("/")
    return [here, here.parent]


def _sweep(parent: Path) -> None:
    """Remove the empty cgroups that killed workers left."""
    for path in parent.glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).split("-")[0]
        if not Path(f"/proc/{owner}").exists():
            _remove_if_empty(path)


def _remove_if_empty(path: Path) -> bool:
    """Whether it is gone now; one that is still busy is left to the next sweep."""
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
