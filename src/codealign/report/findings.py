"""What a run's numbers say in plain sentences, and what they do not.

The tone of a gain is decided by its interval alone: a gain whose interval includes zero is not called a gain.
Warnings of the training loop come first among the notices, then what the report sees for itself.

Not promised: a judgement about your use. The sentences speak of the held-out problems of this run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from codealign.report.curves import LAST_STEPS, last_mean
from codealign.report.data import Evaluation, Gain, ReportData, finite, score_label, score_order
from codealign.report.numbers import (
    count,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
)

Tone = Literal["better", "worse", "open", "plain"]

HEADLINE_SCORES = ("greedy_pass@1", "pass@1")
FEW_PROBLEMS = 50
"""Below this many held-out problems an interval is wider than most gains."""

NOTABLE_FALL = 0.1
"""Nats: a log-ratio nearer to zero than this is where it started, for all that a few batches can say."""

NOTABLE_NOT_JUDGED = 0.01
WEAK_ISOLATION = {
    "S1": "The programs ran at isolation S1 (no namespaces): verdicts hold, this machine was only partly shielded.",
    "S0": "The programs ran at isolation S0 (a plain process): verdicts hold, this machine was not shielded.",
}
PUBLIC_BENCHMARKS = ("humaneval", "mbpp", "apps", "livecodebench")


class Headline(NamedTuple):
    """One headline number."""

    label: str
    value: str
    unit: str
    detail: str
    tone: Tone


class Notice(NamedTuple):
    """Something a reader must know before trusting a number."""

    severity: Literal["warning", "note"]
    text: str


def headlines(data: ReportData) -> list[Headline]:
    """The gains, or where there is one evaluation only, its scores."""
    gains = [_gain_headline(data, name) for name in HEADLINE_SCORES if name in data.gain]
    if gains:
        return gains
    evaluation = data.base if data.aligned.is_empty else data.aligned
    return [
        Headline(
            label=score_label(name).capitalize(),
            value=percent(evaluation.scores[name].value),
            unit="",
            detail=_interval_text(percent_interval(evaluation.scores[name]), data),
            tone="plain",
        )
        for name in HEADLINE_SCORES
        if name in evaluation.scores
    ]


def _gain_headline(data: ReportData, name: str) -> Headline:
    gain = data.gain[name]
    details = [_interval_text(points_interval(gain), data), p_value(gain.p)]
    if name in data.base.scores and name in data.aligned.scores:
        before, after = data.base.scores[name].value, data.aligned.scores[name].value
        details.insert(0, f"{percent(before)} → {percent(after)}")
    return Headline(
        label=f"Change in {score_label(name)}",
        value=points(gain.value),
        unit="points",
        detail=" · ".join(part for part in details if part),
        tone=tone_of(gain),
    )


def _interval_text(interval: str, data: ReportData) -> str:
    return f"{data.interval_name} {interval}" if interval else ""


def tone_of(gain: Gain) -> Tone:
    """`better` or `worse` when the interval excludes zero, `open` when it does not or is unknown."""
    if gain.interval is None or gain.interval[0] <= 0 <= gain.interval[1]:
        return "open"
    return "better" if gain.value > 0 else "worse"


def meaning(data: ReportData) -> list[str]:
    """Sentences that say what the result means and what it does not."""
    sentences = [
        _result_sentence(data),
        _certainty_sentence(data),
        _scope_sentence(data),
        solution_sentence(data),
    ]
    return [sentence for sentence in sentences if sentence]


def _result_sentence(data: ReportData) -> str:
    name = next((name for name in HEADLINE_SCORES if name in data.gain), None)
    if name is None or name not in data.base.scores or name not in data.aligned.scores:
        return _single_sentence(data)
    how = "on its one greedy try" if name.startswith("greedy") else "in an average try"
    return (
        f"The aligned model solves {percent(data.aligned.scores[name].value)} of "
        f"{_problems_phrase(data.aligned)} {how}; the model it started from solves "
        f"{percent(data.base.scores[name].value)}."
    )


def _single_sentence(data: ReportData) -> str:
    if data.base.is_empty and data.aligned.is_empty:
        return "No evaluation was given, so this page says nothing about how good the model is."
    shown, missing = ("base", "aligned") if data.aligned.is_empty else ("aligned", "base")
    return f"Only the {shown} model was evaluated: without the {missing} one there is no gain to report."


def _problems_phrase(evaluation: Evaluation) -> str:
    if not evaluation.num_problems:
        return "the held-out problems"
    return count(evaluation.num_problems, "held-out problem")


def _certainty_sentence(data: ReportData) -> str:
    """How far the first headline gain can be told from chance."""
    gain = next((data.gain[name] for name in HEADLINE_SCORES if name in data.gain), None)
    if gain is None or gain.interval is None:
        return ""
    seeds = "The interval is about which problems were drawn; a run with another seed may gain more or less."
    if tone_of(gain) == "open":
        return f"The interval includes zero: these problems do not show that the model changed for the better or the worse. {seeds}"
    change = "improvement" if gain.value > 0 else "decline"
    return f"The {change} is larger than the choice of problems explains. {seeds}"


def _scope_sentence(data: ReportData) -> str:
    """What kind of problems these were, and what that leaves open."""
    source = str(data.section("problems").get("heldout") or "")
    name = source.partition(":")[0].rstrip("+")
    if name == "kata":
        return (
            "kata is a synthetic stand-in: small generated problems and a small model with habits planted "
            "in its training text. It can show that the loop works. It can't show what a large model "
            "would gain on code that people write."
        )
    if name in PUBLIC_BENCHMARKS:
        return (
            f"{source} is public: its problems may be in a model's training text, which lifts the scores of "
            "both models. The gain is less touched by that than the scores are."
        )
    if source:
        return f"The scores are about {source}. Other problems may be harder or easier."
    return ""


def solution_sentence(data: ReportData) -> str:
    """How likely the held-out problems' reference solutions are before and after; nothing where it is not known."""
    before, after = (_solution_nll(data, stage) for stage in ("eval/base", "eval/aligned"))
    if before is None or after is None:
        return ""
    went = "rose" if after > before else "fell"
    return (
        f"The mean negative log-likelihood of the held-out problems' reference solutions {went} from {before:.4f} to "
        f"{after:.4f} nats a token ({signed(after - before, 4)}). Training never saw them: a rise says that something "
        "was unlearnt which no pair asked for."
    )


def _solution_nll(data: ReportData, stage: str) -> float | None:
    record = data.stages.get(stage)
    return finite((record.model_extra or {}).get("solution_nll")) if record else None


def warnings_first(found: Iterable[Notice]) -> list[Notice]:
    return sorted(found, key=lambda notice: notice.severity != "warning")


def notices(data: ReportData) -> list[Notice]:
    """Training warnings first, then both sides sinking, weak isolation, unjudged programs, what was left out, too few problems."""
    found = [Notice("warning", text) for text in training_warnings(data)]
    found.extend(_both_fell_notice(data))
    if data.isolation in WEAK_ISOLATION:
        found.append(Notice("note", WEAK_ISOLATION[data.isolation]))
    for name, evaluation in (("base", data.base), ("aligned", data.aligned)):
        found.extend(_unjudged_notice(name, evaluation))
    found.extend(_left_out_notices(data))
    num_problems = data.aligned.num_problems or data.base.num_problems
    if 0 < num_problems < FEW_PROBLEMS:
        found.append(
            Notice(
                "note",
                f"Only {count(num_problems, 'held-out problem')}: the intervals are wide, and small gains can't be seen.",
            )
        )
    return found


def training_warnings(data: ReportData) -> list[str]:
    """Warnings of the metrics, each text once with the step it first came up at, else the summary's."""
    first_step: dict[str, Any] = {}
    for row in data.metrics:
        if row.get("warning"):
            first_step.setdefault(str(row["warning"]), row.get("step"))
    if not first_step:
        return [str(text) for text in data.summary.get("warnings") or ()]
    return [text if step is None else f"step {step}: {text}" for text, step in first_step.items()]


def _both_fell_notice(data: ReportData) -> list[Notice]:
    """Chosen and rejected log-ratios that both fell: the loss can't tell, it reads their difference."""
    chosen, rejected = (last_mean(data.metrics, f"log_ratio/{s}") for s in ("chosen", "rejected"))
    if chosen is None or rejected is None or not both_fell(chosen, rejected):
        return []
    text = (
        f"Chosen completions became less likely along with rejected ones: log-ratios {signed(chosen, 2)} and "
        f"{signed(rejected, 2)} nats, mean of the last {LAST_STEPS} rows. A loss that reads "
        "their difference may improve meanwhile: docs/chosen_reward.md."
    )
    return [Notice("note", text)]


def both_fell(chosen: float | None, rejected: float | None) -> bool:
    """Both log-ratios are notably below zero."""
    return all(end is not None and end < -NOTABLE_FALL for end in (chosen, rejected))


def _left_out_notices(data: ReportData) -> list[Notice]:
    return [
        Notice(
            "note",
            f"The stage {name} left out "
            + ", ".join(f"{number:,} {reason}" for reason, number in stage.left_out.items())
            + ".",
        )
        for name, stage in data.stages.items()
        if stage.left_out
    ]


def _unjudged_notice(name: str, evaluation: Evaluation) -> list[Notice]:
    counts = [evaluation.counts("greedy"), evaluation.counts("sampled")]
    total = sum(sum(by_outcome.values()) for by_outcome in counts)
    unjudged = sum(by_outcome.get("not_judged", 0) for by_outcome in counts)
    if not total or unjudged / total < NOTABLE_NOT_JUDGED:
        return []
    text = (
        f"{unjudged:,} of {total:,} programs of the {name} model could not be judged. "
        "They count neither for nor against it."
    )
    return [Notice("warning", text)]


def score_names(data: ReportData) -> list[str]:
    """Every score that either model has, greedy first, then by k."""
    return sorted({*data.base.scores, *data.aligned.scores}, key=score_order)
