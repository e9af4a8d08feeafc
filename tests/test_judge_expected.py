"""Expected outputs are computed from the reference once, kept with their types, and never trusted when torn."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from codealign.config import JudgeConfig, LocalJudge
from codealign.judging import Candidate, Judge
from codealign.judging.expected import ExpectedOutputs
from codealign.records import CallTests, Problem

CONFIG = JudgeConfig(engine=LocalJudge(workers=1))
SOURCE = "def f(n):\n    return (n, {n: 'x'})\n"
PROBLEM = Problem(
    task_id="t",
    prompt="",
    entry_point="f",
    tests=CallTests(inputs=[[1], [2]]),
    canonical_solution=SOURCE,
    solution_is_continuation=False,
)


def outcome(tmp_path: Path, config: JudgeConfig = CONFIG) -> str:
    with Judge(config, cache_dir=tmp_path) as judge:
        (verdict,) = judge.verdicts([Candidate(PROBLEM, SOURCE + "# mine\n")])
    (tmp_path / "verdicts.sqlite").unlink(missing_ok=True)
    return verdict.outcome


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "expected").glob("*.json"))


def test_the_answers_are_kept_and_used_the_next_time(tmp_path: Path) -> None:
    assert outcome(tmp_path) == "passed"
    (path,) = kept(tmp_path)
    # Had they been computed again, this lie would not be noticed.
    path.write_text(json.dumps([3, 3]))
    assert outcome(tmp_path) == "failed"


@pytest.mark.parametrize("text", ["", "[1", "[1]", '{"what": 1}'])
def test_a_torn_or_foreign_file_is_computed_again(tmp_path: Path, text: str) -> None:
    outcome(tmp_path)
    (path,) = kept(tmp_path)
    path.write_text(text)
    assert outcome(tmp_path) == "passed"


def test_without_the_cache_nothing_is_kept(tmp_path: Path) -> None:
    assert outcome(tmp_path, CONFIG.model_copy(update={"cache": False})) == "passed"
    assert kept(tmp_path) == []


def test_types_survive_and_another_input_is_another_key(tmp_path: Path) -> None:
    expected = ExpectedOutputs(tmp_path)
    answers = [(1, {2: {3, 4}}), 2**200, float("inf"), b"x", Fraction(1, 3), None]
    expected.put("source", "f", [[i] for i in range(6)], answers)
    again = expected.get("source", "f", [[i] for i in range(6)])
    assert again == answers
    assert [type(value) for value in again] == [type(value) for value in answers]
    assert expected.get("source", "f", [[i] for i in range(1, 7)]) is None
    assert expected.get("source", "f", [(i,) for i in range(6)]) is None
    assert ExpectedOutputs(None).get("source", "f", []) is None
