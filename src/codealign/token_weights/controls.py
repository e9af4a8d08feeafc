"""Weights that know nothing of their tokens: what a method has to beat.

Promises: equal keys give equal numbers, in any process and in any order of calls.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def shuffled(weights: Sequence[float], key: str) -> list[float]:
    """The same weights in random order: mean and spread stay, what they point at goes."""
    order = list(weights)
    random.Random(key).shuffle(order)
    return order


def random_weights(num: int, lower: float, upper: float, key: str) -> list[float]:
    """`num` uniform numbers between `lower` and `upper`: the control of TIS-DPO (arXiv 2410.04350)."""
    rng = random.Random(key)
    return [rng.uniform(lower, upper) for _ in range(num)]
