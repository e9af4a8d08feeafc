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
_V1_CONTROLLERS = ("memory", "pids", "cpuacct")


class CellCgroups(NamedTuple):
    """The cgroups of one cell."""

    dirs: list[Path]
    procs_files: list[str]
    """Writing a process id here moves the process in."""
    oom_file: Path
    """Counts kills by the out-of-memory killer."""
    cpu_file: Path
    """CPU time of all its processes, those that have ended included."""


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
        raise NoCgroups(f"no memory and pids cgroup: {error.strerror}: {error.filename}") from None


def version() -> str:
    """Which cgroups this process is in and whether cells can have their own, for people to read."""
    try:
        places = _places()
    except OSError:
        return "none"
    number = "v1" if any("memory" in names.split(",") for names in places) else "v2"
    try:
        remove(make(2**27, 32))
    except NoCgroups as error:
        return f"{number}, {error}"
    return f"{number}, memory and processes can be limited"


def _places() -> dict[str, str]:
    """Our own cgroup in each hierarchy, by its controllers ("" is v2)."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return {entry.split(":")[1]: entry.split(":", 2)[2] for entry in lines}


def _name() -> str:
    return f"{_PREFIX}{os.getpid()}-{os.urandom(3).hex()}"


def _make_v1(places: dict[str, str], memory_bytes: int, max_processes: int) -> CellCgroups:
    name = _name()
    dirs = [_v1_dir(places, controller) / name for controller in _V1_CONTROLLERS]
    memory, pids, cpuacct = dirs
    try:
        for path in dirs:
            _sweep(path.parent)
            path.mkdir()
        total = str(memory_bytes + OVERHEAD_BYTES)
        (memory / "memory.limit_in_bytes").write_text(total)
        swap = memory / "memory.memsw.limit_in_bytes"
        if swap.exists():
            swap.write_text(total)
        (pids / "pids.max").write_text(str(max_processes + 1))
    except OSError:
        _remove_all(dirs)
        raise
    procs = [str(path / "cgroup.procs") for path in dirs]
    return CellCgroups(dirs, procs, memory / "memory.oom_control", cpuacct / "cpuacct.usage")


def _v1_dir(places: dict[str, str], controller: str) -> Path:
    for names, path in places.items():
        if controller in names.split(","):
            mount = ROOT / controller
            own = mount / path.lstrip("/")
            return (
                own if own.is_dir() else mount
            )  # a container may be shown its own cgroup as the root
    raise NoCgroups(f"no memory and pids cgroup: the {controller} controller is not mounted")


def _make_v2(own: str, memory_bytes: int, max_processes: int) -> CellCgroups:
    here = ROOT / own.lstrip("/")
    missing = {"memory", "pids"} - set((here / "cgroup.controllers").read_text().split())
    if missing:
        told = " and ".join(sorted(missing))
        raise NoCgroups(f"no memory and pids cgroup: {here} is not given the controllers {told}")
    parent = _v2_parent(here)
    _sweep(parent)
    cell = parent / _name()
    try:
        cell.mkdir()
        (cell / "memory.max").write_text(str(memory_bytes + OVERHEAD_BYTES))
        if (cell / "memory.swap.max").exists():
            (cell / "memory.swap.max").write_text("0")
        (cell / "pids.max").write_text(str(max_processes + 1))
    except OSError:
        _remove_all([cell])
        raise
    procs = [str(cell / "cgroup.procs")]
    return CellCgroups([cell], procs, cell / "memory.events", cell / "cpu.stat")


def _v2_parent(here: Path) -> Path:
    """Where children may have both controllers: the nearest cgroup from ours upward.

    One with processes in it can't give controllers to children, so ours seldom can; its parent can when it is
    ours to write in (root, or what systemd delegates to a user).
    """
    refused = ""
    parent = here
    while parent != ROOT.parent:
        control = parent / "cgroup.subtree_control"
        try:
            if not {"memory", "pids"} <= set(control.read_text().split()):
                control.write_text("+memory +pids")
            if os.access(parent, os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK):
                return parent
            refused = refused or f"{parent} belongs to someone else"
        except OSError as error:
            refused = refused or f"{control}: {error.strerror}"
        parent = parent.parent
    raise NoCgroups(
        f"no memory and pids cgroup: {refused} (a cgroup of your own: `systemd-run --user --scope "
        "-p Delegate=yes` before the command)"
    )


def cpu_seconds(cpu_file: Path) -> float:
    """CPU time that all processes of a cell have used: nanoseconds in v1, a line of microseconds in v2."""
    text = cpu_file.read_text()
    if cpu_file.name == "cpuacct.usage":
        return int(text) / 1e9
    return int(text.partition("usage_usec ")[2].split()[0]) / 1e6


def oom_kills(cgroups: CellCgroups) -> int:
    """How often the out-of-memory killer has struck in this cell."""
    for line in cgroups.oom_file.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


def remove(cgroups: CellCgroups) -> None:
    """Remove the cgroups of a cell whose processes have been killed, and may still be dying."""
    _remove_all(cgroups.dirs)


def _remove_all(dirs: list[Path]) -> None:
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    for path in dirs:
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
        return [_v1_dir(places, controller) for controller in _V1_CONTROLLERS]
    here = ROOT / places.get("", "/").lstrip("/")
    return [here, *(path for path in here.parents if path.is_relative_to(ROOT))]


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
