"""The tables that `codealign compare` ends with, for a terminal of any width from 60 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codealign.report.comparing.costs import (
    COST_TITLES,
    MOVEMENT_TITLES,
    cost_rows,
    movement_rows,
)
from codealign.report.comparing.data import ComparisonData
from codealign.report.comparing.findings import many_comparisons, notices, scope
from codealign.report.data import Gain, score_label
from codealign.report.findings import tone_of
from codealign.report.numbers import percent, points, points_interval
from codealign.report.terminal import TONE_STYLES


def render_comparison(data: ComparisonData) -> Group:
    """A table for each headline score, what each method cost and how far it went, and what to beware of."""
    parts: list[RenderableType] = [
        *(_scores_table(data, score) for score in data.headline_scores),
        _texts_table("Cost of a run, mean of seeds", COST_TITLES, cost_rows(data)),
        _texts_table(
            "Log-ratios at the end and held-out solutions, in nats",
            MOVEMENT_TITLES,
            movement_rows(data),
        ),
        *(
            Text(sentence, style="dim")
            for sentence in (scope(data), many_comparisons(data))
            if sentence
        ),
        *(Text(f"{each.severity}: {each.text}", style="bold yellow") for each in notices(data)),
    ]
    return Group(*parts)


def _scores_table(data: ComparisonData, score: str) -> Table:
    against = len(data.rivals) > 0
    table = _table(
        f"{score_label(score).capitalize()} and changes in points, {data.interval_name}s"
    )
    table.add_column("method", overflow="fold")
    table.add_column("aligned", justify="right", no_wrap=True)
    for title in ["gain", *([f"minus {data.baseline}"] if against else [])]:
        table.add_column(title, justify="right", overflow="fold", min_width=5)
        table.add_column("interval", justify="right", overflow="fold", min_width=8)
    for name, method in data.methods.items():
        if found := method.scores.get(score):
            cells = [percent(found.aligned), *_change_cells(found.gain)]
            table.add_row(name, *cells, *(_change_cells(found.difference) if against else []))
    return table


def _change_cells(change: Gain | None) -> list[RenderableType]:
    if change is None:
        return ["", ""]
    value = Text(points(change.value), f"bold {TONE_STYLES[tone_of(change)]}".strip())
    return [value, Text(points_interval(change), "dim")]


def _texts_table(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = _table(title)
    for number, name in enumerate(titles):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
