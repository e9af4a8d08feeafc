"""Token weights from two models, one that writes better programs and one that writes worse (TIS-DPO, arXiv 2410.04350).

A token that the good model π⁺ likes better than the bad one π⁻ is a good token, and counts more in a chosen side and less
in a rejected one. The two are the policy itself under two instructions, or are trained here from the pairs: each from
the policy's first weights, one after the other, never two in memory.

Promises: weights are of the very token ids that training reads, EOS among them with a weight of its own; a pair that
training will leave out has none.

Not promised: that the weights are right. They are of two models that learnt from the same pairs, noise included: compare
with `shuffle` and with `token_weights.kind: random`.

Axes: T completion tokens, P pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from codealign.batches import EncodedPair, batch_pairs
from codealign.config import (
    ContrastSection,
    ExpOfContrast,
    PromptContrast,
    RandomWeights,
    RanksOfContrast,
    TrainConfig,
)
from codealign.experience import encode_each
from codealign.packing import plan
from codealign.policy import Policy
from codealign.records import Message, Pair, Record, content_hash
from codealign.token_weights.controls import random_weights, shuffled
from codealign.training import StepReport, TrainResult, train

PAIRS_AT_ONCE = 1024
"""Sorted into microbatches together."""


class SideLogps(Record):
    """What a model says of a pair's two sides, token by token (nats); None where training leaves the pair out."""

    chosen: list[float] | None = None
    rejected: list[float] | None = None


# ---------------------------------------------------------------- the two models


def train_contrast(
    policy: Policy,
    pairs: Sequence[Pair],
    settings: TrainConfig,
    *,
    good: bool,
    run_dir: Path,
    seed: int,
    on_step: Callable[[StepReport], None] | None = None,
) -> TrainResult:
    """Train the good model, or with the sides swapped the bad one; resumable as `train` is.

    Args:
        policy: at the weights that the policy itself starts from.
        settings: of `config.contrast_training`.
    """
    ordered = pairs if good else [swapped(pair) for pair in pairs]
    return train(policy, ordered, settings, run_dir=run_dir, seed=seed, on_step=on_step)


def swapped(pair: Pair) -> Pair:
    """The pair with its sides exchanged: every column of the one becomes the other's."""
    other = {"chosen": "rejected", "rejected": "chosen"}
    columns: dict[str, Any] = {}
    for name, value in pair:
        side, underscore, rest = name.partition("_")
        columns[other.get(side, side) + underscore + rest] = value
    return Pair(**columns)


def encode_for_weights(
    policy: Policy, pairs: Sequence[Pair], settings: TrainConfig
) -> list[EncodedPair | None]:
    """The pairs as token ids; None where training leaves one out."""
    return [
        pair if reason is None else None
        for pair, reason in encode_each(policy, pairs, settings.max_length)
    ]


def pair_logps(
    policy: Policy, pairs: Sequence[EncodedPair | None], settings: TrainConfig
) -> list[SideLogps]:
    """What `policy` says of the tokens of each pair's sides, in the order of `pairs`; nothing of None."""
    present = [number for number, pair in enumerate(pairs) if pair is not None]
    by_length = sorted(present, key=lambda number: cast(EncodedPair, pairs[number]).num_tokens)
    result = [SideLogps()] * len(pairs)
    for start in range(0, len(by_length), PAIRS_AT_ONCE):
        numbers = by_length[start : start + PAIRS_AT_ONCE]
        chunk = [cast(EncodedPair, pairs[number]) for number in numbers]
        (microbatches,) = plan(
            chunk,
            range(len(chunk)),
            pairs_per_microbatch=settings.per_device_train_batch_size,
            max_tokens=settings.max_tokens_per_microbatch,
        )
        for members in microbatches:
            sides = _sides(policy, [chunk[member] for member in members])
            for member, each in zip(members, sides, strict=True):
                result[numbers[member]] = each
    return result


def _sides(policy: Policy, pairs: Sequence[EncodedPair]) -> Iterator[SideLogps]:
    batch = batch_pairs(pairs)
    with torch.no_grad():
        logps_NT = policy.token_logps(batch.to(policy.device)).cpu()
    numbers = zip(pairs, batch.chosen_P.tolist(), batch.rejected_P.tolist(), strict=True)
    for pair, chosen, rejected in numbers:
        yield SideLogps(
            chosen=logps_NT[chosen, : len(pair.chosen_ids)].tolist(),
            rejected=logps_NT[rejected, : len(pair.rejected_ids)].tolist(),
        )


def instructed_logps(
    policy: Policy,
    pairs: Sequence[EncodedPair | None],
    prompts: Sequence[str | Sequence[Message]],
    section: PromptContrast,
    settings: TrainConfig,
) -> tuple[list[SideLogps], list[SideLogps]]:
    """What the reference says of each pair under the good and under the bad instruction.

    A pair that no longer fits the model's window with an instruction before it gets nothing.

    Args:
        prompts: of each pair, the problem's own text, to which no chat template has been applied.
    """
    with policy.reference():
        good, bad = (
            pair_logps(policy, _instructed(policy, pairs, prompts, instruction), settings)
            for instruction in (section.good, section.bad)
        )
    return good, bad


def _instructed(
    policy: Policy,
    pairs: Sequence[EncodedPair | None],
    prompts: Sequence[str | Sequence[Message]],
    instruction: str,
) -> list[EncodedPair | None]:
    window = policy.max_positions or math.inf
    result: list[EncodedPair | None] = []
    for pair, prompt in zip(pairs, prompts, strict=True):
        if pair is not None:
            ids = tuple(policy.encode_prompt(prompt, instruction=instruction))
            pair = pair._replace(prompt_ids=ids)
        result.append(pair if pair is not None and pair.num_tokens <= window else None)
    return result


# ---------------------------------------------------------------- weights


def weigh_by_contrast(
    pairs: Sequence[Pair],
    encoded: Sequence[EncodedPair | None],
    good: Sequence[SideLogps],
    bad: Sequence[SideLogps],
    section: ContrastSection,
    seed: int,
) -> list[Pair]:
    """The pairs with token weights, and with the ids that those belong to."""
    weighed: list[Pair] = []
    for pair, ids, better, worse in zip(pairs, encoded, good, bad, strict=True):
        if ids is None or better.chosen is None or worse.chosen is None:
            weighed.append(pair)
            continue
        weights: dict[str, list[float]] = {}
        for side in ("chosen", "rejected"):
            contrast_T = torch.tensor(getattr(better, side)) - torch.tensor(getattr(worse, side))
            weights_T = transform(contrast_T, section.transform, chosen=side == "chosen")
            weights[side] = weights_T.tolist()
            if section.shuffle:
                weights[side] = shuffled(weights[side], _key(seed, ids, side))
        weighed.append(with_weights(pair, ids, weights["chosen"], weights["rejected"]))
    return weighed


def weigh_at_random(
    pairs: Sequence[Pair],
    encoded: Sequence[EncodedPair | None],
    section: RandomWeights,
    seed: int,
) -> list[Pair]:
    """The pairs with weights that know nothing: what a contrast must beat."""

    def draw(ids: EncodedPair, side: str, num: int) -> list[float]:
        return random_weights(num, section.lower, section.upper, _key(seed, ids, side))

    return [
        pair
        if ids is None
        else with_weights(
            pair,
            ids,
            draw(ids, "chosen", len(ids.chosen_ids)),
            draw(ids, "rejected", len(ids.rejected_ids)),
        )
        for pair, ids in zip(pairs, encoded, strict=True)
    ]


def _key(seed: int, ids: EncodedPair, side: str) -> str:
    return content_hash([seed, side, ids[:3]])


def with_weights(pair: Pair, ids: EncodedPair, chosen: list[float], rejected: list[float]) -> Pair:
    """The pair with a weight for each of the ids that training will read."""
    return pair.model_copy(
        update={
            "prompt_ids": list(ids.prompt_ids),
            "chosen_ids": list(ids.chosen_ids),
            "rejected_ids": list(ids.rejected_ids),
            "chosen_weights": chosen,
            "rejected_weights": rejected,
        }
    )


def transform(
    contrast_T: Tensor, section: ExpOfContrast | RanksOfContrast, *, chosen: bool
) -> Tensor:
    """Weights of a side's tokens, from log π⁺ − log π⁻ (nats) of each."""
    if isinstance(section, RanksOfContrast):
        return rank_weights(
            contrast_T, chosen=chosen, lowest=section.lowest, highest=section.highest
        )
    bounds = {"lower": section.lower, "upper": section.upper}
    return tis_weights(contrast_T, chosen=chosen, mu=section.mu, scale=section.scale, **bounds)


def tis_weights(
    contrast_T: Tensor,
    *,
    chosen: bool,
    lower: float = -0.5,
    upper: float = 1.5,
    mu: float = 1.0,
    scale: float = 1.0,
) -> Tensor:
    """Weights of a side's tokens by how much better a good policy likes them (arXiv 2410.04350, equation 19).

        w_t = k · exp( ±μ · clamp( log π⁺(y_t)/π⁻(y_t), L, U ) ),   + for the chosen side, − for the rejected

    Clamped before the sign: a chosen token weighs 0.61 to 4.48, a rejected one 0.22 to 1.65.

    Args:
        contrast_T: log π⁺ − log π⁻ (nats) of each token, under a good and a bad policy.
        chosen: which side.
        lower, upper, mu, scale: L, U, μ and k, the paper's.
    """
    sign = 1.0 if chosen else -1.0
    return scale * torch.exp(sign * mu * contrast_T.clamp(lower, upper))


def rank_weights(
    contrast_T: Tensor, *, chosen: bool, lowest: float = 0.7, highest: float = 1.3
) -> Tensor:
    """Weights by rank within the side: the `rank_based` weights of TIS-DPO's released code.

    The token with the least ±(log π⁺ − log π⁻), − on the rejected side, weighs `lowest`, the one with the most
    `highest`, those between them evenly, the earlier of equals less. Their mean is (lowest + highest)/2, which is
    also a lone token's weight. The code leaves EOS out with a weight of 0; here it has its rank.
    """
    num_tokens = len(contrast_T)
    if num_tokens == 1:
        return torch.full_like(contrast_T, (lowest + highest) / 2)
    signed_T = contrast_T if chosen else -contrast_T
    weights_T = torch.empty_like(contrast_T)
    order_T = signed_T.argsort(stable=True)
    weights_T[order_T] = torch.linspace(lowest, highest, num_tokens, dtype=contrast_T.dtype)
    return weights_T
