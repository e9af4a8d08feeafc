"""The system call filters of a cell, as classic BPF programs.

`cell_filter` is installed by the zygote, once, and inherited by every program. It must leave the zygote what
it needs to make and clean programs; a program has no capabilities, so the kernel refuses it those.

    other architecture, x32, DEADLY    the process is killed with SIGSYS (a violation)
    opening a file without a name      EOPNOTSUPP, so that `tempfile` makes one with a name
    clone with CLONE_NEWUSER           EPERM (a user namespace would give capabilities back)
    clone3                             ENOSYS, so that the C library falls back to clone
    socket outside AF_UNIX             EPERM
    ALLOWED                            allowed
    anything else                      EPERM (among them execve: there is nothing to execute)

`program_filter` comes on top of it where there are no namespaces (S1), in each program: it closes what reaches
outside by other means than opening a file, which is all that Landlock looks at.
"""

from __future__ import annotations

import ctypes
import struct

from codealign.sandbox.linux import CLONE_NEWUSER, LIBC, check, prctl
from codealign.sandbox.syscalls import ALLOWED, DEADLY, MACHINE, SPECIAL

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCH, _ARG0 = 0, 4, 16
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOTTY, _ENOSYS, _AF_UNIX = 1, 25, 38, 1
_SUCCESS = _ERRNO
"""The call is skipped and returns 0."""
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

Instruction = tuple[int, int, int, int]

_S1_ZYGOTE_CALLS = ("setgroups", "setresuid", "setresgid", "landlock_restrict_self")
_NAMESPACE_CALLS = ("mount", "umount2")
_METADATA_CALLS = [
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
]
_GROUP_CALLS = ("setsid", "setpgid")
_SIGNAL_CALLS = ("kill", "tgkill", "pidfd_send_signal")
_OWN_PROCESS_ONLY = ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam")
_FCNTL_COMMANDS = (*range(8), 9, 36, 37, 38, *range(1030, 1035))
"""Descriptors, flags, locks, pipe sizes and seals. Not: owners and signals (they reach other processes),
leases and hints (they act on a file that is open for reading only)."""
_IOCTL_COMMANDS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, its size, bytes to read, non-blocking, close on exec."""
_STREAM, _SEQPACKET, _SOCKET_TYPE_MASK = 1, 5, 0xF


_OPENING = {"openat": 32, "open": 24}
"""Calls that open files, and where in their arguments the flags are."""
_O_TMPFILE, _EOPNOTSUPP = 0x400000, 95
"""A file without a name leaves no trace but the number of the next file, which the next program can read."""


def supported() -> bool:
    """Whether this machine's architecture has a table of system calls."""
    return MACHINE in _AUDIT_ARCH


def cell_filter(level: str) -> list[Instruction]:
    """The filter of a level (not S0) as (code, jump if true, jump if false, constant)."""
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _AUDIT_ARCH[MACHINE]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for name, flags_at in _OPENING.items():
        if name in SPECIAL:
            lines += _without(SPECIAL[name], flags_at, _O_TMPFILE, _ERRNO | _EOPNOTSUPP)
    for number in _allowed(level).values():
        lines += _answer(number, _ALLOW)
    for number in DEADLY.values():
        lines += _answer(number, _KILL)
    lines += _answer(SPECIAL["clone3"], _ERRNO | _ENOSYS)
    lines += [
        (_EQUAL, 0, 4, SPECIAL["clone"]),
        (_LOAD, 0, 0, _ARG0),
        (_ANY_BIT, 0, 1, CLONE_NEWUSER),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    if level != "S1":
        lines += _only(SPECIAL["socket"], 0, (_AF_UNIX,), _ERRNO | _EPERM)
    return [*lines, (_RETURN, 0, 0, _ERRNO | _EPERM)]


def _allowed(level: str) -> dict[str, int]:
    """ALLOWED, with what the zygote of this level needs and without what it can't hold."""
    allowed = dict(ALLOWED)
    if level == "S1":
        for name in _NAMESPACE_CALLS:
            del allowed[name]
        allowed |= {name: SPECIAL[name] for name in _S1_ZYGOTE_CALLS}
    return allowed


def program_filter(signals_stay_in: bool) -> list[Instruction]:
    """What a program without namespaces may not do, though files and sockets are out of reach.

    - It stays in its process group, so that one kill ends all of it: leaving succeeds and does nothing, since
      daemons do it.
    - Changes of mode, owner and times succeed and do nothing: they need no right that Landlock knows, and may
      be the user's own files.
    - Limits, affinity and priority can be changed of the process itself only.
    - Pairs of sockets are streams: a datagram socket sends to any address.
    - Where Landlock does not keep signals inside (`signals_stay_in`), none can be sent.
    """
    lines: list[Instruction] = [(_LOAD, 0, 0, _NUMBER)]
    for name in _METADATA_CALLS:
        if name in ALLOWED:
            lines += _answer(ALLOWED[name], _SUCCESS)
    for name in _GROUP_CALLS:
        lines += _answer(ALLOWED[name], _SUCCESS)
    for name in () if signals_stay_in else _SIGNAL_CALLS:
        lines += _answer(ALLOWED[name], _ERRNO | _EPERM)
    for name in _S1_ZYGOTE_CALLS:
        lines += _answer(SPECIAL[name], _ERRNO | _EPERM)
    for name in _OWN_PROCESS_ONLY:
        lines += _only(ALLOWED[name], 0, (0,), _ERRNO | _EPERM)
    lines += _only(ALLOWED["fcntl"], 1, _FCNTL_COMMANDS, _ERRNO | _EPERM)
    lines += _only(ALLOWED["ioctl"], 1, _IOCTL_COMMANDS, _ERRNO | _ENOTTY)
    lines += _own_priority(ALLOWED["setpriority"])
    lines += _stream_pairs(ALLOWED["socketpair"])
    return [*lines, (_RETURN, 0, 0, _ALLOW)]


def _only(number: int, argument: int, values: tuple[int, ...], otherwise: int) -> list[Instruction]:
    """Allow a call when the low half of one argument is among `values`."""
    count = len(values)
    return [
        (_EQUAL, 0, count + 3, number),
        (_LOAD, 0, 0, _ARG0 + 8 * argument),
        *((_EQUAL, count - index, 0, value) for index, value in enumerate(values)),
        (_RETURN, 0, 0, otherwise),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _own_priority(number: int) -> list[Instruction]:
    """setpriority(PRIO_PROCESS, 0, …) only."""
    return [
        (_EQUAL, 0, 6, number),
        (_LOAD, 0, 0, _ARG0),
        (_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, _ARG0 + 8),
        (_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
    ]


def _stream_pairs(number: int) -> list[Instruction]:
    """socketpair(AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET, …) only."""
    return [
        (_EQUAL, 0, 8, number),
        (_LOAD, 0, 0, _ARG0),
        (_EQUAL, 0, 5, _AF_UNIX),
        (_LOAD, 0, 0, _ARG0 + 8),
        (_AND, 0, 0, _SOCKET_TYPE_MASK),
        (_EQUAL, 1, 0, _STREAM),
        (_EQUAL, 0, 1, _SEQPACKET),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
    ]


def _without(number: int, offset: int, bit: int, result: int) -> list[Instruction]:
    """`result` when the argument at `offset` has `bit`; else the call is allowed."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, offset),
        (_ANY_BIT, 0, 1, bit),
        (_RETURN, 0, 0, result),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _answer(number: int, result: int) -> list[Instruction]:
    return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, result)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


class Filter:
    """A filter packed for the kernel, so that installing it is one system call."""

    def __init__(self, lines: list[Instruction]) -> None:
        code = b"".join(struct.pack("HBBI", *line) for line in lines)
        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = _Program(len(lines), ctypes.cast(self._code, ctypes.c_void_p).value)
        self._pointer = ctypes.byref(self._program)

    def install(self) -> None:
        """Filter this process and its children from now on; there is no way back.

        Raises:
            OSError: the kernel has no seccomp filters, or `forbid_new_privileges` was not called.
        """
        check(LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self._pointer, 0, 0), "seccomp")


def forbid_new_privileges() -> None:
    """No file that is executed gives rights from now on; filters and Landlock ask for this."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
