"""Evaluation: which completions are asked for, how they are scored, what a resumed one does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from model_fixtures import save_tiny_model

from codealign.config import EvalConfig, JudgeConfig, LocalJudge, ModelConfig
from codealign.errors import DataError
from codealign.evaluation import evaluate, greedy_pass_at_1, is_greedy
from codealign.judging import Candidate, Judge
from codealign.policy import load_policy
from codealign.records import CheckTests, Completion, Problem, Verdict
from codealign.sampling import Request, SamplingParams

torch.set_num_threads(1)


def problem(task_id: str, answer: int) -> Problem:
    return Problem(
        task_id=task_id,
        prompt="def f():\n",
        entry_point="f",
        tests=CheckTests(source=f"def check(candidate):\n    assert candidate() == {answer}\n"),
    )


PROBLEMS = [problem("zero", 0), problem("one", 1), problem("two", 2)]


class ScriptedEngine:
    """Greedy answers 0; drawn sample j answers j. Remembers what it was asked."""

    name = "scripted"

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, int]] = []

    def sample(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Completion]:
        for request in requests:
            self.asked.append((params.temperature, request.task_id, request.sample_index))
            value = request.sample_index if params.temperature else 0
            yield Completion(
                task_id=request.task_id,
                sample_index=request.sample_index,
                completion=f"    return {value}\n",
                completion_ids=[7, 8, 9],
                sampler=params.column(self.name),  # pyright: ignore[reportCallIssue]
            )


class ReadingJudge:
    """Judges by reading `return N`; holds `window` programs before it answers, as workers do."""

    def __init__(self, window: int = 2, sick: frozenset[tuple[str, int]] = frozenset()) -> None:
        self.window, self.sick, self.num_read = window, sick, 0

    def judged(
        self, candidates: Iterable[Candidate], *, ordered: bool
    ) -> Iterator[tuple[Candidate, dict[str, Any]]]:
        assert ordered
        held: list[Candidate] = []
        for candidate in candidates:
            self.num_read += 1
            held.append(candidate)
            if len(held) > self.window:
                yield self.row(held.pop(0))
        yield from map(self.row, held)

    def row(self, candidate: Candidate) -> tuple[Candidate, dict[str, Any]]:
        answer = int(candidate.program.split("return ")[1])
        wanted = {"zero": 0, "one": 1, "two": 2}[candidate.problem.task_id]
        sick = (candidate.problem.task_id, candidate.sample_index) in self.sick
        outcome = "not_judged" if sick else "passed" if answer == wanted else "failed"
        return candidate, {
            "task_id": candidate.problem.task_id,
            "sample_index": candidate.sample_index,
            "outcome": outcome,
            "passed": outcome == "passed",
        }


def as_judge(judge: ReadingJudge) -> Judge:
    return cast(Judge, judge)


CONFIG = EvalConfig(num_samples=4, k=[1, 4])


def test_one_greedy_and_n_drawn_completions_a_problem_and_their_scores() -> None:
    engine = ScriptedEngine()
    result = evaluate(engine, PROBLEMS, CONFIG, as_judge(ReadingJudge()))
    assert len(result.greedy) == 3
    assert len(result.sampled) == 12
    assert all(is_greedy(v) for v in result.greedy)
    assert not any(is_greedy(v) for v in result.sampled)
    # Greedy answers 0: one problem of three. Samples answer 0, 1, 2, 3: one in four passes everywhere.
    assert result.summary["greedy_pass@1"]["value"] == pytest.approx(1 / 3)
    assert result.summary["pass@k"]["1"]["value"] == pytest.approx(1 / 4)
    assert result.summary["pass@k"]["4"]["value"] == 1.0
    assert result.summary["outcomes"] == {"failed": 9, "passed": 3}
    assert result.num_tokens == 15 * 3
    assert {t for t, _, _ in engine.asked} == {0.0, CONFIG.temperature}


def test_an_interrupted_evaluation_asks_only_for_what_is_missing_and_scores_the_same() -> None:
    whole: list[Verdict] = []
    first = evaluate(
        ScriptedEngine(), PROBLEMS, CONFIG, as_judge(ReadingJudge()), on_verdict=whole.append
    )
    assert len(whole) == 15
    # Killed after 7 verdicts (3 greedy, 4 drawn), one of which could not be judged.
    earlier = [*whole[:6], whole[6].model_copy(update={"outcome": "not_judged", "passed": False})]
    engine = ScriptedEngine()
    second = evaluate(engine, PROBLEMS, CONFIG, as_judge(ReadingJudge()), earlier=earlier)
    assert len(engine.asked) == 15 - 6
    assert second.summary == first.summary
    assert second.num_tokens == 9 * 3


def test_what_could_not_be_judged_is_in_no_score() -> None:
    sick = frozenset({("two", 0), ("two", 1)})
    result = evaluate(ScriptedEngine(), PROBLEMS, CONFIG, as_judge(ReadingJudge(sick=sick)))
    # Greedy: "two" is out, "zero" of the other two passes. Drawn: 1/4, 1/4, and 1 of 2 judged.
    assert result.summary["greedy_pass@1"]["value"] == pytest.approx(1 / 2)
    assert result.summary["pass@k"]["1"]["value"] == pytest.approx((1 / 4 + 1 / 4 + 1 / 2) / 3)
    assert result.summary["num_not_judged"] == 2


def test_judging_starts_before_sampling_ends() -> None:
    engine, judge = ScriptedEngine(), ReadingJudge(window=2)
    asked_at_first_verdict: list[int] = []

    def note(_: Verdict) -> None:
        asked_at_first_verdict.append(len(engine.asked))

    evaluate(engine, PROBLEMS, CONFIG, as_judge(judge), on_verdict=note)
    # Each verdict is out three completions after its own was asked for, across the greedy and the
    # drawn ones; the last two come when there is nothing left to ask.
    assert asked_at_first_verdict == [*range(3, 16), 15, 15]


def test_greedy_pass_at_1_asks_one_completion_a_problem() -> None:
    engine = ScriptedEngine()
    assert greedy_pass_at_1(engine, PROBLEMS, as_judge(ReadingJudge())) == pytest.approx(1 / 3)
    assert engine.asked == [(0.0, "zero", 0), (0.0, "one", 0), (0.0, "two", 0)]


def test_no_problems_is_an_error() -> None:
    with pytest.raises(DataError):
        evaluate(ScriptedEngine(), [], CONFIG, as_judge(ReadingJudge()))


def test_a_tiny_policy_through_the_real_judge(tmp_path: Path) -> None:
    policy = load_policy(ModelConfig(model_name_or_path=str(save_tiny_model(tmp_path))))
    config = EvalConfig(num_samples=2, k=[1, 2], max_new_tokens=8)
    verdicts: list[Verdict] = []
    with Judge(JudgeConfig(engine=LocalJudge(workers=1))) as judge:
        result = evaluate(policy, PROBLEMS, config, judge, seed=1, on_verdict=verdicts.append)
    # A random model writes no program; every one of its texts is judged, none is ours to answer for.
    assert result.summary["num_not_judged"] == 0
    assert result.summary["pass@k"]["2"]["value"] == 0.0
    assert len(verdicts) == 9
    columns: dict[str, Any] = verdicts[0].to_row()
    assert columns["completion_ids"]
    assert columns["prompt_ids"] == policy.encode_prompt("def f():\n")
