"""The few Linux calls that Python's `os` does not have, through ctypes.

Every function raises OSError with the call's name. `LIBC` keeps the interpreter lock while it calls
(PyDLL), so that a raw `clone` finds a child whose interpreter state is whole.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import NamedTuple

from codealign.sandbox.syscalls import NUMBERS

LIBC = ctypes.PyDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_PIDFD, SIGCHLD = 0x1000, 17

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_BIND, MS_REC, MS_PRIVATE = 1024, 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER = 1, 4, 8, 36

CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER = 0, 1, 2, 3
CAP_KILL, CAP_SETGID, CAP_SETUID = 5, 6, 7


def check(result: int, call: str) -> int:
    """`result`, or OSError when it says that the call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int) -> None:
    check(LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl({option})")


def unshare(flags: int) -> None:
    check(LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    check(
        LIBC.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {target}",
    )


def unmount(target: str) -> None:
    """Detach a mount now; what still uses it keeps it alive until it lets go."""
    check(LIBC.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(new_root: str, old_root: str) -> None:
    check(
        LIBC.syscall(NUMBERS["pivot_root"], new_root.encode(), old_root.encode()),
        "pivot_root",
    )


def require_pidfds() -> None:
    """OSError on a kernel without descriptors for processes; with them it also has CLONE_PIDFD."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        raise OSError(error.errno, f"pidfd_open: {error.strerror} (Linux 5.3 is needed)") from None


class Child(NamedTuple):
    """A process made by `clone`: its number here, and a descriptor that is readable when it ends."""

    pid: int
    pidfd: int


_pidfd_out = ctypes.c_int(-1)


def clone(flags: int) -> Child:
    """Fork with `clone` flags, skipping Python's at-fork hooks. In the child, `pid` is 0.

    The caller has one thread only: what the hooks would mend is not broken then.
    """
    pid = LIBC.syscall(
        NUMBERS["clone"],
        ctypes.c_ulong(flags | CLONE_PIDFD | SIGCHLD),
        None,
        ctypes.byref(_pidfd_out),
        None,
        None,
    )
    check(pid, "clone")
    return Child(pid, _pidfd_out.value)


CapabilitySet = ctypes.Array[ctypes.c_uint32]
_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)


def capability_set(*capabilities: int) -> CapabilitySet:
    """A set for `drop_capabilities`, of capabilities numbered below 32."""
    mask = sum(1 << number for number in capabilities)
    return (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)


_NO_CAPABILITIES = capability_set()


def has_capabilities(*capabilities: int) -> bool:
    """Whether this process may use all of these capabilities (numbered below 32)."""
    held = (ctypes.c_uint32 * 6)()
    check(LIBC.capget(_CAPABILITY_HEADER, held), "capget")
    return all(held[0] >> number & 1 for number in capabilities)


def drop_capabilities(keep: CapabilitySet | None = None) -> None:
    """Give up every capability but those to keep, for good (with no-new-privileges set, nothing gives them
    back)."""
    check(LIBC.syscall(NUMBERS["capset"], _CAPABILITY_HEADER, keep or _NO_CAPABILITIES), "capset")


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used, all its threads, read from its clock (see clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)
