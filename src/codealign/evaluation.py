"""The proof: greedy and sampled verdicts of a policy on problems, and the scores they make.

Sampling streams into the judge, so programs are judged while the next tokens are drawn. One greedy
completion a problem gives pass@1 without luck; `num_samples` drawn ones give pass@k. Greedy and drawn
verdicts travel in one stream and are told apart by their `sampler` column.

Not promised: that a gain on these problems holds elsewhere. `passk.paired_gain` says how sure it is
here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import torch

from codealign.batches import TokenIds, batch_completions
from codealign.config import EvalConfig, TransformersEngine
from codealign.judging import Judge
from codealign.passk import estimate_pass_at_k, summarise
from codealign.policy import Policy
from codealign.programs import Rule
from codealign.records import Completion, Problem, Verdict
from codealign.sampling import Engine, Request, SamplingParams, open_engine
from codealign.verdicts import judge_completions


class Evaluation(NamedTuple):
    """Verdicts of one policy and what they come to.

    `summary` is `codealign eval --json`'s object (`pass@k`, `outcomes`, `num_problems`, `num_samples`,
    …, all of the drawn completions) and `greedy_pass@1` with its interval. `num_tokens` and `seconds`
    are of this call alone: what `earlier` held was paid for before.
    """

    greedy: list[Verdict]
    sampled: list[Verdict]
    summary: dict[str, Any]
    num_tokens: int
    seconds: float


def evaluate(
    sampler: Policy | Engine,
    problems: Sequence[Problem],
    config: EvalConfig,
    judge: Judge,
    *,
    seed: int = 0,
    extract: Rule = "auto",
    stop: Sequence[str] = (),
    earlier: Iterable[Verdict] = (),
    on_verdict: Callable[[Verdict], None] | None = None,
) -> Evaluation:
    """Greedy and sampled verdicts on every problem, and their summary.

    Args:
        sampler: a policy (sampled in this process) or any engine.
        config: how many samples, how drawn, which k.
        extract: rule of `programs.extract_program`.
        stop: strings that end a completion.
        earlier: verdicts of an interrupted evaluation with the same settings; those judged are kept,
            the others (and `not_judged` ones) are made now.
        on_verdict: called with each new verdict, e.g. to write it down.

    Raises:
        DataError: no problems, or no verdict that counts.
        EngineError, SandboxError: the infrastructure's.
    """
    started = time.perf_counter()
    verdicts = [verdict for verdict in earlier if verdict.outcome != "not_judged"]
    missing = _missing(problems, config.num_samples, verdicts)
    drawn = replace(SamplingParams.from_config(config, seed), stop=tuple(stop))
    greedily = replace(drawn, temperature=0.0, top_p=1.0)
    runs = [(missing.greedy, greedily), (missing.sampled, drawn)]
    num_tokens = 0
    for verdict in judged_samples(as_engine(sampler), problems, runs, judge, extract):
        num_tokens += len((verdict.model_extra or {}).get("completion_ids") or ())
        verdicts.append(verdict)
        if on_verdict is not None:
            on_verdict(verdict)
    greedy = [verdict for verdict in verdicts if is_greedy(verdict)]
    sampled = [verdict for verdict in verdicts if not is_greedy(verdict)]
    summary = summarise_evaluation(greedy, sampled, config, seed)
    return Evaluation(greedy, sampled, summary, num_tokens, time.perf_counter() - started)


def summarise_evaluation(
    greedy: Sequence[Verdict], sampled: Sequence[Verdict], config: EvalConfig, seed: int = 0
) -> dict[str, Any]:
    """The summary of an evaluation's verdicts; see `Evaluation`."""
    summary = summarise(sampled, config.k, confidence=config.confidence, seed=seed)
    estimate = estimate_pass_at_k(greedy, 1, confidence=config.confidence, seed=seed)
    score = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {"greedy_pass@1": score, **summary}


def greedy_pass_at_1(
    sampler: Policy | Engine,
    problems: Sequence[Problem],
    judge: Judge,
    *,
    max_new_tokens: int = 512,
    extract: Rule = "auto",
    stop: Sequence[str] = (),
) -> float:
    """Share of problems whose greedy completion passes: the number that steers training.

    `not_judged` completions are left out, as everywhere.

    Raises:
        DataError: no completion could be judged.
    """
    params = SamplingParams(temperature=0.0, max_new_tokens=max_new_tokens, stop=tuple(stop))
    requests = [Request(problem.task_id, problem.prompt) for problem in problems]
    runs = [(requests, params)]
    verdicts = list(judged_samples(as_engine(sampler), problems, runs, judge, extract))
    return estimate_pass_at_k(verdicts, 1).value


SOLUTIONS_AT_ONCE = 8


def solution_nll(policy: Policy, problems: Iterable[Problem]) -> float | None:
    """Mean negative log-likelihood of the problems' reference solutions, nats per token, EOS included.

    Text that no training asked for, so that its rise shows what a policy unlearns while it gains elsewhere. None
    where no problem has a reference that fits the model's window.
    """
    window = policy.max_positions or math.inf
    texts = [
        policy.encode_pair_text(problem.prompt, problem.canonical_solution)
        for problem in problems
        if problem.canonical_solution is not None
    ]
    rows = [(tuple(text.prompt_ids), tuple(text.completion_ids)) for text in texts]
    rows = sorted((row for row in rows if _num_tokens(row) <= window), key=_num_tokens)
    total = 0.0
    for start in range(0, len(rows), SOLUTIONS_AT_ONCE):
        batch = batch_completions(rows[start : start + SOLUTIONS_AT_ONCE]).to(policy.device)
        with torch.no_grad():
            total -= float(policy.token_logps(batch).sum(dtype=torch.float64))
    num_tokens = sum(len(completion) for _, completion in rows)
    return total / num_tokens if num_tokens else None


def _num_tokens(row: tuple[TokenIds, TokenIds]) -> int:
    return len(row[0]) + len(row[1])


def judged_samples(
    engine: Engine,
    problems: Iterable[Problem],
    runs: Iterable[tuple[Sequence[Request], SamplingParams]],
    judge: Judge,
    extract: Rule = "auto",
) -> Iterator[Verdict]:
    """Sample each run of requests and judge the completions as they come, in one stream.

    One stream, so that the last programs of a run are judged while the next run samples.
    """
    by_task: Mapping[str, Problem] = {problem.task_id: problem for problem in problems}
    completions: Iterator[Completion] = chain.from_iterable(
        engine.sample(requests, params) for requests, params in runs
    )
    return judge_completions(by_task, completions, judge, extract)


def is_greedy(verdict: Verdict) -> bool:
    """Whether the `sampler` column says temperature 0."""
    sampler = (verdict.model_extra or {}).get("sampler") or {}
    return sampler.get("temperature") == 0


def as_engine(sampler: Policy | Engine) -> Engine:
    """A policy is sampled in this process; an engine is itself."""
    if isinstance(sampler, Policy):
        return open_engine(TransformersEngine(), sampler)
    return sampler


class _Missing(NamedTuple):
    greedy: list[Request]
    sampled: list[Request]


def _missing(
    problems: Sequence[Problem], num_samples: int, verdicts: Iterable[Verdict]
) -> _Missing:
    """Requests without a verdict yet: one greedy a problem, and the drawn ones."""
    have = {(is_greedy(v), v.task_id, v.sample_index) for v in verdicts}
    wanted = [
        [
            Request(problem.task_id, problem.prompt, index)
            for problem in problems
            for index in range(count)
            if (greedy, problem.task_id, index) not in have
        ]
        for greedy, count in ((True, 1), (False, num_samples))
    ]
    return _Missing(*wanted)
