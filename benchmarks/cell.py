"""How long a cell takes to start at each level, with and without its probes, and what a judge costs to import.

    python benchmarks/cell.py [--repeat 10] [--level S3 …]

CPU time is of the launcher, the zygote and every probe together (user and system); wall time means something
on a quiet machine only. A start with probes is what a worker does before its first program.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from codealign.sandbox import LEVELS, Cell, Limits, linux
from codealign.sandbox.cell import LaunchRefused
from codealign.sandbox.probes import run_probes


class Cost(NamedTuple):
    """Of one start; seconds."""

    cpu_s: float
    wall_s: float


def measured(work: Callable[[], None]) -> Cost:
    """CPU time of this process and of all its descendants that have ended meanwhile."""
    before, started = os.times(), time.monotonic()
    work()
    after = os.times()
    return Cost(sum(after[:4]) - sum(before[:4]), time.monotonic() - started)


def start(level: str, with_probes: bool) -> None:
    cell = Cell(level, Limits())
    cell.launch()
    if with_probes:
        run_probes(cell)
    cell.close()


def show(what: str, costs: list[Cost]) -> None:
    cpu_ms = [1000 * cost.cpu_s for cost in costs]
    wall_ms = [1000 * cost.wall_s for cost in costs]
    print(
        f"{what:<24}CPU {statistics.median(cpu_ms):6.0f} ms   "
        f"wall {statistics.median(wall_ms):6.0f} ms (least {min(wall_ms):.0f})"
    )


def judge_import() -> Cost:
    code = "import codealign.judging, sys; assert 'torch' not in sys.modules"
    return measured(lambda: subprocess.run([sys.executable, "-c", code], check=True) and None)


def show_level(level: str, repeat: int) -> None:
    show(f"{level} alone", [measured(lambda: start(level, False)) for _ in range(repeat)])
    show(f"{level} with its probes", [measured(lambda: start(level, True)) for _ in range(repeat)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--level", nargs="*", default=[level for level in LEVELS if level != "S0"])
    options = parser.parse_args()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # the zygote's time counts once it is waited for
    for level in options.level:
        try:
            show_level(level, options.repeat)
        except LaunchRefused as error:
            print(f"{level:<24}not to be had: {error}")
    show("import of the judge", [judge_import() for _ in range(options.repeat)])


if __name__ == "__main__":
    main()
