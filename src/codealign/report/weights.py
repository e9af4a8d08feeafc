"""Token weights of the pairs that were trained on: a histogram of each side, its mean and spread in words.

A bar's height is the square root of its share, so that rare weights, which often are the point, can be seen. The
middle 99 % of both sides set the axis; the end bars hold what lies beyond.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from codealign.records import Pair
from codealign.report.axes import Axis, axis_over
from codealign.report.numbers import MINUS, count, percent

NUM_BARS = 30
BEYOND = 0.005
"""Share of the weights at either end that the axis need not reach."""
NEAR_ONE = 0.05


class WeightBar(NamedTuple):
    """The weights between two values: their share of the side's tokens, and the bar's height, 0 to 1."""

    low: float
    high: float
    share: float
    height: float


class SideWeights(NamedTuple):
    """The weights of all chosen or all rejected tokens."""

    side: str
    bars: list[WeightBar]
    words: str


class TokenWeights(NamedTuple):
    """Both sides on one axis; `ticks` are (percent of the width, label)."""

    sides: list[SideWeights]
    ticks: list[tuple[float, str]]
    num_unweighed: int


def token_weights(pairs: Sequence[Pair]) -> TokenWeights | None:
    """None where no pair has weights."""
    by_side = {
        side: [w for pair in pairs for w in getattr(pair, f"{side}_weights") or ()]
        for side in ("chosen", "rejected")
    }
    by_side = {side: weights for side, weights in by_side.items() if weights}
    if not by_side:
        return None
    ends = [end for weights in by_side.values() for end in _middle(weights)]
    axis = axis_over([1.0, *ends], num_ticks=8)
    bars = {side: _bars(weights, axis) for side, weights in by_side.items()}
    tallest = max(bar.share for side in bars.values() for bar in side)
    return TokenWeights(
        [
            SideWeights(side, _scaled(found, tallest), in_words(by_side[side]))
            for side, found in bars.items()
        ],
        [(round(100 * axis.place(tick), 2), axis.label(tick)) for tick in axis.ticks],
        sum(pair.chosen_weights is None for pair in pairs),
    )


def _middle(weights: Sequence[float]) -> tuple[float, float]:
    ordered, beyond = sorted(weights), int(BEYOND * len(weights))
    return ordered[beyond], ordered[-1 - beyond]


def _bars(weights: Sequence[float], axis: Axis) -> list[WeightBar]:
    width = (axis.high - axis.low) / NUM_BARS
    places = Counter(min(NUM_BARS - 1, max(0, int(axis.place(w) * NUM_BARS))) for w in weights)
    return [
        WeightBar(
            axis.low + place * width,
            axis.low + (place + 1) * width,
            places[place] / len(weights),
            0.0,
        )
        for place in range(NUM_BARS)
    ]


def _scaled(bars: Sequence[WeightBar], tallest: float) -> list[WeightBar]:
    return [bar._replace(height=round(math.sqrt(bar.share / tallest), 4)) for bar in bars]


def in_words(weights: Sequence[float]) -> str:
    """`1,763 token weights: mean 1.01, standard deviation 0.16, from 0.81 to 4.48; 95.1% within 0.05 of 1`."""
    mean = math.fsum(weights) / len(weights)
    deviation = math.sqrt(math.fsum((w - mean) ** 2 for w in weights) / len(weights))
    near = sum(abs(w - 1) <= NEAR_ONE for w in weights) / len(weights)
    return (
        f"{count(len(weights), 'token weight')}: mean {mean:.2f}, standard deviation {deviation:.2f}, "
        f"from {_written(min(weights))} to {_written(max(weights))}; {percent(near)} within {NEAR_ONE} of 1"
    )


def _written(weight: float) -> str:
    return f"{weight:.2f}".replace("-", MINUS)
