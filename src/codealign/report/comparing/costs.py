"""What each method cost and where its policy went: rows of texts, empty where unknown, means over seeds."""

from __future__ import annotations

from typing import NamedTuple

from codealign.report.comparing.data import ComparisonData, Method
from codealign.report.comparing.findings import num_warnings
from codealign.report.numbers import duration, signed


class CostRow(NamedTuple):
    """One method's cost a run."""

    method: str
    pairs: str
    steps: str
    tokens: str
    time: str


class MovementRow(NamedTuple):
    """How far one method's policy went: changes of log-likelihood in nats, and warnings of all seeds."""

    method: str
    chosen: str
    rejected: str
    solution_nll: str
    warnings: str


COST_TITLES = ("method", "pairs", "steps", "tokens", "training")
MOVEMENT_TITLES = ("method", "chosen", "rejected", "solution NLL", "warnings")


def cost_rows(data: ComparisonData) -> list[CostRow]:
    return [
        CostRow(
            name,
            _whole(method, "num_pairs"),
            _whole(method, "num_steps"),
            _whole(method, "num_tokens"),
            "" if (seconds := method.mean("train_seconds")) is None else duration(seconds),
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
