"""An axis drawn without a library: round ticks over the values, and where on it a value lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ROUND_STEPS = (1, 2, 5, 10)


class Axis(NamedTuple):
    """From `low` to `high`, with ticks at round numbers within."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`."""
        return (value - self.low) / (self.high - self.low)

    def label(self, tick: float) -> str:
        """A tick in as many digits as tell it from the next."""
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{tick:.{digits}f}".replace("-", "\N{MINUS SIGN}") if tick else "0"

    @property
    def step(self) -> float:
        return self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else self.high - self.low


def axis_over(values: Iterable[float], num_ticks: int = 6, room: float = 0.04) -> Axis:
    """An axis from the least value to the greatest, and a share of `room` beyond; around a single one of them."""
    least, greatest = _ends(list(values))
    spare = room * (greatest - least)
    low, high = least - spare, greatest + spare
    step = _round_step((high - low) / num_ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low, high, tuple(number * step for number in range(first, last + 1)))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low < high:
        return low, high
    room = abs(low) / 2 or 0.5
    return low - room, high + room


def _round_step(step: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * each for each in ROUND_STEPS if power * each >= step * (1 - 1e-9))
