"""What a reference says of both sides of a pair, as one number each: sums over tokens, from its cache.

Not promised: the last bit, as the cache does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from codealign.batches import EncodedPair, batch_pairs
from codealign.reference.cache import ReferenceCache

TOKENS_PER_FORWARD = 8192
"""Of prompts and completions together; without gradients that is little memory for any model that fits at all."""


class PairLogps(NamedTuple):
    """log π(y|x) (nats) of a pair's sides: sums of float32 log-probs over tokens, EOS included where there is one."""

    chosen: float
    rejected: float


def summed_logps(
    cache: ReferenceCache, pairs: Sequence[EncodedPair], max_tokens: int = TOKENS_PER_FORWARD
) -> list[PairLogps]:
    """Of each pair, in order; what the cache lacks is computed and saved first.

    Args:
        cache: of the reference, with its model unless everything is known.
        pairs: in the reference's own token ids, each within its window.
        max_tokens: of a forward; only a single pair that is longer exceeds it.

    Raises:
        StorageError: what is new can't be written.
    """
    groups = _groups(pairs, max_tokens)
    cache.fill(batch_pairs(pairs[i] for i in members) for members in groups)
    found: dict[int, PairLogps] = {}
    for members in groups:
        batch = batch_pairs(pairs[i] for i in members)
        logps_N = cache.token_logps(batch).double().sum(-1)
        sides = torch.stack([logps_N[batch.chosen_P], logps_N[batch.rejected_P]], dim=1).tolist()
        found |= zip(members, (PairLogps(*each) for each in sides), strict=True)
    return [found[i] for i in range(len(pairs))]


def _groups(pairs: Sequence[EncodedPair], max_tokens: int) -> list[list[int]]:
    """Numbers of the pairs of each forward: a prompt's together, those of like length together."""
    order = sorted(
        range(len(pairs)), key=lambda i: (len(pairs[i].prompt_ids), pairs[i].prompt_ids, i)
    )
    groups: list[list[int]] = []
    room = 0
    for i in order:
        num_tokens = sum(map(len, pairs[i][:3]))
        if num_tokens > room:
            groups.append([])
            room = max_tokens
        groups[-1].append(i)
        room -= num_tokens
    return groups
