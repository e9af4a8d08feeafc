"""Inside the cell, one process for its whole life: a warm interpreter that clones a child per program.

It is process 1 of the cell and trusted; it holds no test, no expected value and no earlier program. Per
job it gets a message and descriptors over the control socket, clones a child into a fresh pid namespace,
watches its CPU clock and the wall clock, waits for it (which ends every descendant), replaces scratch
space that the program touched, and reports. When the control socket closes it exits, and the kernel
ends everything in the cell.

No `threading` here, and no import that pulls it in: its at-fork hook alone doubles the cost of a child.
"""

from __future__ import annotations

import _socket
import gc
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from codealign.sandbox import guest, linux
from codealign.sandbox.control import (
    CPU,
    DESCRIPTORS,
    ENDED,
    HUNG_UP,
    JOB,
    MAX_BYTES,
    OWN_DOING,
    REPORT,
    WALL,
)
from codealign.sandbox.limits import WALL_PER_CPU, Limits

SCRATCH = ("/tmp", "/dev/shm")
# Without access times: that a program has read the directory is no trace that would have it made anew.
_SCRATCH_FLAGS = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_NOATIME
MAX_FDS = 64
STACK_BYTES = 64 * 2**20


class Settings(NamedTuple):
    """How this zygote makes children; fixed at launch."""

    namespaces: bool
    """False at S1 and S0: plain fork, a directory for scratch."""
    scratch_dir: str
    """Where a program starts."""
    base_bytes: int
    """Address space of the zygote itself, which RLIMIT_AS counts too."""
    limits: Limits
    guest: ModuleType
    """What a child runs, `main(job_fd)`, and how the zygote prepares for it, `warm_up()`."""
    max_tasks: int
    """Processes and threads that the cell's user may have, all together."""
    give_up_rights: Callable[[], None] | None
    """At S1: called in each program's process before its source is read."""


# --- scratch space ------------------------------------------------------------------------------


class Scratch:
    """A tmpfs of our own at `path`, made anew when a program left a trace in it."""

    def __init__(self, path: str, size_bytes: int) -> None:
        self.path, self.size_bytes = path, size_bytes
        self.mounted = False
        self.renew()

    def renew(self) -> None:
        os.chdir("/")  # a working directory would keep the old one alive
        if self.mounted:
            linux.unmount(self.path)
        linux.mount(
            "tmpfs",
            self.path,
            "tmpfs",
            _SCRATCH_FLAGS,
            f"size={max(self.size_bytes, 4096)},nr_inodes=4096,mode=1777",
        )
        self.mounted = True
        self.clean = self._trace()

    def _trace(self) -> tuple[int, ...]:
        """Changes with any entry left in it: on a tmpfs each adds to the size of its directory."""
        root = os.stat(self.path)
        return (root.st_size, root.st_nlink, root.st_ctime_ns, root.st_mode, root.st_uid)

    def renew_if_touched(self) -> None:
        if self._trace() != self.clean:
            self.renew()


# --- one program --------------------------------------------------------------------------------


def set_limits(limits: Limits, max_tasks: int, base_bytes: int) -> None:
    """Limits that every child inherits from the zygote; CPU is set in the child."""
    _lower(resource.RLIMIT_NPROC, max_tasks)
    _lower(resource.RLIMIT_NOFILE, MAX_FDS)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    hard_stack = resource.getrlimit(resource.RLIMIT_STACK)[1]  # left: contest programs raise theirs
    soft_stack = (
        STACK_BYTES if hard_stack == resource.RLIM_INFINITY else min(STACK_BYTES, hard_stack)
    )
    resource.setrlimit(resource.RLIMIT_STACK, (soft_stack, hard_stack))
    _lower(resource.RLIMIT_AS, limits.memory_bytes + base_bytes)
    _lower(resource.RLIMIT_MEMLOCK, 0)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def become_program(cpu_s: float, fds: tuple[int, int, int], settings: Settings) -> None:
    """In the child: keep three descriptors and the job socket, lose all rights, run. Never returns."""
    try:
        if not settings.namespaces:
            os.setsid()
        if settings.give_up_rights is not None:
            settings.give_up_rights()
        job_fd, stdin_fd, stdout_fd = fds
        os.dup2(stdin_fd, 0)
        os.dup2(stdout_fd, 1)
        os.dup2(job_fd, 3)
        os.closerange(4, MAX_FDS)
        seconds = int(cpu_s) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        os.chdir(settings.scratch_dir)
        if settings.namespaces:
            linux.drop_capabilities()
        settings.guest.main(3)
    finally:
        os._exit(70)


def start_child(settings: Settings) -> linux.Child:
    return linux.clone(linux.CLONE_NEWPID if settings.namespaces else 0)


def end_group(group: int) -> None:
    """Without a pid namespace: end what is in the program's process group, all at once."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def end_adopted(group: int) -> None:
    """At S1: until nothing that the program started is left. A program can't leave its group there, and what
    loses its parent becomes our child, so no child means nothing."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            end_group(group)
            time.sleep(0.001)


def watch(
    child: linux.Child, poller: select.poll, control: _socket.socket, cpu_s: float, wall_s: float
) -> int:
    """Sleep until the child ends (OWN_DOING) or has to be ended: CPU, WALL, ENDED or HUNG_UP by the judge.

    The wall limit is for programs that wait. One that computes on a busy machine gets WALL_PER_CPU seconds
    of it back for each CPU second, so that its CPU limit decides and not its neighbours.
    """
    started, used_s = time.monotonic(), 0.0
    while True:
        wall_left = wall_s + WALL_PER_CPU * used_s - (time.monotonic() - started)
        if wall_left <= 0:
            return WALL
        for fd, _ in poller.poll(1 + int(1000 * min(cpu_s - used_s, wall_left))):
            if fd == child.pidfd:
                return OWN_DOING
            return ENDED if control.recv(MAX_BYTES) else HUNG_UP
        used_s = cpu_used(child)
        if used_s >= cpu_s:
            return CPU


def cpu_used(child: linux.Child) -> float:
    try:
        return linux.cpu_seconds(child.pid)
    except OSError:  # it ended since the poll; the next poll says so
        return 0.0


def scratch_spaces(settings: Settings) -> list[Any]:
    """What to clean after each program."""
    if settings.namespaces:
        return [Scratch(path, settings.limits.file_bytes) for path in SCRATCH]
    from codealign.sandbox.folder import Folder

    return [Folder(settings.scratch_dir)]


# --- the loop -----------------------------------------------------------------------------------


def serve(control_fd: int, settings: Settings) -> None:
    """Warm up, then one job after another until the judge hangs up."""
    control = _socket.socket(fileno=control_fd)
    spaces = scratch_spaces(settings)
    guest.pose_as_script(settings.scratch_dir)
    if settings.namespaces:
        guest.leave_tracking_to_the_cell()
    set_limits(settings.limits, settings.max_tasks, settings.base_bytes)
    settings.guest.warm_up()
    gc.collect()
    gc.freeze()
    control.send(b'{"ready": true}')
    serve_jobs(control, spaces, settings)


def serve_jobs(control: _socket.socket, spaces: list[Any], settings: Settings) -> None:
    """Clone, watch, reap, clean, report; again and again.

    Lean on purpose: after a clone each page this process writes is copied, and that is most of its cost.
    """
    poller = select.poll()
    poller.register(control, select.POLLIN)
    space = _socket.CMSG_SPACE(DESCRIPTORS.size)
    while True:
        message, ancillary, _, _ = control.recvmsg(MAX_BYTES, space)
        if not message:
            return
        if not ancillary:
            continue  # an END that crossed the end of its program
        number, cpu_s, wall_s = JOB.unpack(message)
        fds = DESCRIPTORS.unpack(ancillary[0][2])
        started = time.monotonic()
        child = start_child(settings)
        if child.pid == 0:
            become_program(cpu_s, fds, settings)
        for fd in fds:
            os.close(fd)
        poller.register(child.pidfd, select.POLLIN)
        reason = watch(child, poller, control, cpu_s, wall_s)
        if reason:
            signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        if not settings.namespaces:
            end_group(child.pid)  # not yet waited for, so that its number is no one else's
        _, status, usage = os.wait4(child.pid, 0)
        poller.unregister(child.pidfd)
        os.close(child.pidfd)
        if settings.give_up_rights is not None:
            end_adopted(child.pid)
        if reason == HUNG_UP:
            return
        system_s, wall_s = usage.ru_stime, time.monotonic() - started
        used_s = usage.ru_utime + system_s
        for item in spaces:
            item.renew_if_touched()
        killed_by, code = os.WTERMSIG(status), os.WEXITSTATUS(status)
        peak_bytes = usage.ru_maxrss * 1024
        control.send(
            REPORT.pack(number, reason, killed_by, code, used_s, system_s, wall_s, peak_bytes)
        )
