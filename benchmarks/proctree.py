"""This process and everything below it, as /proc shows them: who they are and how much CPU time they took.

A descendant whose parent has died is seen only where this process is a subreaper.
"""

from __future__ import annotations

import os
from pathlib import Path


def tree() -> dict[int, list[int]]:
    """This process and everything below it: the numbers of /proc/PID/stat from the parent's id on, by id."""
    stats: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            text = (place / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended since it was listed
        stats[int(place.name)] = [int(word) for word in text.rpartition(")")[2].split()[1:]]
    found: dict[int, list[int]] = {}
    waiting = [os.getpid()]
    while waiting:
        parent = waiting.pop()
        found[parent] = stats[parent]
        waiting += [pid for pid, fields in stats.items() if fields[0] == parent]
    return found


def tree_cpu_s() -> float:
    """CPU time of this process and everything below it, the dead that were waited for too."""
    # utime, stime, cutime, cstime are fields 14 to 17 of proc(5); the parent's id is field 4.
    return sum(sum(fields[10:14]) for fields in tree().values()) / os.sysconf("SC_CLK_TCK")
