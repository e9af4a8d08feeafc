"""Dot-and-interval charts of a comparison: a row for each method, its seeds as small dots.

Places are percent of the chart's width, so that a chart is as wide as its page. Greedy and sampled charts of one
quantity share an axis.
"""

from __future__ import annotations

from typing import NamedTuple

from codealign.report.axes import Axis, axis_over
from codealign.report.comparing.data import ComparisonData, Method
from codealign.report.comparing.findings import Quantity, change_of
from codealign.report.data import score_label
from codealign.report.findings import Tone, tone_of
from codealign.report.numbers import listed, points, points_interval


class DotRow(NamedTuple):
    """One method: the dot, the two ends of its interval, its seeds; all in percent of the width."""

    method: str
    tone: Tone
    dot: float
    low: float
    high: float
    seeds: list[float]
    words: str


class DotChart(NamedTuple):
    """One score's chart of a quantity; `ticks` are (percent, label)."""

    title: str
    rows: list[DotRow]
    ticks: list[tuple[float, str]]
    zero: float
    summary: str


def dot_charts(data: ComparisonData, quantity: Quantity) -> list[DotChart]:
    """A chart for each headline score; none where no method has the quantity."""
    values = [
        value
        for score in data.headline_scores
        for method in data.methods.values()
        for value in _values(method, score, quantity)
    ]
    if not values:
        return []
    axis = axis_over([0.0, *values])
    return [_chart(data, score, quantity, axis) for score in data.headline_scores]


def _values(method: Method, score: str, quantity: Quantity) -> list[float]:
    """Every value of the quantity that is drawn, in points."""
    change = change_of(method, score, quantity)
    if change is None:
        return []
    ends = change.interval or ()
    return [100 * value for value in (change.value, *ends, *_seeds(method, score, quantity))]


def _seeds(method: Method, score: str, quantity: Quantity) -> list[float]:
    found = [run.scores[score] for run in method.seeds.values() if score in run.scores]
    return [value for each in found if (value := getattr(each, quantity)) is not None]


def _chart(data: ComparisonData, score: str, quantity: Quantity, axis: Axis) -> DotChart:
    rows = [
        _row(name, method, score, quantity, axis)
        for name, method in data.methods.items()
        if change_of(method, score, quantity) is not None
    ]
    return DotChart(
        title=score_label(score).capitalize(),
        rows=rows,
        ticks=[(_percent(axis, tick), axis.label(tick)) for tick in axis.ticks],
        zero=_percent(axis, 0.0),
        summary="; ".join(row.words for row in rows),
    )


def _row(name: str, method: Method, score: str, quantity: Quantity, axis: Axis) -> DotRow:
    change = change_of(method, score, quantity)
    assert change is not None
    low, high = change.interval or (change.value, change.value)
    seeds = _seeds(method, score, quantity)
    words = f"{name} {points(change.value)} points"
    if change.interval:
        words += f", interval {points_interval(change)}"
    if seeds:
        words += f", seeds {listed([points(value) for value in seeds])}"
    return DotRow(
        name,
        tone_of(change),
        _percent(axis, 100 * change.value),
        _percent(axis, 100 * low),
        _percent(axis, 100 * high),
        [_percent(axis, 100 * value) for value in seeds],
        words,
    )


def _percent(axis: Axis, value: float) -> float:
    return round(100 * axis.place(value), 2)
