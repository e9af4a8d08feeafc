"""Learning curves from the rows of metrics.jsonl: which charts there are, and the numbers they draw.

A row that lacks a key leaves a gap; a value that is not a finite number does too. A long run is thinned to
`MAX_POINTS` per curve by averaging neighbours, and says so. Any numeric key that no chart names gets a
chart of its own, so that a new objective's metrics are seen without a change here.

Not promised: the exact value at a step of a thinned curve; metrics.jsonl has it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from codealign.records import OUTCOMES
from codealign.report.data import finite

MAX_POINTS = 1_500
MAX_OTHER_CHARTS = 24
SIGNIFICANT_DIGITS = 6


LAST_STEPS = 5
"""Rows at a run's end over which a last value is averaged: one batch says little."""


class ChartSpec(NamedTuple):
    """What one chart shows. `unit` is how the values are written: `number`, `percent` or `tiny`.

    A key that ends in `/*` stands for every key that begins so.
    """

    title: str
    keys: tuple[str, ...]
    unit: str
    explanation: str
    stacked: bool = False
    """Shares of one whole, one upon the other."""
    only_above_zero: bool = False
    """Not drawn where its values are all 0."""


CHARTS = (
    ChartSpec(
        "Reward of an iteration",
        ("reward", "reward_std"),
        "number",
        "Mean and spread of its completions' rewards, drawn before anything was learnt from them.",
    ),
    ChartSpec(
        "Outcomes of an iteration",
        tuple(f"exec/{outcome}" for outcome in OUTCOMES),
        "percent",
        "What became of its programs, shares of all of them.",
        stacked=True,
    ),
    ChartSpec(
        "Tried something forbidden",
        ("exec/violation",),
        "percent",
        "Share of an iteration's programs. A policy that finds a way to cheat shows here, if the way is a forbidden one.",
        only_above_zero=True,
    ),
    ChartSpec("Loss", ("loss",), "number", "The objective's value on the batch of each step."),
    ChartSpec(
        "Validation greedy pass@1",
        ("eval_pass@1",),
        "percent",
        "Measured on problems that are neither trained on nor part of the proof.",
    ),
    ChartSpec(
        "Log-ratio to the reference (nats)",
        ("log_ratio/chosen", "log_ratio/rejected"),
        "number",
        "How much likelier than at the start a completion is. Chosen should stay near zero; "
        "both sinking together is collapse.",
    ),
    ChartSpec(
        "Log-ratio to the virtual reference (nats)",
        ("log_ratio/virtual_*",),
        "number",
        "MRPO: the same against the one reference that all of them make.",
    ),
    ChartSpec(
        "Rewards",
        ("rewards/chosen", "rewards/rejected"),
        "number",
        "The objective's implicit rewards.",
    ),
    ChartSpec("Reward margin", ("rewards/margins",), "number", "Chosen minus rejected."),
    ChartSpec(
        "Reward accuracy",
        ("rewards/accuracies",),
        "percent",
        "Share of pairs in which the chosen side has the higher reward.",
    ),
    ChartSpec(
        "Terms of the loss",
        ("loss/*",),
        "number",
        "Each term of a weighted sum, before its weight.",
    ),
    ChartSpec(
        "Rejected sides still pushed down",
        ("gate_open",),
        "percent",
        "MinorDPO: share of pairs whose rejected side is not yet less likely than at the start. "
        "The others learn from their chosen side alone.",
    ),
    ChartSpec(
        "Weight of pairs under the policy",
        ("wpo_weight",),
        "number",
        "WPO: about 1 where both sides are what the policy would write itself, near 0 where it would not.",
    ),
    ChartSpec(
        "Weight of each reference",
        ("reference_weight/*",),
        "number",
        "MRPO: how much each reference counts, 0 being the policy's own start; they add up to 1.",
    ),
    ChartSpec(
        "How far references may differ",
        ("reference_epsilon/*",),
        "number",
        "MRPO: a reference's log-prob is clipped to within this share of the primary's.",
    ),
    ChartSpec(
        "KL to the reference (nats)",
        ("kl",),
        "number",
        "Policy gradients: a token's, as the penalty estimates it. KTO: a completion's, from other prompts; it moves the "
        "point that counts as no reward.",
    ),
    ChartSpec(
        "KL to the policy that drew (nats a token)",
        ("approx_kl",),
        "number",
        "How far the steps of an iteration have gone from the policy that wrote its completions.",
    ),
    ChartSpec(
        "Tokens whose ratio is clipped",
        ("clip_ratio/low", "clip_ratio/high"),
        "percent",
        "Share of tokens that teach no more because they are less likely (low) or likelier (high) than when they were "
        "drawn, by more than the clip.",
    ),
    ChartSpec(
        "Ratio to the policy that drew",
        ("ratio",),
        "number",
        "Mean of a token; 1 where it is as likely as when it was drawn.",
    ),
    ChartSpec(
        "Completions that count nothing",
        ("skipped",),
        "percent",
        "Share whose mean ratio is above max_ratio.",
        only_above_zero=True,
    ),
    ChartSpec("Entropy of a token (nats)", ("entropy",), "number", "Near 0 nothing new is tried."),
    ChartSpec("Value loss", ("value_loss",), "number", "The critic's, before its coefficient."),
    ChartSpec(
        "Length of completions (tokens)",
        ("completions/mean_length",),
        "number",
        "Mean of an iteration.",
    ),
    ChartSpec(
        "Completions cut by the limit",
        ("completions/clipped_ratio",),
        "percent",
        "Share of an iteration: they have the reward of unfinished ones.",
    ),
    ChartSpec(
        "Problems whose rewards are all equal",
        ("frac_reward_zero_std",),
        "percent",
        "Share of an iteration's problems. They teach nothing where completions are compared with each other.",
    ),
    ChartSpec(
        "Gathering (seconds)",
        ("seconds/gathering",),
        "number",
        "Of an iteration: drawn, judged, rewarded.",
    ),
    ChartSpec("Learning rate", ("learning_rate",), "tiny", "As scheduled, with its warm-up."),
    ChartSpec("Gradient norm", ("grad_norm",), "number", "Before clipping."),
)
NOT_CURVES = {
    *("step", "epoch", "warning", "time", "timestamp", "seconds"),
    *("num_tokens", "sampled/completions", "sampled/tokens"),  # they count up, whatever happens
}


class Series(NamedTuple):
    """One line: its metrics key and a value or None per step of the chart."""

    key: str
    values: list[float | None]


class Chart(NamedTuple):
    """A chart ready to draw. `summary` says in words what the lines do, for those who can't see them."""

    title: str
    unit: str
    explanation: str
    steps: list[float]
    series: list[Series]
    threshold: float | None
    summary: str
    stacked: bool


class Curves(NamedTuple):
    """The named charts that have data, the other metrics' charts, and where warnings came up."""

    charts: list[Chart]
    others: list[Chart]
    warning_steps: list[float]
    step_range: tuple[float, float]
    num_rows: int
    thinned: bool


def curves(metrics: Sequence[Mapping[str, Any]], collapse_log_ratio: float | None) -> Curves:
    """Charts of a training run's metrics rows.

    Args:
        metrics: rows in file order; a row without a finite `step` is left out.
        collapse_log_ratio: nats; drawn as a line in the log-ratio chart when given.
    """
    rows = sorted(
        (row for row in metrics if finite(row.get("step")) is not None),
        key=lambda row: float(row["step"]),
    )
    present = {key for row in rows for key in row}
    named = {key for spec in CHARTS for key in keys_of(spec, present)}
    other_keys = sorted(present - named - NOT_CURVES)
    others = [ChartSpec(key, (key,), "number", "") for key in other_keys]
    return Curves(
        charts=_drawn(CHARTS, rows, collapse_log_ratio),
        others=_drawn(others, rows, None)[:MAX_OTHER_CHARTS],
        warning_steps=sorted({float(row["step"]) for row in rows if row.get("warning")}),
        step_range=_step_range(rows),
        num_rows=len(rows),
        thinned=len(rows) > MAX_POINTS,
    )


def _step_range(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """First and last step: one axis for all charts, so that they can be read against each other."""
    if not rows:
        return 0.0, 1.0
    first, last = float(rows[0]["step"]), float(rows[-1]["step"])
    return (first, last) if first < last else (first - 0.5, last + 0.5)


def _drawn(
    specs: Iterable[ChartSpec], rows: Sequence[Mapping[str, Any]], collapse_log_ratio: float | None
) -> list[Chart]:
    charts = (_chart(spec, rows, collapse_log_ratio) for spec in specs)
    return [chart for chart in charts if chart is not None]


def _chart(
    spec: ChartSpec, rows: Sequence[Mapping[str, Any]], collapse_log_ratio: float | None
) -> Chart | None:
    """The chart of a spec, or None when no row has any of its keys."""
    keys = keys_of(spec, {key for row in rows for key in row})
    points = thinned(points_of(rows, keys))
    if not points:
        return None
    drops_zeros = spec.stacked or spec.only_above_zero
    columns = zip(*(values for _, values in points), strict=True)
    series = [
        Series(key, list(column))
        for key, column in zip(keys, columns, strict=True)
        if any(value is not None for value in column) and not (drops_zeros and not any(column))
    ]
    if not series:
        return None
    about_ratio = "log_ratio/chosen" in spec.keys
    return Chart(
        spec.title,
        spec.unit,
        spec.explanation,
        [step for step, _ in points],
        series,
        collapse_log_ratio if about_ratio else None,
        "; ".join(_in_words(line, spec.unit) for line in series),
        spec.stacked,
    )


def keys_of(spec: ChartSpec, present: Collection[str]) -> list[str]:
    """The spec's keys, with those that are present in the place of a `/*`."""
    found: list[str] = []
    for key in spec.keys:
        stem = key.removesuffix("*")
        found += [key] if stem == key else sorted(k for k in present if k.startswith(stem))
    return found


Point = tuple[float, list[float | None]]


def points_of(rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[Point]:
    """(step, the value of each key) of the rows that have any of them."""
    points = [
        (step, [finite(row.get(key)) for key in keys])
        for row in rows
        if (step := finite(row.get("step"))) is not None
    ]
    return [point for point in points if any(value is not None for value in point[1])]


def thinned(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` points, neighbours averaged; the step is the group's last."""
    size = -(-len(points) // limit)
    groups = [points[start : start + size] for start in range(0, len(points), size or 1)]
    return [(group[-1][0], _means([values for _, values in group])) for group in groups]


def last_mean(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The mean of a metric over the last `LAST_STEPS` rows that have it; None where none has."""
    values = [value for row in rows if (value := finite(row.get(key))) is not None]
    last = values[-LAST_STEPS:]
    return math.fsum(last) / len(last) if last else None


def _means(rows: Sequence[list[float | None]]) -> list[float | None]:
    return [
        _mean([value for value in column if value is not None])
        for column in zip(*rows, strict=True)
    ]


def _mean(values: list[float]) -> float | None:
    """Rounded to the digits a chart can show, so that a page is not mostly digits."""
    if not values:
        return None
    return float(f"{sum(values) / len(values):.{SIGNIFICANT_DIGITS}g}")


def _in_words(line: Series, unit: str) -> str:
    values = [value for value in line.values if value is not None]
    first, last = format_value(values[0], unit), format_value(values[-1], unit)
    lowest, highest = format_value(min(values), unit), format_value(max(values), unit)
    return f"{line.key}: {first} at first, {last} at last, between {lowest} and {highest}"


def format_value(value: float, unit: str) -> str:
    """A value as the chart's axis writes it."""
    if unit == "percent":
        return f"{100 * value:.1f}%"
    return f"{value:.2e}" if unit == "tiny" and value else f"{value:.4g}"
