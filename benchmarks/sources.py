"""What the benchmarks of the judge start from: problems, recorded programs, the machine they run on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from codealign.problems import load_problems
from codealign.programs import extract_program, read_completions, reference_program
from codealign.records import Problem

RECORDED = "recorded/humaneval_codegen16b_t0.8_n100.jsonl.gz"
"""16,400 completions by CodeGen-16B, published with CodeT (arXiv 2207.10397)."""

Item = TypeVar("Item")

SLOW = ("HumanEval/75", "HumanEval/147", "HumanEval/36", "HumanEval/32")
"""Problems whose own solutions take long; the others are "the fast 160"."""


def recorded_programs(num: int | None = None) -> Iterator[tuple[Problem, str]]:
    """(problem, program) of each recorded completion, in the file's order; `num` of them spread evenly."""
    problems = {problem.task_id: problem for problem in load_problems("humaneval").problems}
    completions = read_completions(Path(os.environ["CODEALIGN_DATA"]) / RECORDED)
    for completion in evenly(completions, num):
        problem = problems[completion.task_id]
        yield problem, extract_program(problem, completion)


def evenly(items: list[Item], num: int | None) -> list[Item]:
    """`num` of the items, spread evenly over all; all of them without a number."""
    if num is None or num >= len(items):
        return items
    return [items[number * len(items) // num] for number in range(num)]


def reference_programs(*names: str) -> Iterator[tuple[Problem, str]]:
    """(problem, its reference solution as a whole program) of the named benchmarks."""
    for name in names:
        for problem in load_problems(name).problems:
            program = reference_program(problem)
            assert program is not None, problem.task_id
            yield problem, program


def machine() -> str:
    """Kernel, Python, cores this process may use, and how busy they have been; ask before the work."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    busy = "quiet" if load < 0.3 else "busy"
    return (
        f"Linux {platform.release()}, Python {platform.python_version()}, {cores} cores, "
        f"load {load:.2f} ({busy}) before"
    )
