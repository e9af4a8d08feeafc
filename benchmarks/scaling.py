"""How much faster two workers on two cores are than one on one: wall time, HumanEval's reference solutions.

    CODEALIGN_DATA=... python benchmarks/scaling.py [--rounds 6] [--copies 4] [--json]

Both judges stay; in each round both judge the fast 160 `copies` times over, in turns, and the ratio is the median of the
rounds' ratios. The one worker and everything around it is held to one core. What the machine itself can give is
measured in the same rounds: bare forks on one core against bare forks on both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import TypedDict

from sources import SLOW, machine, reference_programs

from codealign.config import JudgeConfig, LocalJudge
from codealign.judging import Candidate, Judge

NUM_FORKS = 400


class Result(TypedDict):
    machine: str
    one_ms: float
    two_ms: float
    times_faster: float
    forks_times_faster: float


def wall_s(work: Callable[[], object], cores: set[int]) -> float:
    os.sched_setaffinity(0, cores)
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def forks(cores: list[int]) -> None:
    """NUM_FORKS bare forks on each core, by a process of its own there."""
    parents = []
    for core in cores:
        parent = os.fork()
        if parent == 0:
            os.sched_setaffinity(0, {core})
            for _ in range(NUM_FORKS):
                child = os.fork()
                if child == 0:
                    os._exit(0)
                os.waitpid(child, 0)
            os._exit(0)
        parents.append(parent)
    for parent in parents:
        os.waitpid(parent, 0)


def measure(num_rounds: int, num_copies: int) -> Result:
    told = machine()
    cores = sorted(os.sched_getaffinity(0))[:2]
    programs = [pair for pair in reference_programs("humaneval") if pair[0].task_id not in SLOW]
    candidates = [Candidate(*pair) for pair in programs] * num_copies

    def judge_all(judge: Judge) -> None:
        verdicts = judge.verdicts(candidates, ordered=False)
        assert all(verdict.passed for verdict in verdicts)

    judges = []
    for num_workers in (1, 2):
        os.sched_setaffinity(0, cores[:num_workers])
        config = JudgeConfig(engine=LocalJudge(workers=num_workers), cache=False)
        judges.append(Judge(config))
        judge_all(judges[-1])
    one, two, forks_one, forks_two = [], [], [], []
    for _ in range(num_rounds):
        one.append(wall_s(lambda: judge_all(judges[0]), {cores[0]}))
        two.append(wall_s(lambda: judge_all(judges[1]), {*cores}))
        forks_one.append(wall_s(lambda: forks(cores[:1]), {*cores}))
        forks_two.append(wall_s(lambda: forks(cores), {*cores}))
    for judge in judges:
        judge.close()
    return Result(
        machine=told,
        one_ms=1000 * statistics.median(one) / len(candidates),
        two_ms=1000 * statistics.median(two) / len(candidates),
        times_faster=statistics.median(a / b for a, b in zip(one, two, strict=True)),
        forks_times_faster=2
        * statistics.median(a / b for a, b in zip(forks_one, forks_two, strict=True)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed")
    result = measure(options.rounds, options.copies)
    if options.json:
        print(json.dumps(result))
        return
    print(result["machine"])
    print(f"one worker on one core   {result['one_ms']:.2f} ms wall a program")
    print(f"two workers on two       {result['two_ms']:.2f} ms wall a program")
    print(f"                         {result['times_faster']:.2f} times as fast")
    print(f"bare forks               {result['forks_times_faster']:.2f} times as fast on two cores")


if __name__ == "__main__":
    main()
