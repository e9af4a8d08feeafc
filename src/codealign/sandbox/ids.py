"""An id of its own for each cell that root starts: no limit on processes binds root, and programs of two
cells that share a uid could signal each other.

The id is claimed by binding an abstract socket of that name, so that cells launched at the same moment, by any
process of this network namespace, never share one, and a claim ends with its owner however that dies.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

from codealign.sandbox import linux

FIRST_ID, NUM_IDS = 40_000, 20_000
"""Above usual users, below systemd's dynamic ones, and inside the 65,536 ids that a container maps."""
_NEEDED = (linux.CAP_CHOWN, linux.CAP_KILL, linux.CAP_SETGID, linux.CAP_SETUID)


class Claim(NamedTuple):
    """A uid and gid that nobody else uses while the socket is open; 0 for an ordinary user's cell."""

    number: int
    lock: socket.socket | None

    def release(self) -> None:
        if self.lock is not None:
            self.lock.close()


def claim() -> Claim:
    """An id for a cell; 0 when this process may not change ids, so that the cell keeps its user's.

    Raises:
        OSError: all ids are taken.
    """
    if not may_change_ids():
        return Claim(0, None)
    in_use = {process.uid for process in _processes()}
    start = int.from_bytes(os.urandom(4))
    for step in range(NUM_IDS):
        number = FIRST_ID + (start + step) % NUM_IDS
        if number in in_use:
            continue
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0codealign-cell-{number}")
            return Claim(number, lock)
        except OSError:  # taken by another cell
            lock.close()
    raise OSError(f"no free user id between {FIRST_ID} and {FIRST_ID + NUM_IDS}")


def may_change_ids() -> bool:
    """Root, and not one without its rights (`docker run --cap-drop ALL`)."""
    return os.geteuid() == 0 and linux.has_capabilities(*_NEEDED)


def end_processes(number: int) -> None:
    """Kill whatever runs under a claimed id, until nothing does: for when the zygote is not there to do it."""
    while found := [process.pid for process in _processes() if process.uid == number]:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.001)


class _Process(NamedTuple):
    pid: int
    uid: int


def _processes() -> Iterator[_Process]:
    """All that can run; what has ended and waits for its parent can't be ended again."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status", "rb") as file:
                    status = file.read()
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            state = status.partition(b"State:\t")[2][:1]
            if state not in b"ZX":
                yield _Process(int(name), int(status.partition(b"Uid:\t")[2].split()[0]))
