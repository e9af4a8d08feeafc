"""The tables that `codealign run` ends with, for a terminal of any width from 60 columns.

The same numbers as the page, without colour where the terminal has none: signs and words carry the meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codealign.report.breakdown import OUTCOME_MEANINGS
from codealign.report.data import Evaluation, Gain, ReportData, score_label
from codealign.report.facts import ISOLATION_MEANINGS, stage_rows
from codealign.report.findings import (
    meaning,
    score_names,
    solution_sentence,
    tone_of,
    training_warnings,
)
from codealign.report.numbers import (
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
)
from codealign.report.rollouts import lines, rollout_notices, rollouts

TONE_STYLES = {"better": "green", "worse": "red", "open": "yellow", "plain": ""}


def render_table(summary: Mapping[str, Any] | ReportData) -> Group:
    """Scores with intervals and paired test, verdicts by outcome, time and tokens per stage.

    Args:
        summary: the object that `codealign run --json` prints, or what a report is made from. Parts that
            are missing are left out.

    Raises:
        DataError: the summary has another shape.
    """
    data = summary if isinstance(summary, ReportData) else ReportData(summary=dict(summary))
    parts: list[RenderableType | None] = [
        _scores_table(data),
        *(Text(f"  {sentence}", style="dim") for sentence in meaning(data)[:1] if data.gain),
        *(Text(f"  {sentence}", style="dim") for sentence in [solution_sentence(data)] if sentence),
        _outcomes_table(data),
        _rollouts_table(data),
        _stages_table(data),
        _pairs_line(data),
        _isolation_line(data),
        *(Text(f"warning: {text}", style="bold yellow") for text in training_warnings(data)),
        *(
            Text(f"{severity}: {text}", style="bold yellow" if severity == "warning" else "")
            for severity, text in rollout_notices(data)
        ),
    ]
    return Group(*(part for part in parts if part is not None))


def _scores_table(data: ReportData) -> Table | None:
    names = score_names(data)
    if not names:
        return None
    table = _table("Held-out scores", f"with {data.interval_name}s")
    table.add_column("score")
    for model in _models(data):
        table.add_column(model, justify="right")
    if data.gain:
        table.add_column("gain, points", justify="right")
        table.add_column("paired test", justify="right")
    for name in names:
        cells: list[RenderableType] = [_score_cell(e, name) for e in _models(data).values()]
        if data.gain:
            cells += _gain_cells(data.gain.get(name))
        table.add_row(score_label(name), *cells)
    return table


def _models(data: ReportData) -> dict[str, Evaluation]:
    both = {"base": data.base, "aligned": data.aligned}
    return {name: evaluation for name, evaluation in both.items() if not evaluation.is_empty}


def _score_cell(evaluation: Evaluation, name: str) -> Text:
    score = evaluation.scores.get(name)
    if score is None:
        return Text("")
    return Text(percent(score.value), "bold") + _interval(percent_interval(score))


def _gain_cells(gain: Gain | None) -> list[RenderableType]:
    if gain is None:
        return ["", ""]
    value = Text(points(gain.value), f"bold {TONE_STYLES[tone_of(gain)]}".strip())
    return [value + _interval(points_interval(gain)), p_value(gain.p)]


def _interval(text: str) -> Text:
    return Text(f"\n{text}" if text else "", style="dim")


def _outcomes_table(data: ReportData) -> Table | None:
    columns = {
        f"{name}, {sampling}": counts
        for sampling in ("greedy", "sampled")
        for name, evaluation in _models(data).items()
        if (counts := evaluation.counts(sampling))
    }
    if not columns:
        return None
    table = _table("Verdicts", "")
    table.add_column("outcome")
    for title in columns:
        table.add_column(title, justify="right")
    for outcome in OUTCOME_MEANINGS:
        if any(outcome in counts for counts in columns.values()):
            table.add_row(outcome, *(_share_text(counts, outcome) for counts in columns.values()))
    return table


def _share_text(counts: Mapping[str, int], outcome: str) -> Text:
    number = counts.get(outcome, 0)
    share = percent(number / sum(counts.values()))
    return Text(f"{number:,}") + Text(f"  {share:>6}", style="dim")


def _rollouts_table(data: ReportData) -> Table | None:
    found = rollouts(data)
    if found is None:
        return None
    over = f"means over {found.mean_of} iterations" if found.mean_of > 1 else "of one iteration"
    table = _table("Rollouts", f"first and last: {over}")
    table.add_column("measure")
    for name in ("first", "last", "lowest", "highest"):
        table.add_column(name, justify="right")
    for line in lines(found):
        table.add_row(*line)
    return table


def _stages_table(data: ReportData) -> Table | None:
    rows = stage_rows(data)
    if not rows:
        return None
    table = _table("Stages", "")
    for name in ("stage", "time", "tokens", "tokens/s"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    table.add_column("what")
    for row in rows:
        if row.name == "total":
            table.add_section()
        table.add_row(*row)
    return table


def _pairs_line(data: ReportData) -> Text | None:
    """How many pairs there were, and why the other problems gave none."""
    pairs = data.summary.get("pairs") or {}
    number, labelled = pairs.get("num_pairs"), pairs.get("num_labelled")
    if number is None and labelled is None:
        return None
    gave = ("paired", "labelled")
    reasons = {k: n for k, n in (pairs.get("reasons") or {}).items() if k not in gave and n}
    without = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
    return Text(
        (
            f"pairs: {number:,}"
            if labelled is None
            else f"labelled completions: {labelled:,}, {pairs.get('num_desirable') or 0:,} desirable"
        )
        + (f"; problems without: {without}" if without else "")
    )


def _isolation_line(data: ReportData) -> Text | None:
    if not data.isolation:
        return None
    return Text(f"isolation {ISOLATION_MEANINGS.get(data.isolation, data.isolation)}")


def _table(title: str, caption: str) -> Table:
    return Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
