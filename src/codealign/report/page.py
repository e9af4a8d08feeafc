"""The page of one run: its sections, and the libraries and scripts that draw them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from codealign.report import (
    breakdown,
    browser,
    credit,
    curves,
    facts,
    findings,
    movement,
    rollouts,
    weights,
)
from codealign.report.data import ReportData
from codealign.report.html import render_page, template_text, write_page
from codealign.report.vendored import libraries, vendored_text

SCRIPT_NAMES = ("charts.js", "pairs.js")


class Missing(NamedTuple):
    """A section that this page has no data for, and what would give it."""

    section: str
    cure: str


def render_report(data: ReportData) -> str:
    """The whole page as text.

    Raises:
        DataError: the summary has another shape than `codealign run --json` prints.
    """
    return render_page(
        "report.html.j2",
        styles=[vendored_text("uplot", "uPlot.min.css"), template_text("report.css")],
        scripts=_scripts(),
        data=data,
        libraries=libraries(),
        **_sections(data),
    )


def write_report(data: ReportData, path: Path) -> None:
    """Write the page atomically.

    Raises:
        DataError: as `render_report`.
        StorageError: the file can't be written.
    """
    write_page(render_report(data), path)


def _sections(data: ReportData) -> dict[str, Any]:
    """What each section of the page draws, by the name the templates know it by."""
    collapse = data.section("train").get("collapse_log_ratio")
    of_rollouts = rollouts.rollouts(data)
    sections: dict[str, Any] = {
        "headlines": findings.headlines(data),
        "meaning": findings.meaning(data),
        "notices": findings.warnings_first(
            [*findings.notices(data), *rollouts.rollout_notices(data)]
        ),
        "score_names": findings.score_names(data),
        "breakdown": breakdown.breakdown(data),
        "rollouts": of_rollouts,
        "rollout_lines": rollouts.lines(of_rollouts) if of_rollouts else [],
        "movement": movement.movement(data),
        "spread": movement.spread(data),
        "curves": curves.curves(data.metrics, collapse),
        "credit": credit.credit(data),
        "weights": weights.token_weights(data.pairs),
        "browser": browser.pair_browser(data.pairs),
        "reason_groups": browser.reason_groups(data.pair_reasons),
        "facts": facts.facts(data),
        "stage_rows": facts.stage_rows(data),
        "config_text": facts.config_text(data),
    }
    return sections | {"missing": _missing(data, sections)}


def _missing(data: ReportData, sections: dict[str, Any]) -> list[Missing]:
    candidates = [
        (data.base.is_empty, Missing("The base model's scores", "codealign eval, before training")),
        (
            data.aligned.is_empty,
            Missing("The aligned model's scores", "codealign train, then eval"),
        ),
        (not sections["breakdown"].bars, Missing("Verdicts by outcome", "codealign judge")),
        (not sections["curves"].charts, Missing("Learning curves", "codealign train")),
        (
            sections["movement"] is None,
            Missing("Pass rates before and after", "verdicts of both models, from codealign eval"),
        ),
        (
            sections["browser"] is None and not data.is_online,
            Missing("Pairs", "codealign pairs"),
        ),
        (not data.stages, Missing("Time and tokens", "codealign run")),
    ]
    return [missing for absent, missing in candidates if absent]


def _scripts() -> list[str]:
    """The scripts of the page in the order they run."""
    return [
        vendored_text("uplot", "uPlot.iife.min.js"),
        vendored_text("jsdiff", "diff.min.js"),
        *(template_text(name) for name in SCRIPT_NAMES),
    ]
