"""Comparisons agree with the benchmarks' own: EvalPlus's recorded decisions, LiveCodeBench's rules for output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from codealign.judging.compare import answer_is_right, output_is_right
from codealign.sandbox.codec import decode, plain_only

GOLDEN = Path(__file__).parent / "golden" / "evalplus_0_3_1.jsonl"


class Decision(NamedTuple):
    """One call as tests/golden/record_evalplus.py judged it."""

    task_id: str
    entry_point: str
    inputs: list[Any]
    actual: Any
    expected: Any
    atol: float
    right: bool


def decisions() -> list[Decision]:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    return [Decision(*decode(json.loads(line), plain_only)) for line in lines]


def ours(case: Decision) -> bool:
    try:
        return bool(answer_is_right(*case[:-1]))
    except Exception:  # as in a test: what can't be compared is wrong
        return False


def test_every_recorded_decision_of_evalplus_is_ours() -> None:
    cases = decisions()
    assert len(cases) >= 1000
    assert 0.2 < sum(case.right for case in cases) / len(cases) < 0.8
    assert [case for case in cases if ours(case) is not case.right] == []


def test_where_evalplus_is_wrong_we_are_not() -> None:
    # HumanEval/32: (x - 1)(x - 2) = 2 - 3x + x^2. EvalPlus 0.3.1 never marks this call as passed.
    assert answer_is_right("HumanEval/32", "find_zero", [[2, -3, 1]], 2.0, 1.0, 1e-4)
    # A float before it does not lend its tolerance to an exact call.
    assert answer_is_right("HumanEval/0", "f", [], 1.0000001, 1.0, 0)
    assert not answer_is_right("HumanEval/0", "f", [], [1, "a"], [1, "b"], 0)
    # numpy broadcasts a column over a square.
    square = [[1.0, 1.0], [2.0, 2.0]]
    assert not answer_is_right("HumanEval/0", "f", [], [[1.0], [2.0]], square, 1e-6)


@pytest.mark.parametrize(
    ("actual", "expected", "right"),
    [
        ("3 7 12 8\n", "3 7 12 8", True),
        ("  3\n", "3", True),
        ("3\n\n", "3\n", True),
        ("1\n\n2", "1\n2", False),  # a blank line inside is a line
        ("1.0 2e0", "1 2", True),
        ("0.1", "0.10000000000000001", False),  # numbers are decimal, not float
        ("a  b", "a b", False),  # a line of text is compared as text
        ("x 1.0", "x 1", False),
        ("1,2", "1,2", True),
        ("1,2", "1, 2", False),
        ("inf", "Infinity", True),
        ("nan", "nan", True),  # as text
        ("NaN", "nan", False),  # as number it is no number
        ("1_000", "1000", True),  # Decimal reads it so
        ("abc", "ABC", False),
        ("1 2 3", "1 2", False),
        ("12", "1", False),
        ("", "", True),
        ("1\r\n2", "1\n2", True),
    ],
)
def test_output_is_compared_as_livecodebench_does(actual: str, expected: str, right: bool) -> None:
    assert output_is_right(actual, expected) is right
