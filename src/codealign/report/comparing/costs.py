"""What each method cost and where its policy went: rows of texts, empty where unknown, means over seeds."""

from __future__ import annotations

from typing import NamedTuple

from codealign.report.comparing.data import ComparisonData, Method
from codealign.report.comparing.findings import num_warnings
from codealign.report.numbers import duration, signed


class CostRow(NamedTuple):
    """One method's cost a run."""

    method: str
    sampled: str
    sampled_tokens: str
    pairs: str
    steps: str
    trained_tokens: str
    time: str


class MovementRow(NamedTuple):
    """How far one method's policy went: changes of log-likelihood in nats, and warnings of all seeds."""

    method: str
    chosen: str
    rejected: str
    solution_nll: str
    warnings: str


COST_TITLES = (
    "method",
    "completions drawn",
    "tokens drawn",
    "pairs",
    "steps",
    "tokens trained on",
    "time to align",
)
MOVEMENT_TITLES = ("method", "chosen", "rejected", "solution NLL", "warnings")


def cost_rows(data: ComparisonData) -> list[CostRow]:
    return [
        CostRow(
            name,
            _whole(method, "num_sampled"),
            _whole(method, "num_sampled_tokens"),
            _whole(method, "num_pairs"),
            _whole(method, "num_steps"),
            _whole(method, "num_tokens"),
            "" if (seconds := method.mean("seconds")) is None else duration(seconds),
        )
        for name, method in data.methods.items()
    ]


def movement_rows(data: ComparisonData) -> list[MovementRow]:
    return [
        MovementRow(
            name,
            _change(method, "log_ratio_chosen", 2),
            _change(method, "log_ratio_rejected", 2),
            _change(method, "solution_nll_change", 4),
            str(num_warnings(method) or ""),
        )
        for name, method in data.methods.items()
    ]


def _whole(method: Method, fact: str) -> str:
    mean = method.mean(fact)
    return "" if mean is None else f"{mean:,.0f}"


def _change(method: Method, fact: str, digits: int) -> str:
    mean = method.mean(fact)
    return "" if mean is None else signed(mean, digits)
