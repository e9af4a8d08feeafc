"""What line coverage costs: CPU time per program with and without it, on HumanEval's canonical solutions.

    CODEALIGN_DATA=... python benchmarks/coverage.py [--repeat 3]

Both are measured in one run, in turns, so that their ratio stands on a busy machine too. "fast 160" leaves out the
four problems whose own solutions take long.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sources import SLOW

from codealign.judging.referee import Referee
from codealign.problems import load_problems
from codealign.programs import reference_program
from codealign.records import Problem
from codealign.sandbox import Limits, linux, open_cell


def cpu_s(chosen: list[Problem], coverage: bool) -> float:
    """CPU seconds of this process, the cell and the programs, the start of the cell included."""
    before = sum(os.times()[:4])
    opened = open_cell("auto", False, Limits(cpu_s=20.0, wall_s=120.0), [])
    referee = Referee(opened.cell, opened.cell.limits, coverage=coverage)
    for problem in chosen:
        referee.learn(problem.task_id, problem.model_dump())
        row = referee.judge(problem.task_id, reference_program(problem) or "")
        assert row["passed"], (problem.task_id, row)
    opened.cell.close()
    return sum(os.times()[:4]) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    # The zygote is started by a launcher that exits; only a subreaper is told what it used.
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    path = Path(os.environ["CODEALIGN_DATA"]) / "humaneval" / "HumanEval.jsonl.gz"
    everything = load_problems(str(path)).problems
    fast = [problem for problem in everything if problem.task_id not in SLOW]
    for name, chosen in (("fast 160", fast), ("all 164", everything)):
        spent = {True: 0.0, False: 0.0}
        for _ in range(options.repeat):
            for coverage in spent:
                spent[coverage] += cpu_s(chosen, coverage)
        each = {on: 1000 * total / options.repeat / len(chosen) for on, total in spent.items()}
        print(
            f"{name}: {each[False]:.2f} ms CPU a program, {each[True]:.2f} with coverage: "
            f"{each[True] / each[False]:.2f} times"
        )


if __name__ == "__main__":
    main()
