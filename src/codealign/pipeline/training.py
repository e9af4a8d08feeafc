"""The stage `train`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from codealign.pipeline.pairs import read_preferences_of
from codealign.pipeline.run import Run
from codealign.processes import first_decides
from codealign.progress import Advance
from codealign.records import Labelled, Pair
from codealign.rundir import ARTEFACTS

if TYPE_CHECKING:
    from codealign.loop import StepReport, TrainResult
    from codealign.policy import Policy


def train_stage(run: Run) -> None:
    """Align the policy on the pairs, or on what it draws itself; the result is in model/."""
    stage = run.stage("train")
    pairs: list[Pair] | list[Labelled] = []
    if not stage.done and not run.is_online:
        pairs = read_preferences_of(run.require(run.last_pairs_stage).shards.directory)
    if not first_decides(not stage.done, run.config.model):
        return
    with stage, shown_training(run, stage.name) as on_step:
        result = _train_online(run, on_step) if run.is_online else _train(run, pairs, on_step)
        # The base policy's held-out scores are of these very weights; the aligned ones come later.
        run.policy.save(run.path / "model")
        stage.finish(
            num_steps=result.steps,
            **_counts(run, result),
            num_tokens=result.num_tokens,
            best_step=result.best_step,
            left_out=result.left_out,
            warnings=list(result.warnings),
        )


def _counts(run: Run, result: TrainResult) -> dict[str, int]:
    if run.is_online:
        return dict(result.gathered)
    return {"num_labelled" if run.has_labels else "num_pairs": result.num_pairs}


def join_training(run: Run) -> None:
    """What every launched process but the first does while the first is in `train_stage`.

    It takes its share of each step and writes nothing.
    """
    if not first_decides(False, run.config.model):
        return
    if run.is_online:
        _train_online(run, on_step=None)
    else:
        directory = run.path / ARTEFACTS[run.last_pairs_stage][0]
        _train(run, read_preferences_of(directory), on_step=None)


def _train(
    run: Run, pairs: list[Pair] | list[Labelled], on_step: Callable[[StepReport], None] | None
) -> TrainResult:
    from codealign.training import train

    return train(
        run.policy,
        pairs,
        run.config.train,
        run_dir=run.path,
        seed=run.config.seed,
        evaluate=_validation(run),
        on_step=on_step,
    )


def _train_online(run: Run, on_step: Callable[[StepReport], None] | None) -> TrainResult:
    from codealign.online import train_online

    return train_online(
        run.policy,
        run.train_problems,
        run.config.train,
        run.judge,
        run_dir=run.path,
        seed=run.config.seed,
        sample=run.config.sample,
        judging=run.config.judge,
        pairs=run.config.pairs,
        evaluate=_validation(run),
        on_step=on_step,
    )


def _validation(run: Run) -> Callable[[Policy], float] | None:
    """Greedy pass@1 on the validation problems; None where there are none."""
    from codealign.evaluation import greedy_pass_at_1

    problems, config = list(run.validation_problems.values()), run.config

    def validate(policy: Policy) -> float:
        return greedy_pass_at_1(
            policy,
            problems,
            run.judge,
            max_new_tokens=config.eval.max_new_tokens,
            extract=config.judge.extract,
            stop=config.sample.stop,
        )

    return validate if problems else None


@contextmanager
def shown_training(run: Run, name: str) -> Iterator[Callable[[StepReport], None]]:
    """A bar for the steps of training, which appears with the first of them."""
    with ExitStack() as stack:
        advance: Advance | None = None
        shown, reward = 0, ""

        def show(report: StepReport) -> None:
            nonlocal advance, shown, reward
            if advance is None:
                bar = run.progress.stage(name, report.num_steps, "steps", report.step - 1)
                advance, shown = stack.enter_context(bar), report.step - 1
            # Only an iteration's first step has it.
            reward = _told("reward {:.3f}", report.metrics.get("reward")) or reward
            loss = None if math.isnan(report.loss) else report.loss
            margin = report.metrics.get("rewards/margins")
            told = (reward, _told("loss {:.4f}", loss), _told("margin {:+.3f}", margin))
            advance(report.step - shown, "  ".join(filter(None, told)))
            shown = report.step

        yield show


def _told(text: str, value: float | None) -> str:
    return "" if value is None else text.format(value)
