"""What a run that learns from its own rollouts says of them: how their measures went, and what to be wary of.

A course is read from the rows of metrics.jsonl that begin an iteration, or from the summary that was made of them.
"First" and "last" are means over a few iterations, since each has problems of its own.

Not promised: that a policy which trips no warning is honest. What no test and no limit sees, nothing here sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codealign.report.curves import LAST_STEPS, format_value
from codealign.report.data import Part, ReportData, finite, parsed
from codealign.report.findings import Notice
from codealign.report.numbers import percent

REWARD, PASSED, VIOLATION = "reward", "exec/passed", "exec/violation"
CUT, LENGTH, VALIDATION = "completions/clipped_ratio", "completions/mean_length", "eval_pass@1"

NOTABLE_CHANGE = 0.05
"""Of a share: less is chance, with some hundred completions."""
MANY_VIOLATIONS = 0.01
"""Of the last completions: fewer may be accidents."""


class Measure(NamedTuple):
    """What is told of rollouts; `unit` as in `curves`."""

    key: str
    name: str
    unit: str


MEASURES = (
    Measure(REWARD, "mean reward", "number"),
    Measure(PASSED, "passed every test", "percent"),
    Measure(VIOLATION, "tried something forbidden", "percent"),
    Measure(CUT, "cut by the limit of tokens", "percent"),
    Measure(LENGTH, "tokens of a completion", "number"),
    Measure("frac_reward_zero_std", "problems whose rewards are all equal", "percent"),
    Measure(VALIDATION, "validation greedy pass@1", "percent"),
)


class Course(Part):
    """How one measure went."""

    first: float
    last: float
    low: float
    high: float

    @property
    def rose(self) -> bool:
        return self.last > self.first


class Rollouts(Part):
    """The courses of a run, by the metric's name."""

    mean_of: int
    """Iterations that `first` and `last` are means of; an evaluation stands for itself."""
    courses: dict[str, Course]

    def of(self, key: str) -> Course | None:
        return self.courses.get(key)


class Line(NamedTuple):
    """A measure as a table row, its numbers as they are written."""

    name: str
    first: str
    last: str
    low: str
    high: str


def rollout_courses(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a summary says of rollouts, from the rows of metrics.jsonl; nothing where there were none."""
    iterations = [row for row in metrics if finite(row.get(REWARD)) is not None]
    if not iterations:
        return {}
    mean_of = max(1, min(LAST_STEPS, len(iterations) // 3))
    courses = {
        measure.key: _course(values, 1 if measure.key == VALIDATION else mean_of)
        for measure in MEASURES
        if (values := _values(metrics, measure.key))
    }
    return {"mean_of": mean_of, "courses": courses}


def _values(metrics: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [value for row in metrics if (value := finite(row.get(key))) is not None]


def _course(values: Sequence[float], mean_of: int) -> dict[str, float]:
    first, last = values[:mean_of], values[-mean_of:]
    return {
        "first": math.fsum(first) / len(first),
        "last": math.fsum(last) / len(last),
        "low": min(values),
        "high": max(values),
    }


def rollouts(data: ReportData) -> Rollouts | None:
    """The courses of a run's measures; None where it has no rollouts.

    Raises:
        DataError: the summary has another shape.
    """
    given = rollout_courses(data.metrics) or data.summary.get("rollouts")
    return parsed(Rollouts, given, "rollouts") if given else None


def lines(found: Rollouts) -> list[Line]:
    """The measures that are known, in reading order."""
    return [
        Line(each.name, *(format_value(value, each.unit) for value in _numbers(course)))
        for each in MEASURES
        if (course := found.of(each.key)) is not None
    ]


def _numbers(course: Course) -> tuple[float, float, float, float]:
    return course.first, course.last, course.low, course.high


# ---------------------------------------------------------------- what to be wary of


def rollout_notices(data: ReportData) -> list[Notice]:
    """Cheating, rewards that rise while less passes, and completions that outgrow their limit."""
    found = rollouts(data)
    if found is None:
        return []
    run = data.run_dir or "RUN"
    return [*_violations(found, run), *_gamed(found, run), *_outgrown(found, run)]


def _violations(found: Rollouts, run: str) -> list[Notice]:
    course = found.of(VIOLATION)
    if course is None or not course.high:
        return []
    went = (
        f"{percent(course.first)} of its completions at first, {percent(course.last)} at last, "
        f"{percent(course.high)} at most tried something forbidden"
    )
    look = f"See what: codealign show {run} rollouts --outcome violation"
    if course.last < course.first:
        return [Notice("note", f"The policy tried to cheat, and does so less now: {went}. {look}")]
    if course.last < MANY_VIOLATIONS:
        return [Notice("note", f"The policy may be trying to cheat: {went}. {look}")]
    text = (
        f"The policy is trying to cheat: {went}. No such program passes here, but a reward function may pay for it. "
        f"{look}"
    )
    return [Notice("warning", text)]


def _gamed(found: Rollouts, run: str) -> list[Notice]:
    """A reward that rose while completions pass less often, those trained on or those of validation."""
    reward = found.of(REWARD)
    if reward is None or not reward.rose:
        return []
    rose = f"The reward rose from {reward.first:.3g} to {reward.last:.3g}"
    notices: list[Notice] = []
    passed, validation = found.of(PASSED), found.of(VALIDATION)
    if passed is not None and passed.first - passed.last > NOTABLE_CHANGE:
        text = (
            f"{rose} while fewer completions passed ({percent(passed.first)}, then {percent(passed.last)}): it pays for "
            f"something other than passing. See what: codealign show {run} rollouts"
        )
        notices.append(Notice("warning", text))
    if validation is not None and validation.high - validation.last > NOTABLE_CHANGE:
        text = (
            f"{rose} while validation greedy pass@1 fell from {percent(validation.high)} at best to "
            f"{percent(validation.last)}: either the reward is being gamed, or what is learnt holds for the training "
            "problems alone."
        )
        notices.append(Notice("warning", text))
    return notices


def _outgrown(found: Rollouts, run: str) -> list[Notice]:
    cut, length = found.of(CUT), found.of(LENGTH)
    if cut is None or cut.last - cut.first <= NOTABLE_CHANGE:
        return []
    tokens = (
        f", {length.first:.0f} tokens long at first and {length.last:.0f} at last" if length else ""
    )
    text = (
        f"More and more completions are cut by the limit of tokens: {percent(cut.first)} at first, {percent(cut.last)} "
        f"at last{tokens}. Where what fills them is needed, raise sample.max_new_tokens; where it is not, length itself is "
        f"being rewarded. See what it is: codealign show {run} rollouts"
    )
    return [Notice("warning", text)]
