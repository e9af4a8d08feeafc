"""Landlock: a process gives up, for good, everything but the files it names.

Used where there are no namespaces (level S1). What is handled and not granted is refused: files are
opened only below a granted path, nothing is executed, TCP ports are neither bound nor connected (ABI 4
and later), signals and abstract sockets stay inside the domain (ABI 6 and later).

Not held by any Landlock: `stat` and `chdir` anywhere, `chmod`, `chown` and times of what the user owns, named
Unix sockets, `truncate` below ABI 3. The filter of S1 closes those (`seccomp.program_filter`).

Numbers and structures: linux/landlock.h; the same on every architecture.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from codealign.sandbox.linux import LIBC, check

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_FIFO, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 10, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
READ = READ_FILE | READ_DIR
READ_WRITE = READ | WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
READ_WRITE |= _MAKE_FIFO | _MAKE_SYM | _REFER
"""Everything but execution, sockets and device files."""
_FOR_FILES = WRITE_FILE | READ_FILE | _TRUNCATE
"""The rights that a rule on a file, not a directory, may name."""

_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_RIGHTS = (1 << 16) - 1
"""ABI 5 and later; what a later ABI adds (named Unix sockets) the filter has closed already."""
_NET_ABI, _SCOPE_ABI = 4, 6
_BIND_AND_CONNECT_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3


def abi() -> int:
    """The version of Landlock in this kernel, asked by system call; 0 without it or when it is off."""
    found = LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG))
    return max(found, 0)


def keeps_signals_in() -> bool:
    """Whether a domain stops signals to processes outside it."""
    return abi() >= _SCOPE_ABI


class Ruleset:
    """Grants in the making. Everything else that this kernel's Landlock knows is refused.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off.
    """

    def __init__(self) -> None:
        version = abi()
        if version == 0:
            raise OSError(errno.EOPNOTSUPP, "Landlock: not in this kernel, or switched off")
        self._handled = _RIGHTS_OF_ABI.get(version, _ALL_RIGHTS)
        net = _BIND_AND_CONNECT_TCP if version >= _NET_ABI else 0
        scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPE_ABI else 0
        attributes = struct.pack("QQQ", self._handled, net, scoped)
        size = ctypes.c_size_t(len(attributes))
        self.fd = check(
            LIBC.syscall(_CREATE_RULESET, attributes, size, 0), "landlock_create_ruleset"
        )

    def grant(self, path: str, rights: int) -> None:
        """Grant `rights` on a file, or on a directory and all below it; links are followed."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not os.path.isdir(path):
                rights &= _FOR_FILES
            rule = struct.pack("=Qi", rights & self._handled, fd)
            check(LIBC.syscall(_ADD_RULE, self.fd, _PATH_BENEATH, rule, 0), f"landlock {path}")
        finally:
            os.close(fd)

    def enter(self) -> None:
        """Restrict this process (which has no-new-privileges set) and all its children to come."""
        check(LIBC.syscall(_RESTRICT_SELF, self.fd, 0), "landlock_restrict_self")
