"""What all processes of a program use together, looked at from outside the cell while it runs.

Limits of the kernel bind one process at a time: thirty children may each use the CPU time and the memory of one.
So a judge that has waited FIRST_LOOK_S for a program looks, and looks again every LOOK_EVERY_S; most
programs have ended by then and cost nothing. With cgroups (S3) the kernel sums up CPU time, and holds
memory and processes itself; elsewhere /proc is read.

Not promised: exactness. What happens between two looks is not seen; without cgroups neither is the CPU time of
children that nobody waits for (SIGCHLD ignored), nor, where root may not look into other users' processes
(Docker's root, at S1), files that are open but deleted. The wall limit holds.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from codealign.sandbox import folder
from codealign.sandbox.limits import Limits

FIRST_LOOK_S = LOOK_EVERY_S = 0.1
GREATEST_SHARE = 0.05
"""At most this share of a core goes into looking, however many processes the machine has."""
MAX_FILES = 4096
SLACK_BYTES = 48 * 2**20
"""What the sum may be above the limit of one process: page tables, copies of the interpreter's pages."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Process(NamedTuple):
    """A row of /proc; seconds and bytes."""

    pid: int
    parent: int
    cpu_s: float
    """Its own and that of children it has waited for."""
    num_threads: int
    resident_bytes: int


class Watch:
    """Looks at one program; made when the first look is due.

    Args:
        limits: of the program.
        zygote_pid: the program's processes are what descends from this one.
        cgroup_cpu_s: total CPU seconds of the cell's cgroup, where there is one; /proc is not read then.
        scratch_dir: a directory that no file system of its own bounds; empty without.
    """

    def __init__(
        self,
        limits: Limits,
        zygote_pid: int,
        cgroup_cpu_s: Callable[[], float] | None,
        scratch_dir: str,
    ) -> None:
        self._limits, self._zygote_pid = limits, zygote_pid
        self._scratch_dir = scratch_dir
        self._cgroup_cpu_s = cgroup_cpu_s
        self._cpu_before_s = cgroup_cpu_s() if cgroup_cpu_s else 0.0
        self.cpu_s = 0.0
        """The most CPU time seen; at S3 since the first look."""
        self.next_look = 0.0

    def look(self) -> str:
        """Why the program has to be ended: "cpu", "oom", "processes", "files"; "" when it may go on."""
        before = time.monotonic()
        reason = self._cgroup_reason() if self._cgroup_cpu_s else self._tree_reason()
        if not reason and self._scratch_dir and self._scratch_is_full():
            reason = "files"
        now = time.monotonic()
        self.next_look = now + max(LOOK_EVERY_S, (now - before) / GREATEST_SHARE)
        return reason

    def _cgroup_reason(self) -> str:
        assert self._cgroup_cpu_s is not None
        self.cpu_s = self._cgroup_cpu_s() - self._cpu_before_s
        return "cpu" if self.cpu_s > self._limits.cpu_s else ""

    def _tree_reason(self) -> str:
        program = list(descendants(self._zygote_pid))
        self.cpu_s = max(self.cpu_s, sum(process.cpu_s for process in program))
        if self.cpu_s > self._limits.cpu_s:
            return "cpu"
        if sum(process.num_threads for process in program) > self._limits.max_processes:
            return "processes"
        allowed_bytes = self._limits.memory_bytes + SLACK_BYTES
        resident_bytes = sum(process.resident_bytes for process in program)
        if resident_bytes > allowed_bytes and self._own_memory(program) > allowed_bytes:
            return "oom"
        if _nameless_bytes(program) > allowed_bytes:
            return "oom"
        return ""

    def _own_memory(self, program: list[Process]) -> int:
        """Bytes that are not the libraries' and not the zygote's, whose pages each process starts with."""
        shared_bytes = _anonymous_bytes(self._zygote_pid)
        sizes = [_anonymous_bytes(process.pid) - shared_bytes for process in program]
        return sum(size for size in sizes if size > 0)

    def _scratch_is_full(self) -> bool:
        found = folder.usage(self._scratch_dir, MAX_FILES)
        return found.num_files >= MAX_FILES or found.num_bytes > 2 * self._limits.file_bytes


def descendants(root_pid: int) -> Iterator[Process]:
    """Every process below one, ended ones that nobody has waited for included."""
    children: dict[int, list[Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    parents = [root_pid]
    while parents:
        for process in children.get(parents.pop(), ()):
            parents.append(process.pid)
            yield process


def _processes() -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        yield Process(
            pid=int(name),
            parent=int(fields[1]),
            cpu_s=sum(map(int, fields[11:15])) / _TICKS_PER_S,
            num_threads=int(fields[17]),
            resident_bytes=int(fields[21]) * _PAGE_BYTES,
        )


def _nameless_bytes(program: list[Process]) -> int:
    """Open files that no directory holds: memory files, and what was deleted."""
    sizes: dict[tuple[int, int], int] = {}
    for process in program:
        try:
            fds = os.listdir(f"/proc/{process.pid}/fd")
        except OSError:  # it ended meanwhile; or an own uid, and we may not look (see above)
            continue
        for fd in fds:
            try:
                status = os.stat(f"/proc/{process.pid}/fd/{fd}")
            except OSError:  # closed meanwhile, which must not hide the others
                continue
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                sizes[status.st_dev, status.st_ino] = 512 * status.st_blocks
    return sum(sizes.values())


def _anonymous_bytes(pid: int) -> int:
    """Memory of a process that no file backs, memory it shares with its children included."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0
    sizes = [line.split() for line in lines if line.startswith((b"RssAnon:", b"RssShmem:"))]
    return sum(int(kilobytes) << 10 for _, kilobytes, _ in sizes)
