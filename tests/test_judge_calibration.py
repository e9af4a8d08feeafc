"""Problems that prove nothing are named: a stub passes, the reference fails, the tests compare a program with itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from codealign.cli import group
from codealign.config import JudgeConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Judge, calibrate
from codealign.judging.calibration import is_self_referential
from codealign.records import AssertTests, CallTests, CheckTests, Problem, StdioTests

DATA = os.environ.get("CODEALIGN_DATA", "")
SOUND = AssertTests(asserts=["assert f(1) == 2", "assert f(2) == 3"])


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    with Judge(JudgeConfig(engine=LocalJudge(workers=1), cache=False)) as judging:
        try:
            assert judging.isolation
        except SandboxError as error:
            pytest.skip(f"no isolation on this machine: {error}")
        yield judging


def problem(task_id: str, tests: Any, solution: str | None, entry: str | None = "f") -> Problem:
    return Problem(
        task_id=task_id,
        prompt="",
        entry_point=entry,
        tests=tests,
        canonical_solution=solution,
        solution_is_continuation=False,
    )


PROBLEMS = [
    problem("sound", SOUND, "def f(n): return n + 1"),
    problem("wrong", SOUND, "def f(n): return n"),
    problem("no reference", SOUND, None),
    problem("truthy", AssertTests(asserts=["assert f(1)"]), "def f(n): return n"),
    problem("echo", CallTests(inputs=[[1], [[2]]], outputs=[1, [2]]), "def f(x): return x"),
    problem("none", AssertTests(asserts=["assert f([]) is None"]), "def f(n): pass"),
    problem("stdio", StdioTests(inputs=["1\n"], outputs=["1"]), "print(input())", None),
    problem("sound stdio", StdioTests(inputs=["1\n"], outputs=["2"]), "print(2)", None),
]


def test_each_problem_is_measured_by_its_own_solution(judging: Judge) -> None:
    found = {item.task_id: item for item in calibrate(PROBLEMS, judging)}
    assert list(found) == [item.task_id for item in PROBLEMS]
    assert found["sound"].findings == found["sound stdio"].findings == []
    assert found["wrong"].findings == ["its reference solution does not pass: failed"]
    assert found["no reference"].reference is None
    assert {name: item.passing_stubs for name, item in found.items() if item.passing_stubs} == {
        "truthy": ["True", "its argument"],
        "echo": ["its argument"],
        "none": ["None"],
        "stdio": ["its input"],
    }
    reference = found["sound"].reference
    assert reference is not None
    assert reference.cpu_s > 0
    assert reference.peak_bytes > 2**20


def test_tests_that_compare_a_program_with_itself_are_named() -> None:
    check = "def check(candidate):\n    assert candidate([3, 1]) == {}\n"
    itself = problem("t", CheckTests(source=check.format("f([3, 1])")), None)
    other = problem("t", CheckTests(source=check.format("g([3, 1])")), None)
    assert is_self_referential(itself)
    assert not is_self_referential(other)
    # A property of two calls of the same name is one, too; a value that only goes in is not.
    assert is_self_referential(problem("t", AssertTests(asserts=["assert f(1) == f(2)"]), None))
    assert not is_self_referential(problem("t", AssertTests(asserts=["assert f(f(1)) == 3"]), None))


def test_judging_the_references_prints_the_findings(tmp_path: Path, judging: Judge) -> None:
    rows = [item.to_row() for item in PROBLEMS[:4]]
    source = tmp_path / "problems.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["judge", "--problems", str(source), "--completions", "canonical", "--no-cache"]
    command += ["-o", str(tmp_path / "verdicts.jsonl"), "engine.workers=1", "-q"]
    text = CliRunner().invoke(group, command)
    assert text.exit_code == 0, text.output
    assert "truthy: vacuous: a program that gives True, its argument passes" in text.output
    told = json.loads(CliRunner().invoke(group, [*command, "--json"]).stdout)
    assert sorted(told["findings"]) == ["truthy", "wrong"]
    assert told["num_programs"] == 3  # stubs are not counted among what was asked for


@pytest.mark.slow
@pytest.mark.skipif(
    not Path(DATA, "mbpp").is_dir(), reason="CODEALIGN_DATA is unset or has no mbpp"
)
def test_humaneval_and_mbpp_are_sound_but_for_what_is_known(judging: Judge) -> None:
    from codealign.problems import load_problems

    paths = ("humaneval/HumanEval.jsonl.gz", "mbpp/mbpp.jsonl")
    problems = [item for path in paths for item in load_problems(str(Path(DATA, path))).problems]
    found = {item.task_id: item.findings for item in calibrate(problems, judging) if item.findings}
    vacuous = ["Mbpp/404", "Mbpp/698", "Mbpp/847", "Mbpp/899"]
    assert list(found) == ["HumanEval/33", *vacuous]
