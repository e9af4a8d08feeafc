"""What to train on, step by step: an experience gives the microbatches of an optimiser step.

Promises: the batches of step n are a function of (data, seed, n) alone, so a resumed run sees what the
unbroken one would have seen. Nothing is ever truncated: what does not fit is left out and counted.

Not promised: that batches are drawn independently. Prompts are shuffled and the pairs of a prompt stay together, so
that each of its programs is computed once a step; inside windows of a few steps they are sorted by length, so that
steps are even and little is padding; the order of the steps is shuffled again.
"""

from __future__ import annotations

import hashlib
import math
import random
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from codealign import config
from codealign.batches import Batch, EncodedPair, EncodedRow, TokenIds, batch_rows, mismatches
from codealign.errors import DataError
from codealign.packing import by_prompt, plan
from codealign.policy import Policy
from codealign.records import Pair

STEPS_PER_WINDOW = 8
"""Optimiser steps whose pairs are sorted by length together: still mixed."""


class Experience(Protocol):
    """Gives batches."""

    num_steps: int
    """Optimiser steps in all."""
    brings_reference: bool
    """Whether batches have the reference's log-probs where an objective reads them."""

    def batches(self, step: int) -> list[Batch]:
        """This process's microbatches of optimiser step `step`, from 0; none where there is nothing to learn."""
        ...

    def epoch(self, step: int) -> float:
        """Passes over the data that are done after `step` steps."""
        ...

    def first_pass(self) -> Sequence[int]:
        """Steps that go once through what is known before training starts."""
        ...

    def after_step(self, step: int, means: Mapping[str, float]) -> None:
        """Learn the metrics of a step that is done, averaged over all its microbatches and processes."""
        ...

    def news(self) -> dict[str, float]:
        """Metrics of what has been gathered since this was last asked."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs, as plain JSON values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any], step: int) -> None:
        """Continue from `state` after `step` steps."""
        ...


class PairExperience:
    """Recorded pairs, or labelled completions in their place, each once an epoch.

    Args:
        pairs: in any order that is the same on every process.
        section: batch size, accumulation, token budget, epochs.
        with_rejected: False leaves the rejected side out of the batches.
        with_mismatched: True adds completions under prompts they were not written for. `max_tokens_per_microbatch`
            does not count them.
        seed: of the order.
        rank, num_processes: which share of each step this process takes.

    Raises:
        DataError: no step can be made of so few pairs.
    """

    brings_reference = False

    def __init__(
        self,
        pairs: Sequence[EncodedRow],
        section: config.TrainConfig,
        *,
        with_rejected: bool,
        with_mismatched: bool = False,
        seed: int,
        rank: int = 0,
        num_processes: int = 1,
    ) -> None:
        self.pairs, self.seed = pairs, seed
        self.with_rejected, self.with_mismatched = with_rejected, with_mismatched
        self.rank, self.num_processes, self.section = rank, num_processes, section
        self.pairs_per_step = section.pairs_per_step or (
            section.per_device_train_batch_size
            * section.gradient_accumulation_steps
            * num_processes
        )
        if self.pairs_per_step < num_processes:
            raise DataError(
                f"{self.pairs_per_step} pairs a step can't be shared by {num_processes} processes",
                where="train.pairs_per_step",
                cure="take more pairs a step, or use fewer processes",
            )
        full, rest = divmod(len(pairs), self.pairs_per_step)
        # A step with fewer pairs than processes would leave one without a backward to join in.
        self._dropped = rest if rest < num_processes else 0
        self.steps_per_epoch = full + (rest >= num_processes)
        self.num_steps = self.steps_per_epoch * section.num_train_epochs
        if self.steps_per_epoch == 0:
            raise DataError(
                f"{len(pairs)} pairs can't be shared by {num_processes} processes",
                cure="give more pairs, or use fewer processes",
            )
        self._order = lru_cache(maxsize=2)(self._make_order)

    def batches(self, step: int) -> list[Batch]:
        epoch, index = divmod(step, self.steps_per_epoch)
        numbers = self._order(epoch)[index]
        shares = plan(
            self.pairs,
            numbers,
            num_processes=self.num_processes,
            pairs_per_microbatch=self.section.per_device_train_batch_size,
            max_tokens=self.section.max_tokens_per_microbatch,
            with_rejected=self.with_rejected,
        )
        mine = shares[self.rank]
        return [
            batch_rows(
                (self.pairs[i] for i in members),
                with_rejected=self.with_rejected,
                mismatched=mismatched,
            )
            for members, mismatched in zip(mine, self._mismatched(numbers, mine), strict=True)
        ]

    def _mismatched(
        self, numbers: Sequence[int], mine: Sequence[Sequence[int]]
    ) -> list[dict[TokenIds, TokenIds]]:
        """Completions for each of `mine` under prompts they were not written for, drawn from the whole step.

        Each prompt of the step has its one, where its first row goes, so that they do not depend on how the
        step is shared out.
        """
        if not self.with_mismatched:
            return [{} for _ in mine]
        wrong = mismatches(self.pairs[i] for i in numbers)
        first: dict[TokenIds, int] = {}
        for i in numbers:
            first.setdefault(self.pairs[i].prompt_ids, i)
        return [
            {prompt: text for prompt, text in wrong.items() if first[prompt] in set(members)}
            for members in mine
        ]

    def epoch(self, step: int) -> float:
        return step / self.steps_per_epoch

    def first_pass(self) -> Sequence[int]:
        return range(self.steps_per_epoch)

    def after_step(self, step: int, means: Mapping[str, float]) -> None:
        """Nothing here depends on it."""

    def news(self) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any], step: int) -> None:
        """There is none."""

    def _make_order(self, epoch: int) -> list[list[int]]:
        """Indices of the pairs of each step of an epoch."""
        rng = random.Random(f"{self.seed}:{epoch}")
        groups = by_prompt(self.pairs, range(len(self.pairs)))
        rng.shuffle(groups)
        place: dict[int, tuple[int, int]] = {}
        """Of a pair: its group's length, and its group's number, which keeps the group together."""
        for number, group in enumerate(groups):
            longest = max(self.pairs[i].num_tokens for i in group)
            place |= dict.fromkeys(group, (longest, number))
        order = list(place)[: len(self.pairs) - self._dropped]
        size = self.pairs_per_step
        window = size * STEPS_PER_WINDOW
        steps = []
        for start in range(0, len(order), window):
            part = sorted(order[start : start + window], key=place.__getitem__)
            steps.extend(part[i : i + size] for i in range(0, len(part), size))
        rng.shuffle(steps)
        return steps


class EncodedPairs(NamedTuple):
    """Pairs as token ids, and how many were left out for which reason."""

    pairs: list[EncodedPair]
    left_out: Counter[str]

    @property
    def rows(self) -> list[EncodedPair]:
        return self.pairs

    @property
    def hash(self) -> str:
        """Hex digest of the pairs, in their order."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            for ids in pair[:3]:
                digest.update(array("q", (len(ids), *ids)).tobytes())
            digest.update(array("d", (pair.weight,)).tobytes())
            for numbers in pair[4:]:
                if numbers is not None:
                    digest.update(array("d", (len(numbers), *numbers)).tobytes())
        return digest.hexdigest()[:16]

    def with_distinct_chosen(self) -> EncodedPairs:
        """The first pair of each chosen completion, with the largest weight of them all."""
        first: dict[tuple[TokenIds, TokenIds], EncodedPair] = {}
        for pair in self.pairs:
            before = first.setdefault(pair[:2], pair)
            first[pair[:2]] = before._replace(weight=max(before.weight, pair.weight))
        repeated = Counter({"chosen_before": len(self.pairs) - len(first)})
        return EncodedPairs(list(first.values()), self.left_out + repeated)


def encode_pairs(policy: Policy, pairs: Sequence[Pair], max_length: int | None) -> EncodedPairs:
    """Turn pairs into token ids: the sampler's where they are there, the tokenizer's elsewhere.

    Left out and counted: `too_long` (prompt + completion above `max_length` or the model's window),
    `identical` (both sides the same ids), `empty` (nothing to predict, or nothing to predict from).

    Raises:
        DataError: ids that the model does not have, a weight that is negative or not a number, or columns of
            references that are not one number each.
    """
    kept: list[EncodedPair] = []
    left_out: Counter[str] = Counter()
    for encoded, reason in encode_each(policy, pairs, max_length):
        if reason is None:
            kept.append(encoded)
        else:
            left_out[reason] += 1
    _check_references_agree(kept)
    return EncodedPairs(kept, left_out)


def encode_each(
    policy: Policy, pairs: Sequence[Pair], max_length: int | None
) -> Iterator[tuple[EncodedPair, str | None]]:
    """Each pair as token ids, and why training leaves it out; None where it does not."""
    limit = length_limit(policy, max_length)
    for number, pair in enumerate(pairs):
        encoded = _encode_pair(policy, pair)
        where = f"pair {number} ({pair.task_id or 'no task_id'})"
        _check_pair(encoded, policy, where)
        _check_references(encoded, where)
        yield encoded, _reason_to_leave_out(encoded, limit)


def length_limit(policy: Policy, max_length: int | None) -> float:
    """Tokens that a prompt and a completion may have together."""
    limits = [limit for limit in (max_length, policy.max_positions) if limit is not None]
    return min(limits, default=math.inf)


def _encode_pair(policy: Policy, pair: Pair) -> EncodedPair:
    prompt, prompt_ids = pair.prompt_messages or pair.prompt, pair.prompt_ids
    sides: list[TokenIds] = []
    for side, ids, text in (
        ("chosen", pair.chosen_ids, pair.chosen),
        ("rejected", pair.rejected_ids, pair.rejected),
    ):
        if ids is None:
            encoded = policy.encode_pair_text(prompt, text)
            prompt_ids = prompt_ids or encoded.prompt_ids
            # What the length limit cut has no EOS: the model wrote none.
            was_cut = (pair.model_extra or {}).get(f"{side}_finish_reason") == "length"
            ids = encoded.completion_ids[:-1] if was_cut else encoded.completion_ids
        sides.append(tuple(ids))
    if prompt_ids is None:
        prompt_ids = policy.encode_prompt(prompt)
    columns = [getattr(pair, name) for name in EncodedPair._fields[4:]]
    return EncodedPair(
        tuple(prompt_ids),
        sides[0],
        sides[1],
        pair.weight,
        *(None if numbers is None else tuple(numbers) for numbers in columns),
    )


def check_row(row: EncodedRow, policy: Policy, where: str) -> None:
    """Refuse what no model can read.

    Raises:
        DataError: ids that the model does not have, or a weight that is negative or not a number.
    """
    highest = max(max(ids, default=0) for ids in (row.prompt_ids, *row.completions()))
    if highest >= policy.vocab_size:
        raise DataError(
            f"token id {highest}, the model has {policy.vocab_size}",
            where=where,
            cure="these ids are another tokenizer's: remove prompt_ids and the completions' ids",
        )
    if not (math.isfinite(row.weight) and row.weight >= 0):
        raise DataError(
            f"weight {row.weight}", where=where, cure="give a weight of 0 or more, or none"
        )


def _check_pair(pair: EncodedPair, policy: Policy, where: str) -> None:
    check_row(pair, policy, where)
    for side, ids, weights in (
        ("chosen", pair.chosen_ids, pair.chosen_weights),
        ("rejected", pair.rejected_ids, pair.rejected_weights),
    ):
        if weights is not None and not (
            len(weights) == len(ids) and all(map(math.isfinite, weights))
        ):
            raise DataError(
                f"{side}_weights are not {len(ids)} numbers, one for each token",
                where=where,
                cure=f"compute them from {side}_ids, EOS included, or remove them",
            )


def _check_references(pair: EncodedPair, where: str) -> None:
    chosen, rejected = pair.chosen_reference_logps, pair.rejected_reference_logps
    weights = pair.reference_weights
    if chosen is None and rejected is None and weights is None:
        return
    cure = "compute the reference columns for the references of train.objective, or remove them all"
    if chosen is None or rejected is None or len(chosen) != len(rejected):
        raise DataError(
            "chosen_reference_logps and rejected_reference_logps are not one number a side for each reference",
            where=where,
            cure=cure,
        )
    if not all(-math.inf < logp <= 0 for logp in (*chosen, *rejected)):
        raise DataError(
            "chosen_reference_logps or rejected_reference_logps has a number that is no log-probability: "
            "they are finite and at most 0",
            where=where,
            cure=cure,
        )
    if weights is not None and not (
        len(weights) == 1 + len(chosen)
        and all(weight >= 0 for weight in weights)
        and abs(sum(weights) - 1) < 1e-6
    ):
        raise DataError(
            f"reference_weights are not {1 + len(chosen)} numbers of 0 or more that sum to 1, the policy's own "
            "reference first",
            where=where,
            cure=cure,
        )


def _check_references_agree(pairs: Sequence[EncodedPair]) -> None:
    columns = [pair.chosen_reference_logps for pair in pairs]
    numbers = {len(logps) for logps in columns if logps is not None}
    if len(numbers) > 1:
        raise DataError(
            f"some pairs have log-probs of {min(numbers)} references and others of {max(numbers)}",
            where="chosen_reference_logps",
            cure="give the pairs of one run the columns of the same references",
        )


def _reason_to_leave_out(pair: EncodedPair, limit: float) -> str | None:
    if not (pair.prompt_ids and pair.chosen_ids and pair.rejected_ids):
        return "empty"
    if pair.chosen_ids == pair.rejected_ids:
        return "identical"
    return "too_long" if pair.num_tokens > limit else None
