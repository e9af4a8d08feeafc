"""Experience that the policy gathers itself: each iteration draws, judges, rewards, and is learnt from in a few steps.

    sample → judge → reward → (continuations → values) → log-probs, once → advantages → batches

Promises: the rollouts of iteration i are drawn with streams of (seed, i, problem, index), continuations with others; the
policy that drew them and the reference are asked for their log-probs once, before the first of the iteration's steps; a
run that was killed has the same rollouts again when it continues. A completion that could not be judged is replaced,
one that the limit cut has no EOS.

Objectives of pairs and of labelled completions learn from rollouts as from recorded data: that is online and iterative
DPO. Only the passing ones of them is expert iteration.

Several processes share the drawing, the judging, the log-probs and the steps; each knows the whole iteration, the first
one writes it.

Not promised: sharded weights, with which no process could draw by itself.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from codealign.advantages import whiten
from codealign.batches import (
    Batch,
    EncodedRollout,
    EncodedRow,
    TokenIds,
    TreeRow,
    batch_completions,
    batch_rollouts,
    batch_rows,
)
from codealign.config import (
    KLInReward,
    LabelledCompletions,
    PairsConfig,
    Rollouts,
    TrainConfig,
    VinePPO,
    is_policy_gradient,
)
from codealign.critic import Critic
from codealign.errors import DataError, InputError
from codealign.experience import encode_pairs
from codealign.labels import encode_labelled
from codealign.objectives import Objective
from codealign.online.credit import Rollout, assign
from codealign.online.gathering import Asked, Drawn, Gathered, Gatherer
from codealign.online.sharing import Sharing
from codealign.online.steps import Stepper
from codealign.online.store import Iteration, RolloutStore
from codealign.packing import by_prompt, plan
from codealign.pairs import build_labelled, build_pairs
from codealign.policy import Policy
from codealign.records import OUTCOMES, Completion, Problem, Verdict, content_hash
from codealign.reference import FrozenReference

logger = logging.getLogger(__name__)

TOTALS = ("num_rollouts", "num_continuations", "num_sampled_tokens")
"""Of an iteration's facts those that add up over a run; the others are metrics."""


Rows = Sequence[EncodedRollout] | Sequence[EncodedRow]
"""What the steps of an iteration learn from: rollouts with their credit, or pairs or labelled completions made of them."""


class OnlineExperience:
    """Rollouts of training problems, iteration by iteration.

    Args:
        policy: it draws, with the weights it has at the beginning of an iteration.
        config: the `train` section, whose experience is `rollouts`.
        pairs: how rollouts become pairs, where the objective reads those.
        gatherer: draws and judges.
        critic: for `ppo`.
        reference: the policy before training, where something is measured from it.
        seed: of everything drawn, and of the order.
        key: of everything that decides the rollouts.
        sharing: which process this is, of how many.
    """

    brings_reference = True

    def __init__(
        self,
        policy: Policy,
        config: TrainConfig,
        pairs: PairsConfig,
        gatherer: Gatherer,
        objective: Objective,
        *,
        critic: Critic | None,
        reference: FrozenReference | None,
        run_dir: Path,
        seed: int,
        key: str,
        sharing: Sharing | None = None,
    ) -> None:
        assert isinstance(config.experience, Rollouts)
        self.section = config.experience
        self.policy, self.config, self.pairs, self.gatherer = policy, config, pairs, gatherer
        self.objective, self.critic, self.reference = objective, critic, reference
        self.seed, self.sharing = seed, sharing or Sharing()
        self.store = RolloutStore(run_dir, key, writes=self.sharing.is_first)
        self.sharing.wait()  # until what was there of another key is gone
        self.problems = list(gatherer.problems.values())
        self.steps_per_iteration = self.section.num_epochs * self.section.steps_per_epoch
        self.num_steps = self.section.num_iterations * self.steps_per_iteration
        section = config.objective
        self.stepper = (
            Stepper(policy, section, gatherer.problems) if isinstance(section, VinePPO) else None
        )
        self.learns_by_gradient = is_policy_gradient(section)
        self._current: tuple[int, Rows] = (-1, [])
        self._reference_of: dict[tuple[TokenIds, TokenIds], tuple[float, ...]] = {}
        """Of this iteration's completions, where an objective of pairs reads the reference."""
        self._news: dict[str, float] = {}
        self._stopped: int | None = None
        """The iteration whose steps ended early, the policy having gone far enough."""
        self._totals: dict[str, int] = dict.fromkeys(TOTALS, 0)

    # ------------------------------------------------------------ what the loop asks

    def batches(self, step: int) -> list[Batch]:
        iteration, within = divmod(step, self.steps_per_iteration)
        rows = self._rows(iteration)
        if iteration == self._stopped or not rows:
            return []
        epoch, part = divmod(within, self.section.steps_per_epoch)
        members = self._parts(rows, iteration, epoch)[part]
        return self._batches(rows, members) if members else []

    def epoch(self, step: int) -> float:
        per_iteration = len(self._asked(0)) / self.gatherer.sample.num_samples
        return step / self.steps_per_iteration * per_iteration / len(self.problems)

    def first_pass(self) -> Sequence[int]:
        return range(0)

    def after_step(self, step: int, means: Mapping[str, float]) -> None:
        target = getattr(self.config.objective, "target_kl", None)
        if target is not None and means.get("approx_kl", 0.0) > target:
            self._stopped = step // self.steps_per_iteration
            logger.info(
                "step %d: %.3g nats a token from the policy that drew these rollouts: going on to new ones",
                step + 1,
                means["approx_kl"],
            )

    def news(self) -> dict[str, float]:
        news, self._news = self._news, {}
        return news

    def state_dict(self) -> dict[str, Any]:
        return {"stopped": self._stopped, "totals": self._totals}

    def load_state_dict(self, state: Mapping[str, Any], step: int) -> None:
        self._stopped, self._totals = state["stopped"], dict(state["totals"])
        iteration, within = divmod(step, self.steps_per_iteration)
        # Drawn by a policy that this run has yet to become again.
        self.store.forget_after(iteration)
        self.sharing.wait()
        if within:
            self._current = iteration, self._rows_before(iteration)

    @property
    def totals(self) -> dict[str, int]:
        """Completions and continuations drawn so far, and the tokens of both."""
        return dict(self._totals)

    # ------------------------------------------------------------ gathering

    def _rows(self, number: int) -> Rows:
        """What the steps of an iteration learn from."""
        if self._current[0] != number:
            iteration = self._kept(number)
            if iteration is None:
                iteration = self._gather(number)
                self.store.write(number, iteration)
                self._forget_columns(number)
            self._tell(iteration)
            self._current = number, self._rows_of(iteration)
        return self._current[1]

    def _rows_before(self, number: int) -> Rows:
        """The same of an iteration that a run has left in the middle."""
        iteration = self._kept(number)
        if iteration is None:
            raise InputError(
                f"the rollouts of iteration {number}, in whose middle the last checkpoint is, are gone",
                where=str(self.store.directory),
                cure="delete the run's checkpoints to train from the start",
            )
        return self._rows_of(iteration)

    def _rows_of(self, iteration: Iteration) -> Rows:
        if self.learns_by_gradient:
            return iteration.rows
        self._reference_of = {row[:2]: row.old_logps for row in iteration.rows}
        return self._pairs_of(iteration.drawn)

    def _kept(self, number: int) -> Iteration | None:
        """What is left of an iteration, if that is enough to learn from."""
        iteration = self.store.read(number)
        # The columns of old iterations go; whoever deletes the checkpoints starts before them all.
        return None if iteration is None or iteration.has_lost_columns else iteration

    def _forget_columns(self, number: int) -> None:
        # A run goes back to its last checkpoint, or where that was being written to the one before.
        steps_back = 2 * self.config.save_steps
        self.store.forget_columns_before(number - 1 - steps_back // self.steps_per_iteration)

    def _tell(self, iteration: Iteration) -> None:
        facts = iteration.facts
        for name in TOTALS:
            self._totals[name] += facts[name]
        drawn = self._totals["num_rollouts"] + self._totals["num_continuations"]
        self._news = {
            **{name: value for name, value in facts.items() if name not in TOTALS},
            "sampled/completions": drawn,
            "sampled/tokens": self._totals["num_sampled_tokens"],
        }

    def _gather(self, number: int) -> Iteration:
        started = time.monotonic()
        stepper, asked = self.stepper, self._asked(number)
        mine = self.gatherer.gather(
            self.sharing.share_of(asked, self.sharing.rank),
            seed=int(content_hash([self.seed, "rollouts", number])[:8], 16),
            states_of=stepper.states if stepper else None,
            num_continuations=stepper.section.num_rollouts if stepper else 0,
        )
        gathered = self.sharing.merged(self.sharing.of_all(mine), asked)
        drawn = [each for each in gathered.drawn if each.completion_ids]
        scored = [each for each in drawn if each.reward is not None]
        if not scored:
            raise DataError(
                f"none of {len(gathered.drawn)} completions has a reward",
                where="train.experience.reward",
                cure="see that the reward function scores some, and that prompts leave room for completions",
            )
        if self.learns_by_gradient:
            rows = self._with_credit(scored, gathered)
        else:
            rows = self._with_reference(drawn)
        facts = {
            "num_rollouts": len(gathered.drawn),
            "num_continuations": gathered.num_continuations,
            "num_sampled_tokens": gathered.num_tokens,
            "seconds/gathering": round(time.monotonic() - started, 3),
        }
        return Iteration(drawn, rows, facts | _metrics(gathered.drawn))

    def _asked(self, number: int) -> list[Asked]:
        """The problems of an iteration, each as often as it is sampled."""
        size = min(self.section.problems_per_iteration or len(self.problems), len(self.problems))
        times: Counter[str] = Counter()
        for place in range(number * size, (number + 1) * size):
            times[self._problem_at(place).task_id] += self.gatherer.sample.num_samples
        return [Asked(task_id, index) for task_id, n in times.items() for index in range(n)]

    def _problem_at(self, place: int) -> Problem:
        """Of an endless row of problems, in which each comes once before any comes again."""
        lap, index = divmod(place, len(self.problems))
        order = list(range(len(self.problems)))
        random.Random(f"{self.seed}:problems:{lap}").shuffle(order)
        return self.problems[order[index]]

    # ------------------------------------------------------------ credit

    def _with_credit(self, drawn: Sequence[Drawn], gathered: Gathered) -> list[EncodedRollout]:
        section = self.config.objective
        assert is_policy_gradient(section)
        texts = [(each.prompt_ids, each.completion_ids) for each in drawn]
        old = self._asked_of(texts, self.policy.token_logps)
        reference = self._reference_logps(texts, old)
        values = self._asked_of(texts, self.critic.values) if self.critic else {}
        rollouts = []
        for each, text in zip(drawn, texts, strict=True):
            assert each.reward is not None
            rollout = Rollout(
                each.task_id, each.reward, old[text], reference.get(text), values.get(text)
            )
            rollouts.append(self._with_steps(rollout, each, gathered))
        return [
            EncodedRollout(
                *text,
                advantages=tuple(credit.advantages),
                old_logps=rollout.old_logps,
                reference_logps=rollout.reference_logps,
                returns=tuple(credit.returns) or None,
                old_values=rollout.critic_values,
            )
            for text, rollout, credit in zip(
                texts, rollouts, assign(section, rollouts), strict=True
            )
        ]

    def _with_steps(self, rollout: Rollout, drawn: Drawn, gathered: Gathered) -> Rollout:
        if self.stepper is None:
            return rollout
        completion = _completion_of(drawn.verdict)
        steps = self.stepper.steps(completion)
        values: list[float | None] = [
            math.fsum(returns) / len(returns)
            for returns in map(gathered.returns.__getitem__, self.stepper.states(completion))
        ]
        values += [None] * (len(steps.starts) - len(values))
        return rollout._replace(step_of_token=tuple(steps.of_token), step_values=tuple(values))

    def _reference_logps(
        self, texts: Sequence[tuple[TokenIds, TokenIds]], old: Mapping[Any, tuple[float, ...]]
    ) -> Mapping[Any, tuple[float, ...]]:
        penalty = getattr(self.config.objective, "kl", None)
        if not (self.objective.needs_reference or isinstance(penalty, KLInReward)):
            return {}
        if self.section.reference == "iteration":
            return old
        assert self.reference is not None
        with self.reference.in_place():
            return self._asked_of(texts, self.policy.token_logps)

    @torch.no_grad()
    def _asked_of(
        self,
        texts: Sequence[tuple[TokenIds, TokenIds]],
        compute: Callable[[Batch], torch.Tensor],
    ) -> dict[tuple[TokenIds, TokenIds], tuple[float, ...]]:
        """What `compute` says of each completion's tokens: this process of a part of them, and then all of all."""
        found: dict[tuple[TokenIds, TokenIds], tuple[float, ...]] = {}
        rows = [EncodedRollout(*text, advantages=(), old_logps=()) for text in dict.fromkeys(texts)]
        [planned] = self._planned(rows, range(len(rows)), num_processes=1) if rows else [[]]
        for members in self.sharing.mine(planned):
            batch = batch_completions(rows[i][:2] for i in members)
            numbers_NT = compute(batch.to(self.policy.device)).cpu().tolist()
            for text, numbers in zip(batch.rows(), numbers_NT, strict=True):
                found[text] = tuple(numbers[: len(text[1])])
        return {text: n for part in self.sharing.of_all(found) for text, n in part.items()}

    # ------------------------------------------------------------ pairs

    def _pairs_of(self, drawn: Sequence[Drawn]) -> Sequence[EncodedRow]:
        verdicts = [each.verdict for each in drawn]
        completions = [_completion_of(verdict) for verdict in verdicts]
        problems = [self.gatherer.problems[i] for i in dict.fromkeys(v.task_id for v in verdicts)]
        if isinstance(self.pairs.strategy, LabelledCompletions):
            labelled = build_labelled(problems, completions, verdicts, self.pairs, self.seed)
            return encode_labelled(
                self.policy,
                labelled.rows,
                self.config.max_length,
                with_undesirable=self.objective.needs_rejected,
            ).rows
        pairs = build_pairs(problems, completions, verdicts, self.pairs, self.seed).pairs
        encoded = encode_pairs(self.policy, pairs, self.config.max_length)
        return (encoded.with_distinct_chosen() if self.objective.needs_distinct else encoded).rows

    def _with_reference(self, drawn: Sequence[Drawn]) -> list[EncodedRollout]:
        """What the reference says of the completions that are in pairs, in the place of `old_logps`."""
        if not self.objective.needs_reference:
            return []
        both = self.objective.needs_rejected
        texts = dict.fromkeys(
            (row.prompt_ids, completion)
            for row in self._pairs_of(drawn)
            for completion in row.completions(with_rejected=both)
        )
        is_now = self.section.reference == "iteration"
        assert is_now or self.reference is not None
        with nullcontext() if is_now or self.reference is None else self.reference.in_place():
            logps = self._asked_of(list(texts), self.policy.token_logps)
        return [
            EncodedRollout(*text, advantages=(0.0,) * len(text[1]), old_logps=logps[text])
            for text in texts
        ]

    # ------------------------------------------------------------ batches

    def _parts(self, rows: Rows, iteration: int, epoch: int) -> list[list[int]]:
        """Numbers of the rows of each step of a pass; a prompt's stay together."""
        groups = by_prompt(rows, range(len(rows)))
        random.Random(f"{self.seed}:{iteration}:{epoch}").shuffle(groups)
        num_parts = self.section.steps_per_epoch
        parts: list[list[int]] = [[] for _ in range(num_parts)]
        for group in groups:
            min(parts, key=len).extend(group)
        return _with_enough(parts, self.sharing.num_processes)

    def _planned(
        self, rows: Sequence[TreeRow], members: Sequence[int], *, num_processes: int
    ) -> list[list[list[int]]]:
        return plan(
            rows,
            members,
            num_processes=num_processes,
            pairs_per_microbatch=self.config.per_device_train_batch_size,
            max_tokens=self.config.max_tokens_per_microbatch,
            with_rejected=self.objective.needs_rejected,
        )

    def _mine(self, rows: Sequence[TreeRow]) -> list[list[int]]:
        """The numbers of the rows of each of this process's microbatches."""
        every = range(len(rows))
        num_processes = self.sharing.num_processes
        return self._planned(rows, every, num_processes=num_processes)[self.sharing.rank]

    def _batches(self, rows: Rows, members: Sequence[int]) -> list[Batch]:
        chosen = [rows[i] for i in members]
        rollouts = [row for row in chosen if isinstance(row, EncodedRollout)]
        if not self.learns_by_gradient:
            pairs = [row for row in chosen if not isinstance(row, EncodedRollout)]
            return [self._batch_of_pairs([pairs[i] for i in each]) for each in self._mine(pairs)]
        mean_length = sum(len(row.completion_ids) for row in rollouts) / len(rollouts)
        if getattr(self.config.objective, "whiten", False):
            rollouts = _whitened(rollouts)
        if not self._learns_without_advantage:
            rollouts = _without_idle(rollouts, self.sharing.num_processes)
        mine = self._mine(rollouts) if rollouts else []
        return [
            batch_rollouts((rollouts[i] for i in each), mean_length=mean_length) for each in mine
        ]

    @property
    def _learns_without_advantage(self) -> bool:
        """Whether a rollout whose advantages are all 0 moves weights: by a KL, an entropy, or a critic."""
        return (
            self.objective.needs_reference
            or self.objective.needs_entropy
            or self.objective.needs_values
        )

    def _batch_of_pairs(self, rows: Sequence[EncodedRow]) -> Batch:
        batch = batch_rows(rows, with_rejected=self.objective.needs_rejected)
        if not self.objective.needs_reference:
            return batch
        known = [torch.tensor(self._reference_of[text]) for text in batch.rows()]
        logps_NT = torch.nn.utils.rnn.pad_sequence(known, batch_first=True)
        return replace(batch, reference_logps_NT=logps_NT)


def _whitened(rollouts: Sequence[EncodedRollout]) -> list[EncodedRollout]:
    whitened = whiten([row.advantages for row in rollouts])
    return [
        row._replace(advantages=tuple(advantages))
        for row, advantages in zip(rollouts, whitened, strict=True)
    ]


def _with_enough(parts: list[list[int]], num_processes: int) -> list[list[int]]:
    """Parts in each of which every process has a row, or none: a backward is joined by all.

    Too small a part goes to the next smallest, and its step has nothing. With fewer rows than processes there is no step.
    """
    parts = [list(part) for part in parts]
    while small := [part for part in parts if 0 < len(part) < num_processes]:
        smallest = min(small, key=len)
        others = [part for part in parts if part and part is not smallest]
        if others:
            min(others, key=len).extend(smallest)
        else:
            logger.warning(
                "%d rows can't be shared by %d processes: this iteration has no step",
                len(smallest),
                num_processes,
            )
        smallest.clear()
    return parts


def _without_idle(rollouts: Sequence[EncodedRollout], at_least: int) -> list[EncodedRollout]:
    """Those with an advantage other than 0, none if there is none: a clipped loss of nothing but them, divided by all.

    The loss is divided by the number of those that are left, and is as large as the advantages are: scaled by the
    share that is left, they give the very loss of all rollouts. So they do with idle ones beside them, up to `at_least`
    in all: one for each process.
    """
    left = [row for row in rollouts if any(row.advantages)]
    if left:
        idle = (row for row in rollouts if not any(row.advantages))
        left += islice(idle, max(0, at_least - len(left)))
    share = len(left) / len(rollouts)
    return [row._replace(advantages=tuple(a * share for a in row.advantages)) for row in left]


def _completion_of(verdict: Verdict) -> Completion:
    """The completion whose columns a verdict carries."""
    extra = verdict.model_extra or {}
    known = {name: extra[name] for name in Completion.model_fields if name in extra}
    return Completion(**{"task_id": verdict.task_id, "sample_index": verdict.sample_index, **known})


def _metrics(drawn: Sequence[Drawn]) -> dict[str, float]:
    """Of an iteration, by TRL's names where it has one."""
    rewards: dict[str, list[float]] = {}
    for each in drawn:
        if each.reward is not None:
            rewards.setdefault(each.task_id, []).append(each.reward)
    flat = [reward for group in rewards.values() for reward in group]
    mean = math.fsum(flat) / len(flat)
    outcomes = Counter(each.verdict.outcome for each in drawn)
    shares = {
        f"exec/{outcome}": outcomes[outcome] / len(drawn)
        for outcome in OUTCOMES
        if outcome != "not_judged"
    }
    return {
        "reward": mean,
        "reward_std": math.sqrt(math.fsum((r - mean) ** 2 for r in flat) / max(1, len(flat) - 1)),
        "frac_reward_zero_std": sum(len(set(group)) == 1 for group in rewards.values())
        / len(rewards),
        "completions/mean_length": sum(len(each.completion_ids) for each in drawn) / len(drawn),
        "completions/clipped_ratio": sum(each.is_cut for each in drawn) / len(drawn),
        **shares,
    }
