"""Does the judge flake? Reference solutions judged again and again, on a quiet machine and on one with no core free.

    CODEALIGN_DATA=... python benchmarks/repeats.py [--repeats 20]

All reference solutions of HumanEval and MBPP, every repeat in full (no verdict is kept): first with one worker a
core, then with two workers a core beside one busy process a core. Every verdict has to be `passed`, every time; one
that is not is listed. The largest CPU time of a program, over its smallest, tells how far a busy machine stretches
what the limits count.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sources import evenly, machine, reference_programs

from codealign.config import JudgeConfig, LocalJudge
from codealign.judging import Candidate, Judge
from codealign.records import Verdict

LONG_ENOUGH_S = 0.05
"""Shorter programs are left out of the stretch: theirs is noise."""


class Phase(NamedTuple):
    """One way of loading the machine, and what came of it."""

    name: str
    num_workers: int
    num_spinners: int


class Outcome(NamedTuple):
    name: str
    num_judged: int
    flakes: list[dict[str, Any]]
    """Verdicts that were not `passed`."""
    largest_stretch: float
    """Of a program: its largest CPU time over its smallest."""
    wall_s: float


def spin() -> None:
    while True:
        pass


@contextmanager
def busy(num_spinners: int) -> Iterator[None]:
    """So many processes that compute for ever, ended afterwards."""
    spinners = [multiprocessing.Process(target=spin, daemon=True) for _ in range(num_spinners)]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def run(phase: Phase, candidates: list[Candidate], num_repeats: int) -> Outcome:
    config = JudgeConfig(engine=LocalJudge(workers=phase.num_workers), cache=False)
    started = time.monotonic()
    verdicts: list[list[Verdict]] = []
    with Judge(config) as judge, busy(phase.num_spinners):
        for number in range(num_repeats):
            verdicts.append(list(judge.verdicts(candidates)))
            num_failed = sum(not verdict.passed for verdict in verdicts[-1])
            print(
                f"{phase.name}: repeat {number + 1} of {num_repeats}, {num_failed} not passed",
                file=sys.stderr,
            )
    flakes = [
        {
            "repeat": number,
            **verdict.model_dump(include={"task_id", "outcome", "detail", "message"}),
        }
        for number, repeat in enumerate(verdicts)
        for verdict in repeat
        if not verdict.passed
    ]
    return Outcome(
        phase.name,
        num_repeats * len(candidates),
        flakes,
        max((_stretch(same) for same in zip(*verdicts, strict=True)), default=1.0),
        round(time.monotonic() - started, 1),
    )


def _stretch(same: tuple[Verdict, ...]) -> float:
    """Largest over smallest CPU time of one program's verdicts; 1 for a program too short to tell."""
    times = [verdict.cpu_s for verdict in same]
    return max(times) / min(times) if min(times) >= LONG_ENOUGH_S else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--num-programs", type=int, help="only so many programs, spread evenly")
    parser.add_argument("--json", action="store_true")
    options, here = parser.parse_args(), machine()
    references = list(reference_programs("humaneval", "mbpp"))
    candidates = [Candidate(*each) for each in evenly(references, options.num_programs)]
    cores = len(os.sched_getaffinity(0))
    phases = [Phase("idle", cores, 0), Phase("oversubscribed", 2 * cores, cores)]
    outcomes = [run(phase, candidates, options.repeats) for phase in phases]
    if options.json:
        told = {"machine": here, "phases": [outcome._asdict() for outcome in outcomes]}
        print(json.dumps(told))
        return
    print(here)
    for outcome in outcomes:
        print(
            f"{outcome.name:<16}{outcome.num_judged:>7} judged in {outcome.wall_s:.0f} s, {len(outcome.flakes)} not "
            f"passed; CPU time of a program stretched {outcome.largest_stretch:.2f} times at most"
        )
        for flake in outcome.flakes:
            print(f"    {flake}")


if __name__ == "__main__":
    main()
