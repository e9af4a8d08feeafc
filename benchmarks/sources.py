"""What several benchmarks of the judge start from: the machine they run on."""

from __future__ import annotations

import os
import platform


def machine() -> str:
    """Kernel, Python, cores this process may use, and how busy they have been; ask before the work."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    busy = "quiet" if load < 0.3 else "busy"
    return (
        f"Linux {platform.release()}, Python {platform.python_version()}, {cores} cores, "
        f"load {load:.2f} ({busy}) before"
    )
