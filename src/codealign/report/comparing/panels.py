"""Curves of many methods as small multiples: a panel for each, drawn here as SVG paths.

A panel has the mean over seeds as a strong line, each seed as a thin one, and the baseline's mean in grey. The same
panels are in the page and in the picture that stands alone. A seed that was left out of a step, because it had fewer
of them, leaves no mean there.

Not promised: the value at a step. Lines are thinned to `MAX_POINTS` by averaging neighbours; metrics.jsonl has all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from codealign.errors import InputError
from codealign.report.axes import Axis, axis_over
from codealign.report.comparing.data import ComparisonData, Rows
from codealign.report.curves import CHARTS, ChartSpec, format_value, points_of, thinned
from codealign.report.html import render_template, template_text, write_page
from codealign.report.numbers import count

MAX_POINTS = 60
WIDTH, HEIGHT = 260, 150
"""Of a panel, in its own units; the page scales it."""
LEFT, RIGHT, TOP, BOTTOM = 44, 6, 6, 20
"""Room around the lines for the axes' numbers."""

DRAWN = ChartSpec(
    "Completions drawn that passed",
    ("exec/passed",),
    "percent",
    "Share of an iteration's, drawn before anything was learnt from them.",
)
"""Of methods that train on rollouts, whose rewards may be of different scales."""
SHARED = ("log_ratio/chosen", "eval_pass@1", *DRAWN.keys)
"""First keys of the charts that mean the same under every objective: their panels share one axis."""
SHOWN = (*SHARED, "rewards/margins", "loss")
PICTURE_COLUMNS = 3

Curve = list[tuple[float, float]]


class Line(NamedTuple):
    """One line of a panel as an SVG path; `role` is mean, seed or baseline, `side` chosen, rejected or single."""

    role: str
    side: str
    path: str


class Tick(NamedTuple):
    """A number at an axis, at its place in the panel's units."""

    place: float
    label: str


class Panel(NamedTuple):
    """One method's lines, drawn in order, and its axes. `summary` says in words what they do."""

    method: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    summary: str


class Multiples(NamedTuple):
    """The panels of one quantity, and of the same with an axis for each method where one was shared."""

    spec: ChartSpec
    is_shared: bool
    panels: list[Panel]
    own_panels: list[Panel]
    without: list[str]


class _Curves(NamedTuple):
    """A method's curves of one key: the mean over seeds and each seed's own."""

    key: str
    mean: Curve
    seeds: list[Curve]


def multiples(data: ComparisonData) -> list[Multiples]:
    """Panels of the quantities that any run has logged."""
    specs = {spec.keys[0]: spec for spec in (*CHARTS, DRAWN)}
    return [found for key in SHOWN if (found := _multiples(data, specs[key])).panels]


def _multiples(data: ComparisonData, spec: ChartSpec) -> Multiples:
    drawn = {name: _curves_of(data.rows.get(name, {}), spec) for name in data.methods}
    drawn = {name: curves for name, curves in drawn.items() if curves}
    is_shared = spec.keys[0] in SHARED
    baseline = drawn.get(data.baseline, []) if is_shared else []
    everything = [curve for curves in drawn.values() for curve in curves]
    own = [_panel(name, curves, [], curves, spec.unit) for name, curves in drawn.items()]
    shared = [
        _panel(name, curves, baseline if name != data.baseline else [], everything, spec.unit)
        for name, curves in drawn.items()
    ]
    return Multiples(
        spec,
        is_shared,
        shared if is_shared else own,
        own if is_shared and len(own) > 1 else [],
        [name for name in data.methods if name not in drawn],
    )


def _curves_of(seeds: dict[int, Rows], spec: ChartSpec) -> list[_Curves]:
    found = []
    for key in spec.keys:
        each = [curve for rows in seeds.values() if (curve := _curve(rows, key))]
        if each:
            found.append(_Curves(key, _thin(_mean_curve(each)), [_thin(curve) for curve in each]))
    return found


def _curve(rows: Rows, key: str) -> Curve:
    return [(step, values[0]) for step, values in points_of(rows, [key]) if values[0] is not None]


def _mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean at the steps that every curve has."""
    by_step = [dict(curve) for curve in curves]
    shared = [step for step, _ in curves[0] if all(step in values for values in by_step)]
    return [(step, math.fsum(v[step] for v in by_step) / len(by_step)) for step in shared]


def _thin(curve: Curve) -> Curve:
    points = thinned([(step, [value]) for step, value in curve], MAX_POINTS)
    return [(step, value) for step, (value,) in points if value is not None]


def _panel(
    name: str,
    curves: Sequence[_Curves],
    baseline: Sequence[_Curves],
    over: Sequence[_Curves],
    unit: str,
) -> Panel:
    """A method's panel with axes that have room for the curves of `over`."""
    points = [point for each in over for curve in (each.mean, *each.seeds) for point in curve]
    x = axis_over([0.0, *(step for step, _ in points)], num_ticks=5, room=0)
    y = axis_over([value for _, value in points])
    lines = [Line("baseline", _side(each.key), _path(each.mean, x, y)) for each in baseline]
    lines += [
        Line("seed", _side(each.key), _path(curve, x, y))
        for each in curves
        if len(each.seeds) > 1
        for curve in each.seeds
    ]
    lines += [Line("mean", _side(each.key), _path(each.mean, x, y)) for each in curves]
    return Panel(
        name,
        lines,
        [Tick(round(_across(x, tick), 1), f"{tick:g}") for tick in x.ticks],
        [Tick(round(_up(y, tick), 1), _tick_label(y, tick, unit)) for tick in y.ticks],
        f"{name}: " + "; ".join(_in_words(each, unit) for each in curves),
    )


def _tick_label(axis: Axis, tick: float, unit: str) -> str:
    return f"{100 * tick:.0f}%" if unit == "percent" else axis.label(tick)


def _side(key: str) -> str:
    return next((side for side in ("chosen", "rejected") if key.endswith(f"/{side}")), "single")


def _across(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _up(axis: Axis, value: float) -> float:
    return TOP + (1 - axis.place(value)) * (HEIGHT - TOP - BOTTOM)


def _path(curve: Curve, x: Axis, y: Axis) -> str:
    places = (f"{_across(x, step):.1f} {_up(y, value):.1f}" for step, value in curve)
    return f"M{'L'.join(places)}" if curve else ""


def _in_words(curves: _Curves, unit: str) -> str:
    values = [value for _, value in curves.mean or curves.seeds[0]]
    first, last = (format_value(values[at], unit) for at in (0, -1))
    who = f"mean of {count(len(curves.seeds), 'seed')}" if len(curves.seeds) > 1 else "one seed"
    return f"{curves.key} {first} at first, {last} at last ({who})"


def render_curves_svg(
    data: ComparisonData, methods: Collection[str] = (), *, own_axes: bool = False
) -> str:
    """A picture that stands alone: chosen and rejected log-ratios of every method that has them.

    Args:
        methods: only these, as the comparison lists them; none means all.
        own_axes: an axis for each panel, where one for all would flatten most of them.

    Raises:
        InputError: a method is not in the comparison, or no run logged log-ratios.
    """
    shown = _only(data, methods)
    found = next((each for each in multiples(shown) if each.spec.keys[0] == SHARED[0]), None)
    if found is None:
        raise InputError(
            "no run has log-ratios to draw",
            where=data.name,
            cure="choose methods with a reference (docs/objectives.md)",
        )
    panels = (own_axes and found.own_panels) or found.panels
    has_baseline = any(line.role == "baseline" for panel in panels for line in panel.lines)
    notes = [f"{data.baseline}, in the other panels"] if has_baseline else []
    notes += ["each panel on an axis of its own"] if panels is found.own_panels else []
    light, dark = (_filled(template_text("panels.css"), colours) for colours in _palettes())
    return render_template(
        "curves.svg.j2",
        data=data,
        title=found.spec.title,
        panels=panels,
        has_baseline=has_baseline,
        notes=notes,
        columns=min(PICTURE_COLUMNS, len(panels)),
        panel_size=(WIDTH, HEIGHT),
        light=light,
        dark=dark,
    )


def write_curves_svg(
    data: ComparisonData, path: Path, methods: Collection[str] = (), *, own_axes: bool = False
) -> None:
    """Write the picture atomically.

    Raises:
        InputError: as `render_curves_svg`.
        StorageError: the file can't be written.
    """
    write_page(render_curves_svg(data, methods, own_axes=own_axes), path)


def _only(data: ComparisonData, methods: Collection[str]) -> ComparisonData:
    unknown = [name for name in methods if name not in data.methods]
    if unknown:
        raise InputError(
            f"no method {', '.join(unknown)}",
            where=data.name,
            cure=f"choose among {', '.join(data.methods)}",
        )
    kept = {name: data.methods[name] for name in data.methods if name in methods or not methods}
    return data.model_copy(update={"methods": kept})


def _palettes() -> Iterable[dict[str, str]]:
    """The page's light and dark colours by name: an image is shown where style variables may not be known."""
    light, dark = re.findall(r":root[^{]*\{([^}]*)\}", template_text("report.css"))
    return (dict(re.findall(r"--([\w-]+):\s*([^;]+);", block)) for block in (light, dark))


def _filled(styles: str, colours: dict[str, str]) -> str:
    return re.sub(r"var\(--([\w-]+)\)", lambda found: colours[found[1]], styles)
