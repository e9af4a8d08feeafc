"""The stages `sample` and `judge`: completions of the training problems, and what they did when they ran."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

from codealign.pipeline.run import Run
from codealign.records import Completion, Verdict
from codealign.rundir import Shards, Stage
from codealign.verdicts import judge_completions, refuse_too_many_unjudged

T = TypeVar("T")

APPEND_EVERY = 32
"""Rows written at once: a kill loses at most so many."""


def sample_stage(run: Run) -> None:
    """Draw completions of the training problems from the base policy."""
    if not run.stage("sample").done:
        for _ in _sampled(run):
            pass


def sample_and_judge(run: Run) -> None:
    """Draw completions and judge them as they come: the one is the accelerator's work, the other the cores'.

    Does nothing once sampling is done. `judge_stage` comes after it, for what is left, and says that all is judged.
    """
    if run.stage("sample").done:
        return
    stage = run.stage("judge")
    before = unjudged(run.stage("sample").shards.read(Completion), stage)
    with stage:
        verdicts = judge_completions(
            run.train_problems,
            itertools.chain(before, _sampled(run)),
            run.judge,
            run.config.judge.extract,
        )
        for chunk in in_chunks(verdicts, APPEND_EVERY):
            stage.shards.append(chunk)
            stage.tick()


def _sampled(run: Run) -> Iterator[Completion]:
    """Draw what is missing; each completion is in its file before it is handed on."""
    stage = run.stage("sample")
    from codealign.sampling import Request, SamplingParams, open_engine

    rows = stage.shards.read(Completion)
    have = {(row.task_id, row.sample_index) for row in rows}
    wanted = [
        Request(problem.task_id, problem.prompt, index)
        for problem in run.train_problems.values()
        for index in range(run.config.sample.num_samples)
        if (problem.task_id, index) not in have
    ]
    num_tokens = sum(len(row.completion_ids or ()) for row in rows)
    engine = open_engine(run.config.sample.engine, run.policy)
    params = SamplingParams.from_config(run.config.sample, seed=run.config.seed)
    total = len(have) + len(wanted)
    with stage, run.progress.stage("sample", total, "completions", len(have)) as advance:
        for chunk in in_chunks(engine.sample(wanted, params), APPEND_EVERY):
            stage.shards.append(chunk)
            num_tokens += sum(len(row.completion_ids or ()) for row in chunk)
            stage.tick(num_tokens=num_tokens)
            advance(len(chunk))
            yield from chunk
        stage.finish(num_completions=total, num_tokens=num_tokens)


def judge_stage(run: Run) -> None:
    """Judge every completion of the training problems; what could not be judged is tried again."""
    stage = run.stage("judge")
    if stage.done:
        return
    completions = run.require("sample").shards.read(Completion)
    waiting = unjudged(completions, stage)
    total = len(completions)
    with stage, run.progress.stage("judge", total, "programs", total - len(waiting)) as advance:
        verdicts = judge_completions(
            run.train_problems, waiting, run.judge, run.config.judge.extract
        )
        for chunk in in_chunks(verdicts, APPEND_EVERY):
            stage.shards.append(chunk)
            advance(len(chunk))
            stage.tick()
        everything = stage.shards.read(Verdict)
        refuse_too_many_unjudged(everything, run.config.judge.max_not_judged)
        stage.finish(num_programs=total, isolation=everything[0].isolation if everything else "")


def unjudged(completions: Iterable[Completion], stage: Stage) -> list[Completion]:
    """Completions that the stage has no verdict on, or only `not_judged`."""
    judged = {(verdict.task_id, verdict.sample_index) for verdict in judged_in(stage.shards)}
    return [c for c in completions if (c.task_id, c.sample_index) not in judged]


def judged_in(shards: Shards) -> list[Verdict]:
    return [verdict for verdict in shards.read(Verdict) if verdict.outcome != "not_judged"]


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk
