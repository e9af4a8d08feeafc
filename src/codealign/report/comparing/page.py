"""The page of a comparison. It has no script: its charts are drawn by style sheets and as SVG."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from codealign.report.comparing import costs, findings
from codealign.report.comparing.data import ComparisonData
from codealign.report.comparing.dots import dot_charts
from codealign.report.comparing.panels import HEIGHT, WIDTH, multiples
from codealign.report.html import render_page, template_text, write_page


def render_comparison_page(data: ComparisonData) -> str:
    """The whole page as text."""
    return render_page(
        "comparison.html.j2",
        styles=[template_text("panels.css"), template_text("report.css")],
        scripts=[],
        data=data,
        headlines=findings.headlines(data),
        meaning=findings.meaning(data),
        notices=findings.notices(data),
        gain_charts=dot_charts(data, "gain"),
        difference_charts=dot_charts(data, "difference"),
        multiples=multiples(data),
        panel_size=(WIDTH, HEIGHT),
        cost_titles=costs.COST_TITLES,
        movement_titles=costs.MOVEMENT_TITLES,
        cost_rows=costs.cost_rows(data),
        movement_rows=costs.movement_rows(data),
        report_of=report_link,
    )


def report_link(method: str, seed: int) -> str:
    """A run's own report, from where the comparison's page lies."""
    return f"{quote(method)}/seed-{seed}/report.html"


def write_comparison_page(data: ComparisonData, path: Path) -> None:
    """Write the page atomically.

    Raises:
        StorageError: the file can't be written.
    """
    write_page(render_comparison_page(data), path)
