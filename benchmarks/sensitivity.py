"""Would other time limits have said otherwise? Recorded completions at half, full and double CPU limits.

    CODEALIGN_DATA=... python benchmarks/sensitivity.py [--num 1000]

A program gets ten times the CPU time of the reference solution, a second at least and `limits.cpu_s` at most; all three
are scaled together, and wall time with them. Programs that pass at one scale and not at another are listed: a
limit that matters to honest programs is too tight.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import Any

from sources import machine, recorded_programs

from codealign.judging import referee
from codealign.records import Problem
from codealign.sandbox import Limits, linux
from codealign.sandbox.cell import numpy_dirs
from codealign.sandbox.levels import open_cell

SCALES = (0.5, 1.0, 2.0)


def judge_at(scale: float, programs: list[tuple[Problem, str]], level: str) -> list[dict[str, Any]]:
    """Verdict rows with every limit of CPU and wall time scaled."""
    limits = Limits()
    limits = limits._replace(cpu_s=scale * limits.cpu_s, wall_s=scale * limits.wall_s)
    least_s, per_reference = referee.LEAST_CPU_S, referee.CPU_PER_REFERENCE
    referee.LEAST_CPU_S, referee.CPU_PER_REFERENCE = scale * least_s, scale * per_reference
    cell = open_cell(level, level == "S0", limits, numpy_dirs()).cell
    try:
        judging, known, rows = referee.Referee(cell, limits), set[str](), []
        for problem, program in programs:
            if problem.task_id not in known:
                known.add(problem.task_id)
                judging.learn(problem.task_id, problem.model_dump())
            rows.append(judging.judge(problem.task_id, program))
        return rows
    finally:
        cell.close()
        referee.LEAST_CPU_S, referee.CPU_PER_REFERENCE = least_s, per_reference


def changed(
    programs: list[tuple[Problem, str]], by_scale: dict[float, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Programs whose outcome is not the same at every scale."""
    return [
        {"task_id": problem.task_id, "index": index, "outcomes": outcomes}
        for index, (problem, _) in enumerate(programs)
        if len(set(outcomes := [by_scale[scale][index]["outcome"] for scale in SCALES])) > 1
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=1000, help="completions, spread evenly")
    parser.add_argument("--level", default="auto")
    parser.add_argument("--json", action="store_true")
    options, here = parser.parse_args(), machine()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    programs = list(recorded_programs(options.num))
    by_scale = {}
    for scale in SCALES:
        print(f"at {scale} times the limits", file=sys.stderr)
        by_scale[scale] = judge_at(scale, programs, options.level)
    told = {
        "machine": here,
        "num": len(programs),
        "outcomes": {
            str(scale): dict(Counter(row["outcome"] for row in rows))
            for scale, rows in by_scale.items()
        },
        "changed": (rows := changed(programs, by_scale)),
        "num_pass_changed": sum(len({o == "passed" for o in row["outcomes"]}) > 1 for row in rows),
    }
    if options.json:
        print(json.dumps(told))
        return
    print(here)
    for scale, outcomes in told["outcomes"].items():
        print(f"{scale} times: {outcomes}")
    print(f"of {told['num']}, {told['num_pass_changed']} pass at some scales only; other outcomes:")
    for row in rows:
        print(f"    {row['task_id']} (number {row['index']}): {' / '.join(row['outcomes'])}")


if __name__ == "__main__":
    main()
