"""A comparison of methods as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codealign.report.data import score_label

SHOWN_METRICS = ("greedy_pass@1", "pass@1")


def render_comparison(summary: Mapping[str, Any]) -> Group:
    """Scores and differences by method, then what each cost and where its policy went.

    Args:
        summary: the object of `codealign compare --json`.
    """
    parts: list[RenderableType] = [_scores(summary), _costs(summary)]
    if summary["missing"]:
        parts.append(Text(f"not done: {', '.join(summary['missing'])}", style="bold yellow"))
    return Group(*parts)


def _scores(summary: Mapping[str, Any]) -> Table:
    confidence, baseline = f"{summary['confidence']:.0%}", summary["baseline"]
    table = Table(title=f"Held-out scores, mean of seeds {summary['seeds']}", title_justify="left")
    table.add_column("method")
    for metric in SHOWN_METRICS:
        table.add_column(f"{score_label(metric)}\nbase → aligned, %", justify="right")
        table.add_column(f"gain, points\n[{confidence} interval]", justify="right")
        table.add_column(f"minus {baseline}\n[{confidence} interval]", justify="right")
    for method, result in summary["methods"].items():
        cells = []
        for metric in SHOWN_METRICS:
            found = result[metric]
            cells += [
                f"{100 * found['base']:.1f} → {100 * found['aligned']:.1f}",
                _points(found["gain"]),
                _points(found["difference"]) if "difference" in found else "",
            ]
        table.add_row(method, *cells)
    return table


def _points(gain: Mapping[str, float]) -> str:
    return f"{100 * gain['value']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]"


def _costs(summary: Mapping[str, Any]) -> Table:
    table = Table(title="Cost and movement, mean of seeds", title_justify="left")
    for name in (
        "method",
        "pairs",
        "steps",
        "tokens",
        "training, s",
        "log-ratio chosen",
        "log-ratio rejected",
        "solution NLL",
        "warnings",
    ):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method, result in summary["methods"].items():
        seeds = list(result["seeds"].values())
        table.add_row(
            method,
            _mean(seeds, "num_pairs", ".0f"),
            _mean(seeds, "num_steps", ".0f"),
            _mean(seeds, "num_tokens", ",.0f"),
            _mean(seeds, "train_seconds", ".0f"),
            _mean(seeds, "log_ratio_chosen", "+.2f"),
            _mean(seeds, "log_ratio_rejected", "+.2f"),
            _mean(seeds, "solution_nll_change", "+.4f"),
            str(sum(len(seed["warnings"]) for seed in seeds) or ""),
        )
    return table


def _mean(seeds: list[Mapping[str, Any]], name: str, form: str) -> str:
    values = [seed[name] for seed in seeds if seed.get(name) is not None]
    return f"{sum(values) / len(values):{form}}" if values else ""
