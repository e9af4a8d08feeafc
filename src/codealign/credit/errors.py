"""How far estimates of states are from the truth.

    error = estimate − truth,   MAE = mean |error|,   bias = mean error
    RMSE = √(mean(error² − s²/M)),   the truth's own noise taken out; 0 where less than that is left
    explained variance = 1 − Var(error) / Var(truth)

The truth is a mean of M rewards, so even perfect values differ from it: by √(2/π · s²/M) on average, s² being the sample
variance of the M (exact for normal noise). Means are over the states that the policy visits, as often as it does.

Axes: N states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from codealign.credit.intervals import Interval, Numbers, Resampler, ratio

NUM_BINS = 5
MAX_STEP = 10
"""From this step on, states are one group."""


class States(NamedTuple):
    """What is known of the states of trajectories."""

    task_ids: list[str]
    steps: list[int]
    nums_steps: list[int]
    """Of the whole trajectory."""
    truths: list[list[float]]
    estimates: Mapping[str, Sequence[float | None]]
    """By method; None where it has none."""


class Group(NamedTuple):
    """States at one place of their trajectories."""

    name: str
    first: float
    last: float
    num_states: int
    mae: dict[str, Interval]
    noise: float


def summary_of_errors(states: States, *, confidence: float, seed: int) -> dict[str, Any]:
    """As plain JSON values: the noise of the truth, and each method's errors in all and by place."""
    truth_N, variance_N = truth_and_noise(states.truths)
    resampler = Resampler(states.task_ids, confidence=confidence, seed=seed)
    columns = {name: _column(values) for name, values in states.estimates.items()}
    methods = {
        name: _method(column_N, truth_N, variance_N, resampler)
        for name, column_N in columns.items()
    }
    places = {"by_position": _positions(states), "by_step": _steps(states)}
    return {
        "num_states": len(truth_N),
        "num_problems": resampler.num_problems,
        "mean_truth": float(truth_N.mean()),
        "std_truth": float(truth_N.std()),
        "noise": {"mae": _noise(variance_N), "rmse": float(np.sqrt(variance_N.mean()))},
        "methods": methods,
        **{
            name: [
                _group(label, first, last, rows_N, columns, truth_N, variance_N, resampler)
                for label, first, last, rows_N in groups
                if rows_N.any()
            ]
            for name, groups in places.items()
        },
    }


def truth_and_noise(truths: Sequence[Sequence[float]]) -> tuple[Numbers, Numbers]:
    """The mean of each state's rewards, and the variance of that mean (0 of a single reward: unknown)."""
    means = [float(np.mean(rewards)) for rewards in truths]
    variances = [float(np.var(r, ddof=1)) / len(r) if len(r) > 1 else 0.0 for r in truths]
    return np.array(means), np.array(variances)


def _noise(variance_N: Numbers) -> float:
    return float(np.sqrt(2 / np.pi * variance_N).mean())


def _column(values: Sequence[float | None]) -> Numbers:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _method(
    column_N: Numbers, truth_N: Numbers, variance_N: Numbers, resampler: Resampler
) -> dict[str, Any]:
    has_N = np.isfinite(column_N)
    error_N, ones_N = column_N - truth_N, np.ones_like(truth_N)

    def interval(statistic: Any, *columns: Numbers) -> dict[str, float | None]:
        return resampler.interval(np.stack(columns, 1), statistic, has_N)._asdict()

    moments = (ones_N, truth_N, truth_N**2, column_N, column_N**2, truth_N * column_N)
    return {
        "num_states": int(has_N.sum()),
        "mae": interval(ratio, np.abs(error_N), ones_N),
        "bias": interval(ratio, error_N, ones_N),
        "rmse": interval(_root_of_ratio, error_N**2 - variance_N, ones_N),
        "explained_variance": interval(_explained_variance, *moments),
        "correlation": interval(_correlation, *moments),
    }


def _root_of_ratio(sums_S: Numbers) -> Numbers:
    return np.sqrt(np.maximum(ratio(sums_S), 0.0))


def _explained_variance(sums_S: Numbers) -> Numbers:
    truth, estimate, both = _variances(sums_S)
    return 1 - (truth + estimate - 2 * both) / _or_nan(truth)


def _correlation(sums_S: Numbers) -> Numbers:
    truth, estimate, both = _variances(sums_S)
    return both / np.sqrt(_or_nan(truth) * _or_nan(estimate))


def _variances(sums_S: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Of truth and estimate, and their covariance."""
    num, t, tt, e, ee, te = (sums_S[..., column] for column in range(6))
    return tt / num - (t / num) ** 2, ee / num - (e / num) ** 2, te / num - t * e / num**2


def _or_nan(variance: Numbers) -> Numbers:
    """Rounding leaves a little where values are all the same."""
    return np.where(variance > 1e-12, variance, np.nan)


def _positions(states: States) -> list[tuple[str, float, float, Numbers]]:
    """Fifths of the trajectory: label, both ends, which states."""
    at_N = np.array(states.steps) / np.array(states.nums_steps)
    bin_N = np.minimum((at_N * NUM_BINS + 1e-9).astype(int), NUM_BINS - 1)
    return [
        (
            f"{100 * number // NUM_BINS}-{100 * (number + 1) // NUM_BINS}%",
            number / NUM_BINS,
            (number + 1) / NUM_BINS,
            bin_N == number,
        )
        for number in range(NUM_BINS)
    ]


def _steps(states: States) -> list[tuple[str, float, float, Numbers]]:
    step_N = np.minimum(np.array(states.steps), MAX_STEP)
    return [
        (f"{step}{'+' if step == MAX_STEP else ''}", float(step), float(step), step_N == step)
        for step in range(MAX_STEP + 1)
    ]


def _group(
    name: str,
    first: float,
    last: float,
    rows_N: Numbers,
    columns: Mapping[str, Numbers],
    truth_N: Numbers,
    variance_N: Numbers,
    resampler: Resampler,
) -> dict[str, Any]:
    ones_N = np.ones_like(truth_N)
    mae = {
        method: resampler.interval(
            np.stack([np.abs(column_N - truth_N), ones_N], 1), ratio, rows_N & np.isfinite(column_N)
        )._asdict()
        for method, column_N in columns.items()
    }
    return {
        "name": name,
        "first": first,
        "last": last,
        "num_states": int(rows_N.sum()),
        "noise": _noise(variance_N[rows_N.astype(bool)]),
        "mae": mae,
    }
