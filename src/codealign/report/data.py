"""What a report is made from: the numbers of a run and the rows behind them.

Every part may be missing; a report then leaves that section out and says so. Scores are fractions, 0 to 1.
The record types are those of `codealign.records`, and their extra columns are used where they are known.

Not promised: that the parts fit together. Whoever fills a `ReportData` answers for its rows being of one run.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from codealign.errors import DataError
from codealign.records import OUTCOMES, Pair, Problem, Verdict, explain_validation

SCORE_NAME = re.compile(r"(greedy_)?pass@\d+")


Sampling = Literal["greedy", "sampled"]


class Part(BaseModel):
    """A frozen part of the report's input; unknown keys survive."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


PartT = TypeVar("PartT", bound=Part)


class Score(Part):
    """A fraction with its confidence interval, when one was computed.

    Also made from a bare number.
    """

    value: float
    low: float | None = None
    high: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, given: Any) -> Any:
        return {"value": given} if isinstance(given, int | float) else given

    @property
    def interval(self) -> tuple[float, float] | None:
        """(low, high), or None when either end is unknown."""
        if self.low is None or self.high is None:
            return None
        return self.low, self.high


class Gain(Score):
    """Aligned minus base, with the p-value of a paired test."""

    p: float | None = None


class StageRecord(Part):
    """Time and tokens of one stage; other counts (`num_pairs`, …) stay as extra columns.

    `left_out` counts by reason what the stage was given and did not use.
    """

    seconds: float = 0.0
    num_tokens: int | None = None
    left_out: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _tokens_by_either_name(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "tokens" in given:
            renamed = {key: value for key, value in given.items() if key != "tokens"}
            return {"num_tokens": given["tokens"], **renamed}
        return given

    @property
    def counts(self) -> dict[str, int]:
        """The other whole numbers of the stage by readable name: `num_pairs` is `pairs`."""
        return {
            key.removeprefix("num_").replace("_", " "): value
            for key, value in (self.model_extra or {}).items()
            if key.startswith("num_") and isinstance(value, int)
        }


class Evaluation(Part):
    """One model's held-out scores and the verdicts behind them.

    `greedy` holds one verdict a problem, `sampled` several. `sampled_outcomes` stands in where the sampled
    verdicts themselves are not at hand.
    """

    scores: dict[str, Score] = Field(default_factory=dict)
    greedy: list[Verdict] = Field(default_factory=list)
    sampled: list[Verdict] = Field(default_factory=list)
    sampled_outcomes: dict[str, int] = Field(default_factory=dict)

    def counts(self, sampling: Sampling) -> dict[str, int]:
        """Verdicts by outcome of the greedy or sampled programs, in the order of `OUTCOMES`."""
        verdicts = self.greedy if sampling == "greedy" else self.sampled
        counted = Counter(verdict.outcome for verdict in verdicts)
        if sampling == "sampled" and not counted:
            return {name: n for name in OUTCOMES if (n := self.sampled_outcomes.get(name, 0))}
        return {name: counted[name] for name in OUTCOMES if counted[name]}

    @property
    def num_problems(self) -> int:
        """Distinct problems among the verdicts; 0 when there are no verdicts."""
        return len({verdict.task_id for verdict in (*self.greedy, *self.sampled)})

    @property
    def is_empty(self) -> bool:
        return not (self.scores or self.greedy or self.sampled or self.sampled_outcomes)


class ReportData(Part):
    """All that a report shows, as a run directory holds it.

    `summary` is the object that `codealign run --json` prints (or `codealign eval --json`, for a report about
    one model); `config` the resolved run file as plain values; `metrics` the rows of metrics.jsonl; `problems`
    the held-out problems, for their prompts; `violations` rollouts that tried something forbidden; `pairs` may carry
    the extra columns of `pairs.build_pairs`; `pair_reasons` says per training problem why it gave no pair; `credit` is
    the object that `codealign credit --json` prints and `credit_states` the rows behind it; `created` is shown as it
    is given.
    """

    title: str = ""
    created: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    summary: dict[str, Any] = Field(default_factory=dict)
    metrics: list[dict[str, Any]] = Field(default_factory=list)
    base_greedy: list[Verdict] = Field(default_factory=list)
    base_sampled: list[Verdict] = Field(default_factory=list)
    aligned_greedy: list[Verdict] = Field(default_factory=list)
    aligned_sampled: list[Verdict] = Field(default_factory=list)
    problems: list[Problem] = Field(default_factory=list)
    pairs: list[Pair] = Field(default_factory=list)
    pair_reasons: dict[str, str] = Field(default_factory=dict)
    credit: dict[str, Any] = Field(default_factory=dict)
    credit_states: list[dict[str, Any]] = Field(default_factory=list)
    violations: list[Verdict] = Field(default_factory=list)

    @cached_property
    def base(self) -> Evaluation:
        return self._evaluation("base", self.base_greedy, self.base_sampled)

    @cached_property
    def aligned(self) -> Evaluation:
        return self._evaluation("aligned", self.aligned_greedy, self.aligned_sampled)

    def _evaluation(self, name: str, greedy: list[Verdict], sampled: list[Verdict]) -> Evaluation:
        return Evaluation(
            scores=_scores_of(self.summary, name),
            greedy=greedy,
            sampled=sampled,
            sampled_outcomes=_outcomes_of(self.summary, name),
        )

    @cached_property
    def gain(self) -> dict[str, Gain]:
        """Aligned minus base by score name."""
        given = self.summary.get("gain") or {}
        return {name: parsed(Gain, value, f"gain.{name}") for name, value in given.items()}

    @cached_property
    def stages(self) -> dict[str, StageRecord]:
        """Time and tokens by stage, in the order given."""
        given = self.summary.get("stages") or {}
        return {name: parsed(StageRecord, value, f"stages.{name}") for name, value in given.items()}

    @property
    def heading(self) -> str:
        """The title, else the name in the run file."""
        return self.title or f"codealign: {self.config.get('name', 'report')}"

    @property
    def isolation(self) -> str:
        return str(self.summary.get("isolation") or "")

    @property
    def run_dir(self) -> str:
        return str(self.summary.get("run_dir") or "")

    @property
    def interval_name(self) -> str:
        """`95% interval`, or just `interval` where the level is not known."""
        level = self.summary.get("confidence") or self.section("eval").get("confidence")
        return "interval" if level is None else f"{100 * level:g}% interval"

    @property
    def is_online(self) -> bool:
        """Whether training drew its completions itself."""
        experience = self.section("train").get("experience")
        return isinstance(experience, Mapping) and experience.get("kind") == "rollouts"

    @property
    def objective_kind(self) -> str:
        objective = self.section("train").get("objective")
        return str(objective.get("kind", "")) if isinstance(objective, Mapping) else ""

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the run file; empty when it is not there."""
        section = self.config.get(name)
        return section if isinstance(section, Mapping) else {}


def _scores_of(summary: Mapping[str, Any], name: str) -> dict[str, Score]:
    """A model's scores: bare numbers under its name, intervals under `intervals`, or an eval's `pass@k`."""
    given: dict[str, Any] = {}
    if name == "base":
        given.update({f"pass@{k}": score for k, score in (summary.get("pass@k") or {}).items()})
    given.update(summary.get(name) or {})
    given.update((summary.get("intervals") or {}).get(name) or {})
    return {
        score: parsed(Score, value, f"{name}.{score}")
        for score, value in given.items()
        if SCORE_NAME.fullmatch(score)
    }


def _outcomes_of(summary: Mapping[str, Any], name: str) -> dict[str, int]:
    """Counts by outcome of the sampled programs: by model in a run's summary, flat in an eval's."""
    outcomes = summary.get("outcomes") or {}
    if name == "base" and "pass@k" in summary:
        return outcomes
    return outcomes.get(name) or {}


def parsed(
    kind: type[PartT], given: Any, where: str, made_by: str = "codealign run --json"
) -> PartT:
    """`given` as a part of the report's input.

    Raises:
        DataError: it has another shape than what `made_by` prints.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise DataError(
            explain_validation(error),
            where=f"summary, {where}",
            cure=f"give the object that `{made_by}` prints",
        ) from None


def score_label(name: str) -> str:
    """`greedy pass@1` or `sampled pass@8`."""
    return name.replace("_", " ") if name.startswith("greedy") else f"sampled {name}"


def score_order(name: str) -> tuple[bool, int]:
    """Sort key of score names: greedy first, then by k."""
    return not name.startswith("greedy"), int(name.rpartition("@")[2])


def finite(value: Any) -> float | None:
    """A number fit to draw, or None for anything else (text, NaN, infinity, a truth value)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
