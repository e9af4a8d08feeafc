"""How well values of states are known: what `codealign credit` measured, as charts drawn here and as tables.

Not promised: every state. A scatter has at most `MAX_POINTS` of them, taken evenly; credit/states.jsonl has all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from codealign.report.axes import Axis, axis_over
from codealign.report.data import ReportData
from codealign.report.numbers import EN_DASH, MINUS, count, signed

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_POINTS = 400
WIDTH, HEIGHT = 460, 240
SIDE = 200
"""Of a scatter."""
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 34


class Tick(NamedTuple):
    """A number at an axis, at its place in the chart's units."""

    place: float
    label: str


class Line(NamedTuple):
    """One method over the places of a completion: its points as a path, its intervals as an area."""

    method: str
    name: str
    path: str
    area: str
    dots: list[tuple[float, float]]


class LineChart(NamedTuple):
    title: str
    about: str
    lines: list[Line]
    noise: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    summary: str


class Scatter(NamedTuple):
    """A method's estimates over the truth, and the line on which they would be the same."""

    method: str
    name: str
    points: list[tuple[float, float]]
    diagonal: tuple[float, float, float, float]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    summary: str


class Row(NamedTuple):
    """A method's numbers as texts, empty where unknown; (text, interval) where there is one."""

    method: str
    name: str
    mae: tuple[str, str]
    bias: tuple[str, str]
    rmse: tuple[str, str]
    explained: tuple[str, str]
    pairwise: tuple[str, str]
    clear: tuple[str, str]
    top: tuple[str, str]
    variance: str
    cosine: str


class Credit(NamedTuple):
    """The section of the page."""

    sentences: list[str]
    charts: list[LineChart]
    scatters: list[Scatter]
    rows: list[Row]
    size: tuple[int, int]
    side: int
    notes: list[str]


def name_of(method: str) -> str:
    """A method in words."""
    if method.startswith("vine_"):
        return f"VinePPO, K = {method.removeprefix('vine_')}"
    return {"critic": "PPO's critic", "group_mean": "Group mean", "truth": "The truth"}.get(
        method, method
    )


def credit(data: ReportData) -> Credit | None:
    """None where nothing was measured."""
    summary = data.credit
    if not summary:
        return None
    return Credit(
        sentences(summary),
        charts(summary),
        scatters(summary, data.credit_states),
        rows(summary),
        (WIDTH, HEIGHT),
        SIDE,
        notes(summary),
    )


# ---------------------------------------------------------------- words


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """What was found, the largest error first."""
    errors, settings = summary["errors"], summary["settings"]
    methods = sorted(errors["methods"].items(), key=lambda item: -(item[1]["mae"]["value"] or 0))
    found = [
        f"{name_of(name)} is off by {' ('.join(filter(None, _interval(each['mae'])))}"
        + (")" if _interval(each["mae"])[1] else "")
        for name, each in methods
        if each["mae"]["value"] is not None
    ]
    return [
        f"{count(errors['num_states'], 'state')} of {count(errors['num_problems'], 'problem')}, "
        f"{count(settings['num_truth'], 'continuation')} each for the truth, others for the estimates. "
        f"States are worth {errors['mean_truth']:.2f} on average, with a standard deviation of {errors['std_truth']:.2f}.",
        "On average " + "; ".join(found) + ". "
        f"The truth has noise of its own: a perfect value would be off by {errors['noise']['mae']:.3f}.",
    ]


def notes(summary: Mapping[str, Any]) -> list[str]:
    """What the numbers of the table are measured against."""
    found = []
    ranking, gradients = summary["ranking"], summary["gradients"]
    if ranking is None:
        found.append("Ranking: no state had three distinct next steps among those drawn.")
    else:
        pieces = [
            f"Ranking: {count(ranking['num_states'], 'state')} with {count(ranking['num_actions'], 'distinct next step')}.",
            f"The truth orders {_share(ranking['possible'])} of the pairs, which is what nobody can exceed;"
            f" {count(ranking['num_clear'], 'pair')} by two standard errors or more.",
        ]
        if ranking["chance"] is not None:
            pieces.append(
                f"Drawn at random, a step is the best {_share(ranking['chance'])} of times."
            )
        if ranking["repeated"] is not None:
            again = ranking["repeated"]
            pieces.append(
                "One half of the truth's rollouts against the other half: "
                f"{_share(again['pairwise']['value'])} of pairs, best step {_share(again['top']['value'])}."
            )
        found.append(" ".join(pieces))
    if gradients is not None:
        found.append(
            f"Gradients of {gradients['num_batches']:,} batches of {count(gradients['batch_size'], 'episode')} out of "
            f"{gradients['num_episodes']:,}: variance over that with true values, and cosine of the mean to that with true "
            "values."
        )
    return found


def rows(summary: Mapping[str, Any]) -> list[Row]:
    ranking = (summary["ranking"] or {}).get("methods", {})
    gradients = (summary["gradients"] or {}).get("methods", {})
    found = []
    for method, each in summary["errors"]["methods"].items():
        ranked, moved = ranking.get(method, {}), gradients.get(method, {})
        found.append(
            Row(
                method,
                name_of(method),
                _interval(each["mae"]),
                _interval(each["bias"], signed_values=True),
                _interval(each["rmse"]),
                _interval(each["explained_variance"], digits=2),
                _percent(ranked.get("pairwise")),
                _percent(ranked.get("clear")),
                _percent(ranked.get("top")),
                _number(moved.get("relative")),
                _number(moved.get("cosine")),
            )
        )
    return found


def _interval(
    given: Mapping[str, float | None], digits: int = 3, *, signed_values: bool = False
) -> tuple[str, str]:
    value, low, high = (given[name] for name in ("value", "low", "high"))
    if value is None:
        return "", ""

    def text(number: float) -> str:
        return (
            signed(number, digits)
            if signed_values
            else f"{round(number, digits) + 0.0:.{digits}f}".replace("-", MINUS)
        )

    if low is None or high is None:
        return text(value), ""
    between = EN_DASH if low >= 0 and not signed_values else " to "
    return text(value), f"{text(low)}{between}{text(high)}"


def _percent(given: Mapping[str, float | None] | None) -> tuple[str, str]:
    if given is None or given["value"] is None:
        return "", ""
    if given["low"] is None or given["high"] is None:
        return _share(given["value"]), ""
    return _share(given["value"]), f"{100 * given['low']:.0f}{EN_DASH}{_share(given['high'])}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}%"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


# ---------------------------------------------------------------- charts


def charts(summary: Mapping[str, Any]) -> list[LineChart]:
    """The mean absolute error over the places of a completion, by fifths and by steps."""
    errors = summary["errors"]
    specs = [
        ("By position", "fifths of the completion's steps", errors["by_position"]),
        ("By step", "steps before the state; 0 is the prompt", errors["by_step"]),
    ]
    return [_chart(title, about, groups) for title, about, groups in specs if len(groups) > 1]


def _chart(title: str, about: str, groups: Sequence[Mapping[str, Any]]) -> LineChart:
    ends = [i[end] for group in groups for i in group["mae"].values() for end in ("value", "high")]
    highs = [end for end in ends if end is not None]
    x = Axis(-0.3, len(groups) - 0.7, ())
    y = axis_over([0.0, *highs], num_ticks=5)
    y = y._replace(low=0.0, ticks=tuple(tick for tick in y.ticks if tick >= 0))
    lines = [_line(method, groups, x, y) for method in groups[0]["mae"]]
    noise = [(float(number), group["noise"]) for number, group in enumerate(groups)]
    return LineChart(
        title,
        about,
        lines,
        _path(noise, x, y),
        [Tick(_across(x, n, WIDTH), group["name"]) for n, group in enumerate(groups)],
        [Tick(_up(y, tick, HEIGHT), y.label(tick)) for tick in y.ticks],
        "; ".join(
            f"{name_of(method)} "
            + ", ".join(f"{g['name']}: {_number(g['mae'][method]['value'])}" for g in groups)
            for method in groups[0]["mae"]
        ),
    )


def _line(method: str, groups: Sequence[Mapping[str, Any]], x: Axis, y: Axis) -> Line:
    found = [(float(n), group["mae"][method]) for n, group in enumerate(groups)]
    found = [(at, each) for at, each in found if each["value"] is not None]
    banded = [(at, each) for at, each in found if each["high"] is not None]
    upper = [(at, each["high"]) for at, each in banded]
    lower = [(at, each["low"]) for at, each in reversed(banded)]
    means = [(at, each["value"]) for at, each in found]
    area = _path([*upper, *lower], x, y)
    return Line(
        method,
        name_of(method),
        _path(means, x, y),
        f"{area}Z" if area else "",
        [(_across(x, at, WIDTH), _up(y, value, HEIGHT)) for at, value in means],
    )


def scatters(summary: Mapping[str, Any], states: Sequence[Mapping[str, Any]]) -> list[Scatter]:
    """One for each method, on one pair of axes."""
    step = -(-len(states) // MAX_POINTS) or 1
    shown = states[::step]
    methods = list(summary["errors"]["methods"])
    values = [
        value
        for row in shown
        for value in (row["truth"], *row["estimates"].values())
        if value is not None
    ]
    if not values:
        return []
    axis = axis_over([0.0, *values], num_ticks=4)
    return [_scatter(method, shown, axis, summary) for method in methods]


def _scatter(
    method: str, shown: Sequence[Mapping[str, Any]], axis: Axis, summary: Mapping[str, Any]
) -> Scatter:
    points = [
        (_across(axis, row["truth"], SIDE), _up(axis, row["estimates"][method], SIDE))
        for row in shown
        if row["estimates"].get(method) is not None
    ]
    correlation = summary["errors"]["methods"][method]["correlation"]["value"]
    ends = (axis.low, axis.high)
    (x1, x2), (y1, y2) = (
        tuple(_across(axis, end, SIDE) for end in ends),
        tuple(_up(axis, end, SIDE) for end in ends),
    )
    words = "" if correlation is None else f"correlation {correlation:.2f}".replace("-", MINUS)
    return Scatter(
        method,
        name_of(method),
        points,
        (x1, y1, x2, y2),
        [Tick(_across(axis, tick, SIDE), axis.label(tick)) for tick in axis.ticks],
        [Tick(_up(axis, tick, SIDE), axis.label(tick)) for tick in axis.ticks],
        words,
    )


def _across(axis: Axis, value: float, width: int) -> float:
    return round(LEFT + axis.place(value) * (width - LEFT - RIGHT), 1)


def _up(axis: Axis, value: float, height: int) -> float:
    return round(TOP + (1 - axis.place(value)) * (height - TOP - BOTTOM), 1)


def _path(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    places = (f"{_across(x, at, WIDTH)} {_up(y, value, HEIGHT)}" for at, value in points)
    return f"M{'L'.join(places)}" if points else ""


# ---------------------------------------------------------------- terminal


def render_credit(summary: Mapping[str, Any]) -> RenderableType:
    """The object of `codealign credit --json` as a table."""
    from rich.console import Group
    from rich.text import Text

    found = rows(summary)
    values = _table(
        ("values from", "MAE", "bias", "RMSE", "explained variance"),
        [(row.name, *map(_cell, (row.mae, row.bias, row.rmse, row.explained))) for row in found],
    )
    uses = _table(
        ("", "pairs", "clear pairs", "best step", "gradient variance", "cosine"),
        [
            (
                row.name,
                *map(_cell, (row.pairwise, row.clear, row.top)),
                row.variance or "–",
                row.cosine or "–",
            )
            for row in found
        ],
    )
    before, after = (map(Text, words) for words in (sentences(summary), notes(summary)))
    return Group(*before, Text(), values, uses, *after)


def _cell(given: tuple[str, str]) -> str:
    return "\n".join(given) if given[0] else "–"


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left", no_wrap=True)
    for line in lines:
        table.add_row(*map(Text, line))
    return table
