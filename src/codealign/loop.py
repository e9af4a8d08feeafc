"""The loop: an experience gives batches, an objective a loss, an update moves weights.

The loop names no method. It promises:

- resumable: killed at any moment and called again with the same arguments, it continues from the last
  checkpoint and gives bit for bit the losses of an unbroken run on the same machine and thread count;
- honest: a collapsing policy or a falling validation score is a warning in the log and in the metrics,
  a loss that is not a number stops the run with its batch saved.

`training` and `online` put it together.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from codealign.batches import Batch, Outputs
from codealign.checkpoint import (
    Checkpoints,
    read_loop_state,
    read_update_state,
    restore_generators,
    write_state,
)
from codealign.config import TrainConfig
from codealign.critic import Critic
from codealign.errors import InputError
from codealign.experience import Experience
from codealign.launching import build_update, spread
from codealign.logprobs import Spread
from codealign.metrics import MetricsFile, Window
from codealign.objectives import Loss, Objective
from codealign.policy import Policy
from codealign.reference import Follower, ReferenceCache, reference_dir
from codealign.sharding import whole_state
from codealign.updates import NonFiniteError, StepResult, Update
from codealign.validation import Evaluation, best_evaluation, is_falling, out_of_patience

logger = logging.getLogger(__name__)

Evaluate = Callable[[Policy], float]

CHOSEN_LOG_RATIO = "log_ratio/chosen"
"""The metric that shows a collapse, where an objective gives it."""


class StepReport(NamedTuple):
    """What a progress display is told after each optimiser step; the loss is NaN where there was nothing to learn.

    `metrics` are the step's, and what was gathered for it.
    """

    step: int
    num_steps: int
    loss: float
    metrics: dict[str, float]


class TrainResult(NamedTuple):
    """What training did.

    `finished` is False when `should_stop` ended it: call again to continue. `best_step` is the step
    whose weights the policy now has, where early stopping chose one. `metrics` is the last row.
    """

    steps: int
    metrics: dict[str, float]
    warnings: list[str]
    best_step: int | None
    finished: bool
    num_pairs: int
    left_out: dict[str, int]
    num_tokens: int
    seconds: float
    gathered: Mapping[str, int] = MappingProxyType({})
    """Of rollouts: how many completions and continuations were drawn, and the tokens of both."""


def learning_rate_at(step: int, num_steps: int, config: TrainConfig) -> float:
    """The learning rate of step `step` (from 0) of `num_steps`.

    Warm-up is linear over ceil(warmup_ratio · num_steps) steps, then the schedule falls to zero after
    the last step. Unlike transformers', the first step has a rate above zero: a kata run has so few
    steps that none should be spent on nothing.
    """
    num_warmup = math.ceil(config.warmup_ratio * num_steps)
    if step < num_warmup:
        return config.learning_rate * (step + 1) / num_warmup
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    factor = {
        "constant": 1.0,
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
    }[config.lr_scheduler_type]
    return config.learning_rate * factor


class Data(NamedTuple):
    """What a loop is told of what it trains on: for its fingerprint, its result and its log."""

    hash: str
    num_rows: int
    left_out: Mapping[str, int]
    remarks: Sequence[str] = ()


@dataclass
class PolicyLoss:
    """An objective applied to the policy: the one place where batch, model, critic and loss meet."""

    policy: Policy
    objective: Objective
    reference: ReferenceCache | None
    critic: Critic | None = None

    def count(self, batch: Batch) -> float:
        return self.objective.count(batch)

    def __call__(self, batch: Batch) -> Loss:
        batch = batch.to(self.policy.device)
        reference_logps_NT = self._reference_logps(batch)
        if self.critic is None:
            found, values_NT = self._spread(batch), None
        else:
            found, values_NT = self.critic.beside(batch, self._spread)
        outputs = Outputs(
            found.logps_NT,
            reference_logps_NT,
            batch.lengths_N,
            found.entropies_NT,
            found.collisions_NT,
            found.kls_NT,
            values_NT,
        )
        return self.objective(outputs, batch)

    def _spread(self, batch: Batch) -> Spread:
        if self.objective.needs_entropy or self.objective.needs_kl:
            return self.policy.token_spread(batch, with_kl=self.objective.needs_kl)
        return Spread(self.policy.token_logps(batch), None, None, None)

    def _reference_logps(self, batch: Batch) -> torch.Tensor | None:
        if batch.reference_logps_NT is not None:
            return batch.reference_logps_NT
        return None if self.reference is None else self.reference.token_logps(batch)


@dataclass
class _State:
    """What the loop remembers; a checkpoint carries it as JSON."""

    fingerprint: str
    step: int = 0
    seconds: float = 0.0
    num_tokens: int = 0
    window: dict[str, tuple[float, int]] = field(default_factory=dict)
    last_row: dict[str, float] = field(default_factory=dict)
    evaluations: list[Evaluation] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    collapsed: bool = False
    objective: dict[str, Any] = field(default_factory=dict)
    experience: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> _State:
        return cls(**{**saved, "evaluations": [Evaluation(*item) for item in saved["evaluations"]]})


class Loop:
    """One training of one policy.

    Args:
        policy: at its first weights, also when resuming: they are the reference.
        config: the run file's `train` section.
        run_dir: checkpoints and `metrics.jsonl` go there.
        seed: of zeroth-order directions.
        evaluate: gives validation pass@1 (0 to 1) of a policy.
        critic: moved with the policy, where the objective reads values.
        settings_hash: of everything else that decides the weights of every step.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        config: TrainConfig,
        accelerator: Accelerator,
        experience: Experience,
        objective: Objective,
        run_dir: Path,
        seed: int,
        evaluate: Evaluate | None,
        data: Data,
        settings_hash: str,
        critic: Critic | None = None,
    ) -> None:
        self.policy, self.config, self.accelerator = policy, config, accelerator
        self.experience, self.run_dir, self.evaluate = experience, run_dir, evaluate
        self.objective, self.critic, self.data = objective, critic, data
        # Before anything can move them: these weights are the reference.
        reference_hash = policy.reference_hash()
        spread(policy, accelerator)
        self.loss = PolicyLoss(policy, objective, None, critic)
        self.follower: Follower | None = None
        if config.following_reference is not None:
            root = reference_dir(config.reference_cache)
            self.follower = Follower(policy, config.following_reference, run_dir, root)
        elif objective.needs_reference and not experience.brings_reference:
            self.loss.reference = self._fill_reference(reference_hash)
        self.update: Update = build_update(config.update, policy, accelerator, seed, critic)
        self.checkpoints = Checkpoints(run_dir, config.save_total_limit)
        self.metrics = MetricsFile(run_dir / "metrics.jsonl")
        self.state = _State(f"{reference_hash}-{data.hash}-{settings_hash}")
        self._saved_step: int | None = None

    # ------------------------------------------------------------ the story

    def run(
        self,
        on_step: Callable[[StepReport], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> TrainResult:
        """Train to the end, or until `should_stop` says so; `on_step` is told of each step."""
        started = time.monotonic()
        self._resume()
        if self.state.step == 0 and not self.state.warnings:
            for text in self.data.remarks:
                self._warn(text)
        self._evaluate_before_training()
        while not self._finished:
            report = self._step()
            if on_step is not None:
                on_step(report)
            if should_stop is not None and should_stop():
                break
        self._save_unless_saved()
        best_step = None
        if self._finished:
            best_step = self._restore_best()
            self.update.weights.swap_in_average()
        self.policy.gather()
        self.accelerator.end_training()
        return TrainResult(
            steps=self.state.step,
            metrics=self.state.last_row,
            warnings=self.state.warnings,
            best_step=best_step,
            finished=self._finished,
            num_pairs=self.data.num_rows,
            left_out=dict(self.data.left_out),
            num_tokens=self.state.num_tokens,
            seconds=time.monotonic() - started,
        )

    @property
    def _finished(self) -> bool:
        stopping = self.config.early_stopping
        impatient = stopping is not None and out_of_patience(self.state.evaluations, stopping)
        return self._is_last_step or impatient

    def _step(self) -> StepReport:
        """One optimiser step, which moves nothing where the experience has nothing for it."""
        started, step = time.monotonic(), self.state.step
        batches = self.experience.batches(step)
        rate = learning_rate_at(step, self.experience.num_steps, self.config)
        result = self._move(batches, rate) if batches else None
        self.state.step += 1
        if result is not None:
            self.objective.after_step(_means(result))
            self.experience.after_step(step, _means(result))
        self.state.objective = self.objective.state_dict()
        self.state.experience = self.experience.state_dict()
        self._add_seconds_since(started)
        news = self.experience.news()
        self._record(news, result, batches, rate)
        if self._is_due(self.config.eval_steps) or self._is_last_step:
            self._evaluate()
        self._move_reference()
        # After the evaluation, so that a checkpoint knows its own score and no row is written twice.
        if self._is_due(self.config.save_steps) or self._best_step() == self.state.step:
            self._save()
        return self._report(news, result)

    def _move(self, batches: Sequence[Batch], rate: float) -> StepResult:
        self.policy.train_mode(True)
        try:
            return self.update.step(batches, self.loss, rate, self.state.step)
        except NonFiniteError as error:
            raise self._save_batches(error, batches) from error
        finally:
            self.policy.train_mode(False)

    @property
    def _is_last_step(self) -> bool:
        limit = self.config.max_seconds
        is_late = limit is not None and self.state.seconds >= limit and self.state.step > 0
        return is_late or self.state.step == self.experience.num_steps

    def _add_seconds_since(self, started: float) -> None:
        # The mean over processes: by clocks of their own some would end where others wait for them.
        milliseconds = self._over_processes(round(1000 * (time.monotonic() - started)))
        self.state.seconds += milliseconds / 1000 / self.accelerator.num_processes

    def _is_due(self, every: int | None) -> bool:
        return every is not None and self.state.step % every == 0

    # ------------------------------------------------------------ reference and resuming

    def _fill_reference(self, weights_hash: str) -> ReferenceCache:
        root = reference_dir(self.config.reference_cache)
        cache = ReferenceCache(self.policy, root / weights_hash)
        # First in the batches of the first pass, so that its log-ratios start at exactly 0.
        # Sharded weights are put together by all processes at once.
        any_process = self._any_process if self.policy.is_sharded else None
        for steps in (self.experience.first_pass(), range(self.experience.num_steps)):
            cache.fill(self._all_batches(steps), any_process=any_process)
            self.accelerator.wait_for_everyone()
            cache.refresh()
        return cache

    def _move_reference(self) -> None:
        follower, step = self.follower, self.state.step
        if follower is None or step % follower.section.every or self._is_last_step:
            return
        self.loss.reference = follower.move(step, self._period_batches(step))
        saved = self.checkpoints.all()
        follower.forget_before(saved[0].step if saved else 0)

    def _period_batches(self, step: int) -> Iterator[Batch]:
        assert self.follower is not None
        period = self.follower.period(step)
        return self._all_batches(range(period.start, min(period.stop, self.experience.num_steps)))

    def _any_process(self, answer: bool) -> bool:
        return self._over_processes(answer) > 0

    def _all_batches(self, steps: Sequence[int]) -> Iterator[Batch]:
        return (batch for step in steps for batch in self.experience.batches(step))

    def _resume(self) -> None:
        saved = self.checkpoints.latest()
        if self.accelerator.is_main_process:
            self.checkpoints.clear_halves()
            self.metrics.rewind(saved and saved.step)
        if saved is None:
            if self.follower is not None:
                self.loss.reference = self.follower.begin(self._period_batches(0))
            return
        state = _State.from_json(read_loop_state(saved.path))
        if state.fingerprint != self.state.fingerprint:
            raise InputError(
                "this checkpoint was made with other settings, pairs or first weights",
                where=str(saved.path),
                cure="choose another run directory, or delete its checkpoints to start anew",
            )
        self.state, self._saved_step = state, state.step
        if self.follower is not None and not self._is_last_step:
            self.loss.reference = self.follower.resume(state.step, self._period_batches(state.step))
        self._load_weights(saved.path)
        self.objective.load_state_dict(state.objective)
        self.experience.load_state_dict(state.experience, state.step)
        restore_generators(saved.path)
        logger.info("continuing from %s", saved.path.name)

    def _load_weights(self, directory: Path) -> None:
        self.policy.load_weights(directory)
        if self.critic is not None:
            self.critic.load(directory)
        self.update.load_state_dict(read_update_state(directory))

    def _save_unless_saved(self) -> None:
        # Not by looking at the disk: the first process may have written while another looks, and they
        # would wait for each other at different places.
        if self._saved_step != self.state.step:
            self._save()

    def _save(self) -> None:
        self._saved_step = self.state.step
        is_main, best = self.accelerator.is_main_process, self._best_step()
        update = whole_state(self.update.state_dict(), keep=is_main)

        def write(directory: Path) -> None:
            self.policy.save(directory)
            if self.critic is not None:
                self.critic.save(directory)
            write_state(directory, update, asdict(self.state))

        with self.policy.whole(torch.device("cpu")):
            if is_main:
                self.checkpoints.save(self.state.step, write, keep=() if best is None else (best,))
            self.accelerator.wait_for_everyone()

    def _save_batches(self, error: NonFiniteError, batches: Sequence[Batch]) -> NonFiniteError:
        process = self.accelerator.process_index
        suffix = f"-process-{process}" if self.accelerator.num_processes > 1 else ""
        path = self.run_dir / f"non_finite_step-{self.state.step}{suffix}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([batch.to_row() for batch in batches]), encoding="utf-8")
        return NonFiniteError(
            f"step {self.state.step}: {error.what}; the weights were not moved",
            where=str(path),
            cure="that file has the batches. Lower learning_rate, or use dtype: float32",
        )

    # ------------------------------------------------------------ metrics and warnings

    def _record(
        self,
        news: Mapping[str, float],
        result: StepResult | None,
        batches: Sequence[Batch],
        rate: float,
    ) -> None:
        window = Window(self.state.window)
        for name, value in news.items():
            window.add(name, value)
        if result is not None:
            window.add("loss", result.loss)
            window.add("grad_norm", result.grad_norm)
            for name, (total, count) in result.metrics.items():
                window.add(name, total, count)
        self.state.window = window.sums
        self.state.num_tokens += self._over_processes(sum(b.num_tokens for b in batches))
        if self._is_due(self.config.logging_steps) or self._is_last_step:
            self._log_window(window, rate)

    def _log_window(self, window: Window, rate: float) -> None:
        means = window.means()
        self.state.window = {}
        self.state.last_row = means | {"learning_rate": rate, "num_tokens": self.state.num_tokens}
        self._log(self.state.last_row)
        self._warn_of_collapse(means.get(CHOSEN_LOG_RATIO))

    def _log(self, values: Mapping[str, Any]) -> None:
        if self.accelerator.is_main_process:
            step = self.state.step
            self.metrics.append({"step": step, "epoch": self.experience.epoch(step), **values})
            numbers = {k: v for k, v in values.items() if not isinstance(v, str)}
            self.accelerator.log(numbers, step=step)

    def _warn(self, text: str) -> None:
        self.state.warnings.append(f"step {self.state.step}: {text}")
        logger.warning("step %d: %s", self.state.step, text)
        self._log({"warning": text})

    def _warn_of_collapse(self, log_ratio: float | None) -> None:
        """Warn once when the mean chosen log-ratio falls below the threshold, again if it recovers and falls."""
        if log_ratio is None:
            return
        collapsed = log_ratio < self.config.collapse_log_ratio
        if collapsed and not self.state.collapsed:
            self._warn(
                f"collapse: the mean chosen log-ratio is {log_ratio:.1f} nats, below "
                f"{self.config.collapse_log_ratio:g}. The policy is unlearning the very programs it "
                "should prefer, while loss and accuracy look well. Lower learning_rate, or raise beta"
            )
        self.state.collapsed = collapsed

    def _report(self, news: Mapping[str, float], result: StepResult | None) -> StepReport:
        loss, means = (math.nan, {}) if result is None else (result.loss, _means(result))
        return StepReport(self.state.step, self.experience.num_steps, loss, {**news, **means})

    def _over_processes(self, number: int) -> int:
        if self.accelerator.num_processes == 1:
            return number
        tensor = torch.tensor(number, device=self.accelerator.device)
        return int(cast(torch.Tensor, self.accelerator.reduce(tensor, "sum")))

    # ------------------------------------------------------------ evaluation

    def _evaluate_before_training(self) -> None:
        """Score the first weights, where later scores will be compared with them."""
        if self.state.step == 0 and self.config.eval_steps and not self.state.evaluations:
            self._evaluate()
            if self.config.early_stopping:
                self._save()

    def _evaluate(self) -> None:
        if self.evaluate is None:
            return
        started, scores = time.monotonic(), [0.0]
        with self.update.weights.averaged(), self.policy.whole():
            if self.accelerator.is_main_process:
                scores = [float(self.evaluate(self.policy))]
            score = cast(list[float], broadcast_object_list(scores))[0]
        self._add_seconds_since(started)
        self.state.evaluations.append(Evaluation(self.state.step, score))
        self._log({"eval_pass@1": score})
        self._warn_of_falling_score()
        if self._finished and self._best_step() == 0:
            self._warn(
                "no step was better on validation than the policy before training, which is the result "
                "then. Lower learning_rate, or give more validation problems"
            )

    def _warn_of_falling_score(self) -> None:
        if not is_falling(self.state.evaluations):
            return
        scores = [score for _, score in self.state.evaluations]
        self._warn(
            f"validation pass@1 is falling: {scores[-1]:.3f}, first {scores[0]:.3f}, best "
            f"{max(scores):.3f}. Lower learning_rate, train for fewer steps, or set early_stopping"
        )

    def _best_step(self) -> int | None:
        """The step to go back to in the end; None unless early stopping asks for it."""
        best = best_evaluation(self.state.evaluations)
        return best.step if self.config.early_stopping and best else None

    def _restore_best(self) -> int | None:
        best = self._best_step()
        if best is not None and best != self.state.step:
            self._load_weights(self.checkpoints.path(best))
            logger.info("the policy has the weights of step %d, the best on validation", best)
        return best


def _means(result: StepResult) -> dict[str, float]:
    return {name: total / count for name, (total, count) in result.metrics.items() if count}
