"""What a comparison is shown from: the object of comparison.json, and the rows of each run's metrics.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from codealign.report.data import SCORE_NAME, Gain, Part, parsed, score_order

Rows = Sequence[Mapping[str, Any]]


class Scored(Part):
    """A part whose scores are among its other keys, by name; here they are in `scores`."""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        scores = {name: value for name, value in given.items() if SCORE_NAME.fullmatch(name)}
        return {"scores": scores, **{name: given[name] for name in given if name not in scores}}


class SeedScore(Part):
    """One seed's score before and after, its gain over the base policy, its difference to the baseline method."""

    base: float
    aligned: float
    gain: float
    difference: float | None = None


class SeedRun(Scored):
    """One run of a method: what it cost, where its policy went. Log-ratios and likelihoods are nats."""

    num_sampled: int | None = None
    """Completions drawn to learn from, continuations of states included."""
    num_sampled_tokens: int | None = None
    num_pairs: int | None = None
    num_steps: int | None = None
    num_tokens: int | None = None
    seconds: float | None = None
    """From the first completion drawn to the aligned weights."""
    log_ratio_chosen: float | None = None
    log_ratio_rejected: float | None = None
    solution_nll_change: float | None = None
    warnings: list[str] = Field(default_factory=list)
    scores: dict[str, SeedScore] = Field(default_factory=dict)


class Change(Gain):
    """A method minus the base policy, or minus the baseline over the seeds that both have."""

    num_problems: int = 0
    seeds: list[int] = Field(default_factory=list)


class MethodScore(Part):
    """A method's score, the mean over its seeds; `difference` is None for the baseline itself."""

    base: float
    aligned: float
    gain: Change
    difference: Change | None = None


class Method(Scored):
    """What the seeds of a method came to."""

    seeds: dict[int, SeedRun]
    scores: dict[str, MethodScore] = Field(default_factory=dict)

    def mean(self, fact: str) -> float | None:
        """The mean over seeds of one of `SeedRun`'s numbers; None where no seed has it."""
        values = [v for run in self.seeds.values() if (v := getattr(run, fact)) is not None]
        return sum(values) / len(values) if values else None


class ComparisonData(Part):
    """All that a comparison's page shows. `rows` has metrics by method and seed; none for the terminal's tables."""

    name: str
    baseline: str
    seeds: list[int]
    confidence: float
    metrics: dict[str, int]
    methods: dict[str, Method]
    missing: list[str] = Field(default_factory=list)
    rows: dict[str, dict[int, Rows]] = Field(default_factory=dict)

    @property
    def score_names(self) -> list[str]:
        """Every score, greedy first, then by k."""
        return sorted(self.metrics, key=score_order)

    @property
    def headline_scores(self) -> list[str]:
        """The greedy score and the first sampled one: what is drawn and spoken of."""
        return self.score_names[:2]

    @property
    def rivals(self) -> list[str]:
        """The methods that have a difference to the baseline."""
        return [
            name
            for name, method in self.methods.items()
            if any(score.difference is not None for score in method.scores.values())
        ]

    @property
    def interval_name(self) -> str:
        return f"{100 * self.confidence:g}% interval"

    @property
    def num_problems(self) -> int:
        """Held-out problems behind the first score."""
        scores = (method.scores.get(self.headline_scores[0]) for method in self.methods.values())
        return max((score.gain.num_problems for score in scores if score), default=0)

    def has_curves(self, method: str) -> bool:
        return any(self.rows.get(method, {}).values())


def comparison_data(
    summary: Mapping[str, Any], rows: Mapping[str, Mapping[int, Rows]] | None = None
) -> ComparisonData:
    """The object of `codealign compare --json`, and metrics by method and seed.

    Raises:
        DataError: the object has another shape.
    """
    given = {**summary, "rows": rows or {}}
    return parsed(ComparisonData, given, "comparison", made_by="codealign compare --json")
