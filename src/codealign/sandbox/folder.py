"""Scratch space where no file system of our own can be mounted (S1, S0): a directory, emptied after use.

Emptied when everything that could write there has ended, so nothing races. What is there may be built to
resist: trees deeper than any path or descriptor limit, directories that nobody may enter, links, sockets.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import NamedTuple

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MODE = 0o700
PARENT = "/tmp"
"""Where a worker makes its directories; the same for the driver, whose TMPDIR it does not know."""


class Folder:
    """The directory that programs start in; never shared by cells."""

    def __init__(self, path: str) -> None:
        self.path = path

    def renew_if_touched(self) -> None:
        empty(self.path)


def empty(path: str) -> None:
    """Remove everything below `path`, one directory open at a time, following no link.

    Raises:
        OSError: something can't be removed: the directory must not be used again.
    """
    os.chmod(path, MODE)
    here = os.open(path, _DIRECTORY)
    above: list[tuple[int, int]] = []
    try:
        while True:
            below = _remove_entries(here)
            if below is not None:
                above.append(_identity(here))
                os.chmod(below, MODE, dir_fd=here)
                here = _move(here, below)
            elif above:
                here = _move(here, "..")
                if _identity(here) != above.pop():
                    # At S0 a program may outlive its judge and move a directory under our feet: going
                    # on from there would empty what is not ours.
                    raise OSError(errno.EXDEV, "a directory was moved while it was emptied", path)
            else:
                return
    finally:
        os.close(here)


def _identity(directory: int) -> tuple[int, int]:
    status = os.fstat(directory)
    return status.st_dev, status.st_ino


def remove(path: str) -> None:
    """Empty a directory and remove it; nothing to do when it is gone."""
    try:
        empty(path)
        os.rmdir(path)
    except FileNotFoundError:
        return


def prefix_of(owner: int) -> str:
    """How the directories of a worker begin, by its process id."""
    return f"codealign-{owner}-"


def remove_of(owner: int) -> None:
    """Remove what a killed worker left, except where a program that outlived it still writes (S0)."""
    for entry in os.listdir(PARENT):
        if entry.startswith(prefix_of(owner)):
            with contextlib.suppress(OSError):
                remove(f"{PARENT}/{entry}")


def _remove_entries(directory: int) -> str | None:
    """Remove files, links and empty directories; the first directory that is not empty, if there is one."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=directory)
                continue
            try:
                os.rmdir(entry.name, dir_fd=directory)
            except OSError:
                return entry.name
    return None


def _move(directory: int, name: str) -> int:
    """Open a neighbour and close where we were."""
    there = os.open(name, _DIRECTORY, dir_fd=directory)
    os.close(directory)
    return there


class Usage(NamedTuple):
    """What a directory holds, as far as it was counted."""

    num_files: int
    num_bytes: int


def usage(path: str, max_files: int) -> Usage:
    """Files, directories and their bytes below `path`, while programs write there; no more than `max_files`
    are counted; what can't be looked into (too deep for a path, a mode without rights) counts as that many."""
    num_files = num_bytes = 0
    directories = [path]
    while directories and num_files < max_files:
        try:
            found = _entries(directories.pop())
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError:
            return Usage(max_files, num_bytes)
        num_files += len(found)
        num_bytes += sum(512 * status.st_blocks for _, status in found)
        directories += [below for below, status in found if stat.S_ISDIR(status.st_mode)]
    return Usage(num_files, num_bytes)


def _entries(directory: str) -> list[tuple[str, os.stat_result]]:
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                found.append((entry.path, entry.stat(follow_symlinks=False)))
            except FileNotFoundError:  # removed meanwhile
                continue
    return found
