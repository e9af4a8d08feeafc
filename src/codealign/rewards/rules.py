"""From verdicts to rewards: a table of rules, one small function each.

Promises: one reward a verdict, in their order. None is "not scored": a program that could not be judged, or a
function's own None. It is never a number, and nobody's average. A completion that the token limit cut is *unfinished*:
it gets the rule's lowest reward even where the torn program passes, since the model did not choose to stop there.

Not promised: that more reward is better code. A rule is what gets optimised, tests' gaps included.

Where each outcome goes:

    passed                                                          passed
    failed                                                          failed
    runtime_error, timeout, memory, output_limit, violation         runtime_error: it compiles, and its run ended badly
    syntax_error, `no_entry_point` among them                       syntax_error: there is nothing to run
    not_judged                                                      None, with every rule
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from codealign.config import (
    BinaryReward,
    CodeRLReward,
    EfficiencyReward,
    FractionReward,
    FunctionReward,
    Reward,
    Section,
)
from codealign.errors import CodealignError, DataError, InputError
from codealign.records import Completion, Outcome, Problem, Verdict
from codealign.rewards.functions import (
    call_with,
    last_line,
    load_function,
    missing_columns,
    takes_completions,
)


class RewardRule(Protocol):
    """Rewards of judged completions; whole lists, since some rules compare the samples of a problem."""

    def __call__(
        self, verdicts: Sequence[Verdict], problems: Mapping[str, Problem]
    ) -> list[float | None]:
        """One reward a verdict; None is not scored.

        Args:
            verdicts: as `verdicts.judge_completions` gives them, with the completions' columns.
            problems: by task id.
        """
        ...


def build_reward(section: Reward) -> RewardRule:
    """The rule that a section describes.

    Raises:
        InputError: its function can't be imported, or has another signature.
    """
    return _BUILDERS[type(section)](section)


def is_unfinished(verdict: Verdict) -> bool:
    """Whether the token limit cut the completion."""
    return (verdict.model_extra or {}).get("finish_reason") == "length"


def is_scored(verdict: Verdict) -> bool:
    return verdict.outcome != "not_judged"


def _one_by_one(score: Callable[[Verdict], float], unfinished: float) -> RewardRule:
    def rule(verdicts: Sequence[Verdict], problems: Mapping[str, Problem]) -> list[float | None]:
        return [
            None if not is_scored(each) else unfinished if is_unfinished(each) else score(each)
            for each in verdicts
        ]

    return rule


def _coderl(section: CodeRLReward) -> RewardRule:
    """CodeRL's return (arXiv 2207.01780): +1.0 passes all unit tests, -0.3 fails one, -0.6 runtime error, -1.0 compile error."""
    ended_badly = section.runtime_error
    levels: dict[Outcome, float] = {
        "passed": section.passed,
        "failed": section.failed,
        "runtime_error": ended_badly,
        "timeout": ended_badly,
        "memory": ended_badly,
        "output_limit": ended_badly,
        "violation": ended_badly,
        "syntax_error": section.syntax_error,
    }
    return _one_by_one(
        lambda verdict: levels[verdict.outcome], _or_lowest(section.unfinished, *levels.values())
    )


def _binary(section: BinaryReward) -> RewardRule:
    return _one_by_one(
        lambda verdict: float(verdict.passed), _or_lowest(section.unfinished, 0.0, 1.0)
    )


def _fraction(section: FractionReward) -> RewardRule:
    return _one_by_one(lambda verdict: verdict.pass_rate, _or_lowest(section.unfinished, 0.0, 1.0))


def _or_lowest(unfinished: float | None, *rewards: float) -> float:
    return min(rewards) if unfinished is None else unfinished


def _efficiency(section: EfficiencyReward) -> RewardRule:
    """rule + bonus · 2^-⌊log2(t / t_best)⌋ for programs that pass, t = max(cpu_s, floor_s).

    t_best is the least t among the passing programs of the same problem in the same call. Whole powers of two, so
    that equal programs whose times differ by noise get equal rewards: a group's normalisation would otherwise
    blow noise up to one standard deviation.
    """
    plain = build_reward(section.rule)

    def rule(verdicts: Sequence[Verdict], problems: Mapping[str, Problem]) -> list[float | None]:
        rewards = plain(verdicts, problems)
        best_s: dict[str, float] = {}
        for each in filter(_finishes_and_passes, verdicts):
            used_s = max(each.cpu_s, section.floor_s)
            best_s[each.task_id] = min(used_s, best_s.get(each.task_id, math.inf))
        return [
            reward
            if reward is None or not _finishes_and_passes(each)
            else reward + section.bonus * _thrift(each, section.floor_s, best_s[each.task_id])
            for each, reward in zip(verdicts, rewards, strict=True)
        ]

    return rule


def _finishes_and_passes(verdict: Verdict) -> bool:
    return verdict.passed and not is_unfinished(verdict)


def _thrift(verdict: Verdict, floor_s: float, best_s: float) -> float:
    return 0.5 ** math.floor(math.log2(max(verdict.cpu_s, floor_s) / best_s))


class _FunctionRule:
    """A function of TRL's kind. It is asked about the rows that count, and about nothing else."""

    def __init__(self, section: FunctionReward) -> None:
        self._section, self._where = section, section.target
        self._function = load_function(section.target)
        if not takes_completions(self._function):
            raise InputError(
                "does not take (prompts, completions, **columns)",
                where=self._where,
                cure="wrap it in a function that does",
            )

    def __call__(
        self, verdicts: Sequence[Verdict], problems: Mapping[str, Problem]
    ) -> list[float | None]:
        given = self._section.unfinished
        rewards: list[float | None] = [
            given if is_scored(each) and is_unfinished(each) else None for each in verdicts
        ]
        asked = [
            number
            for number, each in enumerate(verdicts)
            if is_scored(each) and (given is None or not is_unfinished(each))
        ]
        if asked:
            answers = self._answers([verdicts[number] for number in asked], problems)
            for number, answer in zip(asked, answers, strict=True):
                rewards[number] = answer
        return rewards

    def _answers(
        self, verdicts: Sequence[Verdict], problems: Mapping[str, Problem]
    ) -> list[float | None]:
        columns = _columns(verdicts, problems, self._section.messages)
        if missing := missing_columns(self._function, columns):
            raise InputError(
                f"wants columns that there are not: {', '.join(missing)}",
                where=self._where,
                cure=f"there are {', '.join(columns)}; give the others a default",
            )
        try:
            answers = call_with(self._function, columns)
        except CodealignError:
            raise  # such as a dead sandbox in our own judge: not the function's fault
        except Exception as error:
            raise InputError(
                f"the reward function raised {last_line(error)}",
                where=self._where,
                cure="mend it, or let it give None for rows that it can't score",
            ) from error
        return self._numbers(answers, verdicts)

    def _numbers(self, answers: Any, verdicts: Sequence[Verdict]) -> list[float | None]:
        if isinstance(answers, str | Mapping) or not hasattr(answers, "__iter__"):
            raise self._wrong(f"a {type(answers).__name__}, not a list")
        rows = list(answers)
        if len(rows) != len(verdicts):
            raise self._wrong(f"{len(rows)} rewards for {len(verdicts)} completions")
        return [
            self._number(answer, number, verdict)
            for number, (answer, verdict) in enumerate(zip(rows, verdicts, strict=True))
        ]

    def _number(self, answer: Any, number: int, verdict: Verdict) -> float | None:
        if answer is None:
            return None
        try:
            reward = math.nan if isinstance(answer, str | bytes) else float(answer)
        except (TypeError, ValueError, OverflowError):
            reward = math.nan
        if not math.isfinite(reward):
            row = f"row {number} ({verdict.task_id}, sample {verdict.sample_index})"
            raise self._wrong(f"{str(answer)[:80]!r} ({type(answer).__name__}) for {row}")
        return reward

    def _wrong(self, what: str) -> InputError:
        return InputError(
            f"the reward function gave {what}",
            where=self._where,
            cure="give one finite number for each completion, or None for one that is not scored",
        )


def _columns(
    verdicts: Sequence[Verdict], problems: Mapping[str, Problem], messages: bool
) -> dict[str, list[Any]]:
    """The columns of verdicts and problems as lists, None where a row lacks one.

    Where both have a name the verdict's counts; the problem's tests are `problem_tests`.
    """
    rows = [_row(each, _problem_of(problems, each)) for each in verdicts]
    names = dict.fromkeys([*Completion.model_fields, *(name for row in rows for name in row)])
    columns = {name: [row.get(name) for row in rows] for name in names}
    prompts = [problems[each.task_id].prompt for each in verdicts]
    completions = columns.pop("completion")
    columns.pop("prompt")
    if messages:
        prompts = [[{"role": "user", "content": text}] for text in prompts]
        completions = [[{"role": "assistant", "content": text}] for text in completions]
    return {"prompts": prompts, "completions": completions, **columns}


def _row(verdict: Verdict, problem: Problem) -> dict[str, Any]:
    row = dict(problem)
    row["problem_tests"] = row.pop("tests")
    row |= dict(verdict)
    if not isinstance(row.get("completion"), str):
        raise DataError(
            f"the verdict on {verdict.task_id}, sample {verdict.sample_index}, has no completion",
            cure="give verdicts that were made of completions",
        )
    return row


def _problem_of(problems: Mapping[str, Problem], verdict: Verdict) -> Problem:
    if verdict.task_id not in problems:
        raise DataError(
            f"a verdict names the task {verdict.task_id!r}, which is not among the {len(problems)} problems",
            cure="give the problem set these completions were made for",
        )
    return problems[verdict.task_id]


_BUILDERS: Mapping[type[Section], Callable[[Any], RewardRule]] = {
    CodeRLReward: _coderl,
    BinaryReward: _binary,
    FractionReward: _fraction,
    EfficiencyReward: _efficiency,
    FunctionReward: _FunctionRule,
}
