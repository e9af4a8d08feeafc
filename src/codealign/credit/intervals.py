"""Intervals of anything that is made of sums over problems: the bootstrap over problems (Efron and Tibshirani 1993).

What a problem's states have in common makes them worth less than as many single ones, so whole problems are drawn again.
Percentiles of the resampled statistic; where a resample has no value (nothing to divide by) it is left out.

Axes: P problems, S sums, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

NUM_RESAMPLES = 2000


class Interval(NamedTuple):
    """A statistic and its interval; None where there is nothing to compute it from: of one problem there is no interval."""

    value: float | None
    low: float | None
    high: float | None


class Resampler:
    """Draws problems again, the same ones for every statistic, so that methods meet the same luck.

    Args:
        task_ids: the problem of each row.
    """

    def __init__(self, task_ids: Sequence[str], *, confidence: float, seed: int) -> None:
        names, self.problem_of_N = np.unique(np.array(task_ids, dtype=object), return_inverse=True)
        self.num_problems, self.confidence = len(names), confidence
        shares = np.full(self.num_problems, 1 / max(1, self.num_problems))
        rng = np.random.default_rng(seed)
        self.times_BP = rng.multinomial(self.num_problems, shares, size=NUM_RESAMPLES)

    def interval(
        self,
        rows_NS: Numbers,
        statistic: Callable[[Numbers], Numbers],
        rows_N: Numbers | None = None,
    ) -> Interval:
        """A statistic of sums over rows.

        Args:
            rows_NS: what is summed, a column for each sum.
            statistic: [..., S] sums to [...] values, NaN where there is none.
            rows_N: which rows count; None is all.
        """
        sums_PS = np.zeros((self.num_problems, rows_NS.shape[1]))
        kept_N = np.ones(len(rows_NS), bool) if rows_N is None else rows_N.astype(bool)
        np.add.at(sums_PS, self.problem_of_N[kept_N], rows_NS[kept_N])
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(statistic(sums_PS.sum(0)))
            resampled_B = statistic(self.times_BP @ sums_PS)
        if not np.isfinite(value):
            return Interval(None, None, None)
        if len(np.unique(self.problem_of_N[kept_N])) < 2:
            return Interval(value, None, None)
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(resampled_B[np.isfinite(resampled_B)], [tail, 1 - tail])
        return Interval(value, float(low), float(high))


def ratio(sums_S: Numbers) -> Numbers:
    """The first sum over the second: a mean where the second counts."""
    return sums_S[..., 0] / sums_S[..., 1]
