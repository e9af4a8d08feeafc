"""What a problem's own solution tells about the problem: does it pass, what does it use, would nothing pass as well?

    for calibration in calibrate(problems, judging):
        print(calibration.task_id, calibration.findings)

The reference solution and a handful of stubs are judged like any programs, so their verdicts are kept in the same
cache. Promised: a problem that one of STUBS passes is named. Not promised: that tests which no stub passes are good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from codealign.judging.rewrite import asks_itself
from codealign.judging.scorecard import BrokenProblem
from codealign.judging.verdicts import Candidate, Judge
from codealign.programs import reference_program
from codealign.records import AssertTests, CheckTests, Problem, StdioTests, Verdict

STUBS = {
    "None": "None",
    "0": "0",
    "''": "''",
    "[]": "[]",
    "True": "True",
    "its argument": "next(iter([*arguments, *keywords.values()]), None)",
}
"""What a function that does nothing might return, by name."""
STDIO_STUBS = {
    "no output": "",
    "its input": "import sys\nprint(sys.stdin.read())\n",
}


class Calibration(NamedTuple):
    """One problem, measured by its own solution."""

    task_id: str
    reference: Verdict | None
    """None where the problem has no reference solution."""
    passing_stubs: list[str]
    """Names in STUBS or STDIO_STUBS: with one here the tests are vacuous."""
    is_self_referential: bool
    """The tests call the entry point by its own name for what they expect: some hold for any program."""

    @property
    def findings(self) -> list[str]:
        """What is wrong with the problem, in words; empty for a sound one."""
        found = []
        if self.reference is not None and not self.reference.passed:
            said = f"{self.reference.outcome} {self.reference.detail}".strip()
            found.append(f"its reference solution does not pass: {said}")
        if self.passing_stubs:
            found.append(f"vacuous: a program that gives {', '.join(self.passing_stubs)} passes")
        if self.is_self_referential:
            found.append("self-referential: its tests compare the program with itself")
        return found


def calibrate(problems: Iterable[Problem], judging: Judge) -> Iterator[Calibration]:
    """Judge each problem's reference solution and its stubs, in order, a few problems at a time.

    Raises:
        SandboxError: the isolation asked for can't be had.
    """
    kept = list(problems)
    verdicts = judging.verdicts(
        Candidate(problem, program) for problem in kept for program in _programs(problem)
    )
    for problem in kept:
        reference = None if reference_program(problem) is None else next(verdicts)
        passing = [name for name in _stubs(problem) if next(verdicts).passed]
        yield Calibration(problem.task_id, reference, passing, is_self_referential(problem))


def _programs(problem: Problem) -> list[str]:
    reference = reference_program(problem)
    return [*([] if reference is None else [reference]), *_stubs(problem).values()]


def _stubs(problem: Problem) -> dict[str, str]:
    """Programs that do nothing, by name; none where the tests name no entry point."""
    if isinstance(problem.tests, StdioTests):
        return STDIO_STUBS
    if not problem.entry_point:
        return {}
    head = f"def {problem.entry_point}(*arguments, **keywords):\n    return "
    return {name: f"{head}{value}\n" for name, value in STUBS.items()}


def is_self_referential(problem: Problem) -> bool:
    """Whether the tests use the entry point by its own name where they say what they expect (HumanEval/33)."""
    tests, name = problem.tests, problem.entry_point
    if not name or not isinstance(tests, CheckTests | AssertTests):
        return False
    sources = [tests.source] if isinstance(tests, CheckTests) else tests.asserts
    try:
        return any(asks_itself(source, name) for source in sources)
    except BrokenProblem:
        return False  # its verdicts say so
