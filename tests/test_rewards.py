"""Rewards: what each outcome is worth, what is not scored, and how a user's function is asked."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from codealign.config import (
    BinaryReward,
    CodeRLReward,
    EfficiencyReward,
    FractionReward,
    FunctionReward,
    JudgeConfig,
    LocalJudge,
    Reward,
)
from codealign.errors import DataError, InputError, SandboxError
from codealign.judging import Judge
from codealign.records import OUTCOMES, CallTests, Completion, Outcome, Problem, Verdict
from codealign.rewards import build_reward
from codealign.rewards.functions import load_function
from codealign.verdicts import judge_completions

PROMPT = "def double(x):\n"


def problem(task_id: str = "t", **columns: Any) -> Problem:
    tests = CallTests(inputs=[[1], [3]], outputs=[2, 6])
    return Problem(task_id=task_id, prompt=PROMPT, entry_point="double", tests=tests, **columns)


def verdict(outcome: Outcome = "passed", **columns: Any) -> Verdict:
    passed = outcome == "passed"
    row = {"task_id": "t", "completion": "    return 2 * x\n", "finish_reason": "stop"}
    return Verdict.model_validate(row | {"outcome": outcome, "passed": passed} | columns)


def rewards(section: Reward, verdicts: Sequence[Verdict]) -> list[float | None]:
    problems = {each.task_id: problem(each.task_id) for each in verdicts}
    return build_reward(section)(verdicts, problems)


# ------------------------------------------------------------------ outcomes

CODERL = {
    "passed": 1.0,
    "failed": -0.3,
    "runtime_error": -0.6,
    "syntax_error": -1.0,
    "timeout": -0.6,
    "memory": -0.6,
    "output_limit": -0.6,
    "violation": -0.6,
    "not_judged": None,
}


def test_coderl_gives_every_outcome_its_level() -> None:
    assert set(CODERL) == set(OUTCOMES)
    assert rewards(CodeRLReward(), [verdict(each) for each in OUTCOMES]) == list(CODERL.values())


def test_binary_is_one_for_passed_only() -> None:
    expected = [{"passed": 1.0, "not_judged": None}.get(each, 0.0) for each in OUTCOMES]
    assert rewards(BinaryReward(), [verdict(each) for each in OUTCOMES]) == expected


def test_fraction_is_the_share_of_tests_passed() -> None:
    rows = [
        verdict("failed", tests_passed=3, tests_total=4),
        verdict("timeout", tests_passed=1, tests_total=4),
        verdict("passed", tests_passed=4, tests_total=4),
        verdict("syntax_error"),  # came to no test
        verdict("violation", tests_passed=3, tests_total=4),
        verdict("not_judged", tests_passed=3, tests_total=4),
    ]
    assert rewards(FractionReward(), rows) == [0.75, 0.25, 1.0, 0.0, 0.0, None]


def test_levels_are_the_sections() -> None:
    section = CodeRLReward(passed=2.0, failed=0.5, runtime_error=0.0, syntax_error=-3.0)
    rows = [verdict("passed"), verdict("failed"), verdict("memory"), verdict("syntax_error")]
    assert rewards(section, rows) == [2.0, 0.5, 0.0, -3.0]


@pytest.mark.parametrize(
    ("section", "lowest"),
    [
        (CodeRLReward(), -1.0),
        (CodeRLReward(failed=-7.0), -7.0),
        (BinaryReward(), 0.0),
        (FractionReward(), 0.0),
        (EfficiencyReward(), 0.0),
        (EfficiencyReward(rule=CodeRLReward()), -1.0),
        (BinaryReward(unfinished=-0.5), -0.5),
        (EfficiencyReward(rule=FractionReward(unfinished=-0.5)), -0.5),
    ],
)
def test_a_cut_completion_gets_the_lowest_reward_even_if_it_passes(
    section: Reward, lowest: float
) -> None:
    rows = [
        verdict("passed", tests_passed=2, tests_total=2, finish_reason="length"),
        verdict("failed", finish_reason="length"),
        verdict("not_judged", finish_reason="length"),
    ]
    assert rewards(section, rows) == [lowest, lowest, None]


def test_an_unknown_finish_is_not_unfinished() -> None:
    plain = Verdict(task_id="t", outcome="passed", passed=True)
    assert rewards(BinaryReward(), [verdict(finish_reason="unknown"), plain]) == [1.0, 1.0]


COMPLETIONS = {
    "passed": "    return 2 * x\n",
    "failed": "    return 2\n",
    "runtime_error": "    return 1 // 0\n",
    "no_entry_point": "def other(x):\n    return x\n",
    "syntax_error": "    return (\n",
    "timeout": "    while True: pass\n",
    "memory": "    return len(bytearray(10 ** 12))\n",
}


def test_real_programs_get_their_levels() -> None:
    config = JudgeConfig.model_validate(
        {"cache": False, "limits": {"cpu_s": 0.5}, "engine": LocalJudge(workers=1)}
    )
    given = [
        Completion(task_id="t", completion=text, sample_index=number, finish_reason="stop")
        for number, text in enumerate([*COMPLETIONS.values(), COMPLETIONS["passed"]])
    ]
    given[-1] = given[-1].model_copy(update={"finish_reason": "length"})
    problems = {"t": problem()}
    with Judge(config) as judge:
        verdicts = list(judge_completions(problems, given, judge))
    assert build_reward(CodeRLReward())(verdicts, problems) == [
        *(1.0, -0.3, -0.6, -1.0, -1.0, -0.6, -0.6),
        -1.0,
    ]
    half = [1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert build_reward(FractionReward())(verdicts, problems) == half


# ------------------------------------------------------------------ efficiency


def timed(*seconds: float, **columns: Any) -> list[Verdict]:
    return [verdict(cpu_s=each, **columns) for each in seconds]


def test_the_bonus_halves_with_every_doubling_of_time() -> None:
    rows = timed(0.1, 0.19, 0.2, 0.39, 0.4, 0.9)
    # 1 + 0.5 · (1, 1, 1/2, 1/2, 1/4, 1/8)
    assert rewards(EfficiencyReward(), rows) == [1.5, 1.5, 1.25, 1.25, 1.125, 1.0625]


def test_below_the_floor_all_programs_are_equally_fast() -> None:
    rows = timed(0.001, 0.04, 0.05, 0.09, 0.1)
    assert rewards(EfficiencyReward(bonus=1.0), rows) == [2.0, 2.0, 2.0, 2.0, 1.5]


def test_only_finished_passing_programs_have_a_bonus_or_set_the_best_time() -> None:
    rows = [
        *timed(0.1, finish_reason="length"),
        verdict("failed", cpu_s=0.1),
        verdict("not_judged", cpu_s=0.1),
        *timed(0.8),
    ]
    assert rewards(EfficiencyReward(), rows) == [0.0, 0.0, None, 1.5]


def test_each_problem_has_its_own_best_time() -> None:
    rows = [verdict(cpu_s=0.1, task_id="a"), verdict(cpu_s=0.4, task_id="b")]
    assert rewards(EfficiencyReward(), rows) == [1.5, 1.5]


def test_the_bonus_is_on_top_of_another_rule() -> None:
    rows = [*timed(0.1), verdict("failed"), verdict("syntax_error")]
    assert rewards(EfficiencyReward(rule=CodeRLReward()), rows) == [1.5, -0.3, -1.0]


# ------------------------------------------------------------------ functions

Function = Callable[..., Any]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FunctionReward]:
    """A section whose target is the given function."""
    module = type(sys)("outside_rewards")
    monkeypatch.setitem(sys.modules, "outside_rewards", module)

    def section(function: Function, **fields: Any) -> FunctionReward:
        module.f = function  # type: ignore[attr-defined]
        return FunctionReward(target="outside_rewards:f", **fields)

    return section


def test_a_function_is_called_as_trl_does(outside) -> None:
    seen: dict[str, Any] = {}

    def f(prompts, completions, completion_ids, **columns) -> list[float]:
        seen.update(columns, prompts=prompts, completions=completions, ids=completion_ids)
        return [0.25, True]

    rows = [
        verdict(completion="a", completion_ids=[1, 2], tests_passed=1, program="p", mine=7),
        verdict("failed", completion="b", completion_ids=[3], tests_total=2, sample_index=1),
    ]
    rule = build_reward(outside(f))
    assert rule(rows, {"t": problem(canonical_solution="c", level="hard")}) == [0.25, 1.0]
    expected = {
        "prompts": [PROMPT, PROMPT],
        "completions": ["a", "b"],
        "ids": [[1, 2], [3]],
        "task_id": ["t", "t"],
        "sample_index": [0, 1],
        "finish_reason": ["stop", "stop"],
        "outcome": ["passed", "failed"],
        "tests_passed": [1, 0],
        "tests_total": [0, 2],
        "program": ["p", ""],
        "mine": [7, None],
        "entry_point": ["double", "double"],
        "canonical_solution": ["c", "c"],
        "level": ["hard", "hard"],
        "tests": [[], []],
        "problem_tests": [problem().tests] * 2,
        "logprob": [None, None],
    }
    assert {name: seen[name] for name in expected} == expected
    assert not {"prompt", "completion"} & set(seen)


def test_only_named_columns_are_given_to_a_function_without_a_rest(outside) -> None:
    def f(completions, tests_passed, weight=2.0):
        return [passed * weight for passed in tests_passed]

    assert rewards(outside(f), [verdict(tests_passed=3)]) == [6.0]


def test_chat_messages_and_async_functions(outside) -> None:
    async def f(prompts, completions, **columns):
        await asyncio.sleep(0)
        [[asked]], [[said]] = prompts, completions
        return [float(asked["role"] == "user" and said == {"role": "assistant", "content": "a"})]

    assert rewards(outside(f, messages=True), [verdict(completion="a")]) == [1.0]


def test_a_function_is_asked_about_rows_that_count_only(outside) -> None:
    asked: list[list[str]] = []

    def f(prompts, completions, **columns):
        asked.append(completions)
        return [None if text == "skip" else 5.0 for text in completions]

    rows = [
        verdict(completion="a"),
        verdict("not_judged", completion="b"),
        verdict(completion="c", finish_reason="length"),
        verdict(completion="skip"),
    ]
    assert rewards(outside(f), rows) == [5.0, None, 0.0, None]
    assert rewards(outside(f, unfinished=-2.0), rows) == [5.0, None, -2.0, None]
    assert rewards(outside(f, unfinished=None), rows) == [5.0, None, 5.0, None]
    assert asked == [["a", "skip"], ["a", "skip"], ["a", "c", "skip"]]
    assert rewards(outside(f), rows[1:3]) == [None, 0.0]
    assert len(asked) == 3  # nothing to ask about


def test_numbers_of_any_kind_are_numbers(outside) -> None:
    import numpy as np

    rows = [verdict(), verdict(), verdict()]
    assert rewards(outside(lambda completions: np.array([1, 2, 3])), rows) == [1.0, 2.0, 3.0]
    given = outside(lambda completions: (np.float32(0.5), Decimal(2), False))
    assert rewards(given, rows) == [0.5, 2.0, 0.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1.0], "1 rewards for 2 completions"),
        ([1.0, float("nan")], "'nan' (float) for row 1 (t, sample 4)"),
        ([1.0, float("inf")], "'inf' (float) for row 1"),
        ([1.0, "2.0"], "'2.0' (str) for row 1"),
        ([[1.0], 1.0], "'[1.0]' (list) for row 0 (t, sample 0)"),
        (1.0, "a float, not a list"),
        (None, "a NoneType, not a list"),
        ("ab", "a str, not a list"),
        ({"a": 1, "b": 2}, "a dict, not a list"),
    ],
)
def test_a_wrong_answer_names_the_function_and_the_row(outside, answer: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        rewards(outside(lambda completions: answer), [verdict(), verdict(sample_index=4)])
    assert str(caught.value).startswith("outside_rewards:f: the reward function gave " + message)


def test_an_exception_comes_with_its_last_line(outside) -> None:
    def f(completions, **columns):
        return [len(columns["nothing"])]

    with pytest.raises(
        InputError, match=r"f: the reward function raised KeyError: 'nothing' \("
    ) as e:
        rewards(outside(f), [verdict()])
    assert f"{__file__}:" in str(e.value)
    assert "→" in str(e.value)


def test_a_dead_sandbox_inside_a_function_is_not_its_fault(outside) -> None:
    def f(completions, **columns):
        raise SandboxError("gone")

    with pytest.raises(SandboxError):
        rewards(outside(f), [verdict()])


def test_columns_that_there_are_not_are_named(outside) -> None:
    def f(completions, trainer_state, **columns): ...

    with pytest.raises(InputError, match="wants columns that there are not: trainer_state"):
        rewards(outside(f), [verdict()])


def test_a_function_of_another_kind_is_refused_before_anything_is_sampled(outside) -> None:
    with pytest.raises(InputError, match="prompts, completions"):
        build_reward(outside(lambda completion, row: 1.0))


def test_rows_without_completion_or_problem_are_data_errors(outside) -> None:
    rule = build_reward(outside(lambda completions: [1.0]))
    bare = Verdict(task_id="t", outcome="passed", passed=True)
    with pytest.raises(DataError, match="no completion"):
        rule([bare], {"t": problem()})
    with pytest.raises(DataError, match="'t'"):
        rule([verdict()], {})


# ------------------------------------------------------------------ finding a function

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Length:
    unit: int = 1

    def reward(self, completions, **columns):
        return [len(text) / self.unit for text in completions]

f = Length(2).reward
number = 3
"""


def test_a_function_is_found_in_a_file_and_in_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_rewards.py").write_text(SOURCE)
    (tmp_path / "random.py").write_text(SOURCE)
    words = ("my_rewards:f", "my_rewards.py:f", f"{tmp_path}/my_rewards.py:f", "random.py:f")
    for word in words:
        assert rewards(FunctionReward(target=word), [verdict(completion="abc")]) == [1.5]
    assert load_function("my_rewards.py:f") is load_function(f"{tmp_path}/my_rewards.py:f")
    assert sys.modules["random"].__file__ != str(tmp_path / "random.py")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("no_such_module:f", "can't be imported"),
        ("nowhere.py:f", "can't be imported"),
        ("my_rewards.py:g", "has no attribute 'g'"),
        ("my_rewards.py:number", "not a function"),
        ("builtins:dict", "not a function"),
        ("broken.py:f", r"ZeroDivisionError: .* \(.*broken.py:2\)"),
        ("torn.py:f", "SyntaxError"),
    ],
)
def test_what_is_no_function_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rewards.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("x = 1\nx / 0\n")
    (tmp_path / "torn.py").write_text("def f(:\n")
    with pytest.raises(InputError, match=message):
        load_function(word)


# ------------------------------------------------------------------ sections


def test_sections_are_told_apart_by_kind() -> None:
    parse = TypeAdapter[Reward](Reward).validate_python
    assert parse({"kind": "coderl", "failed": 0}) == CodeRLReward(failed=0.0)
    assert parse({"kind": "efficiency", "rule": {"kind": "fraction"}}) == EfficiencyReward(
        rule=FractionReward()
    )


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "binary", "passed": 1.0},
        {"kind": "coderl", "passed": float("nan")},
        {"kind": "function"},
        {"kind": "function", "target": "module"},
        {"kind": "efficiency", "rule": {"kind": "efficiency"}},
        {"kind": "efficiency", "bonus": 0.0},
        {"kind": "efficiency", "unfinished": 0.0},  # the rule inside says it
    ],
)
def test_what_would_be_ignored_or_make_no_sense_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[Reward](Reward).validate_python(data)
