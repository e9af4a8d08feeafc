"""What a comparison shows, in plain sentences, and what it does not.

The tone is decided by intervals alone, as for one run: what includes zero is not called a gain or a difference.

Not promised: a correction for many comparisons. The sentences say how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from codealign.report.comparing.data import ComparisonData, Method
from codealign.report.data import Gain, score_label
from codealign.report.findings import FEW_PROBLEMS, Headline, Notice, Tone, both_fell, tone_of
from codealign.report.numbers import count, listed

Quantity = Literal["gain", "difference"]


def tones(data: ComparisonData, score: str, quantity: Quantity) -> dict[str, Tone]:
    """The tone of every method that has the quantity, as the file lists them."""
    return {
        name: tone_of(change)
        for name, method in data.methods.items()
        if (change := change_of(method, score, quantity)) is not None
    }


def change_of(method: Method, score: str, quantity: Quantity) -> Gain | None:
    """A method's gain over the base policy, or its difference to the baseline method."""
    found = method.scores.get(score)
    return getattr(found, quantity) if found else None


def headlines(data: ComparisonData) -> list[Headline]:
    """How many methods gained, and how many differ from the baseline, by the greedy score."""
    score = data.headline_scores[0]
    found = [
        _headline(f"Better than the base policy, {score_label(score)}", tones(data, score, "gain")),
        _headline(
            f"Better than {data.baseline}, {score_label(score)}", tones(data, score, "difference")
        ),
    ]
    return [headline for headline in found if headline is not None]


def _headline(label: str, by_method: Mapping[str, Tone]) -> Headline | None:
    if not by_method:
        return None
    tones = list(by_method.values())
    num_better, num_worse, num_open = (tones.count(t) for t in ("better", "worse", "open"))
    tone: Tone = "plain" if num_better and num_worse else "open"
    if num_better != num_worse and 0 in (num_better, num_worse):
        tone = "better" if num_better else "worse"
    return Headline(
        label=label,
        value=f"{num_better} of {len(tones)}",
        unit="method" if len(tones) == 1 else "methods",
        detail=f"{num_worse} worse · {num_open} whose interval includes zero",
        tone=tone,
    )


def meaning(data: ComparisonData) -> list[str]:
    """Sentences that say what the comparison shows and what it does not."""
    sentences = [
        scope(data),
        *(_gains_sentence(data, score) for score in data.headline_scores),
        *(_differences_sentence(data, score) for score in data.headline_scores),
        many_comparisons(data),
        _seeds_sentence(data),
    ]
    return [sentence for sentence in sentences if sentence]


def scope(data: ComparisonData) -> str:
    """How many methods, seeds and problems."""
    seeds = f"seed{'' if len(data.seeds) == 1 else 's'} {listed([str(s) for s in data.seeds])}"
    return (
        f"{count(len(data.methods), 'method')} under {seeds}, "
        f"scored on {count(data.num_problems, 'held-out problem')}."
    )


def _gains_sentence(data: ComparisonData, score: str) -> str:
    return _sentence(
        f"By {score_label(score)}",
        tones(data, score, "gain"),
        {"better": "gained over the base policy", "worse": "lost"},
        "no change is shown",
    )


def _differences_sentence(data: ComparisonData, score: str) -> str:
    return _sentence(
        f"Against {data.baseline}, by {score_label(score)}",
        tones(data, score, "difference"),
        {"better": "did better", "worse": "did worse"},
        "no difference is shown",
    )


def _sentence(
    about: str, by_method: Mapping[str, Tone], words: Mapping[str, str], otherwise: str
) -> str:
    """`By greedy pass@1, a and b gained; for the other 3 the interval includes zero: no change is shown.`"""
    if not by_method:
        return ""
    groups = {tone: [n for n, found in by_method.items() if found == tone] for tone in words}
    clauses = [f"{listed(names)} {words[tone]}" for tone, names in groups.items() if names]
    num_open = len(by_method) - sum(map(len, groups.values()))
    if num_open:
        who = _open_words(num_open, len(by_method))
        clauses.append(f"for {who} the interval includes zero: {otherwise}")
    return f"{about}, {'; '.join(clauses)}."


def _open_words(num_open: int, total: int) -> str:
    if num_open < total:
        return f"the other {num_open}" if num_open > 1 else "the other one"
    return {1: "the one method there is", 2: "both methods"}.get(total, f"all {total} methods")


def many_comparisons(data: ComparisonData) -> str:
    """How many intervals would exclude zero by chance alone."""
    number = sum(len(tones(data, score, "difference")) for score in data.headline_scores)
    if number < 2:
        return ""
    expected = number * (1 - data.confidence)
    return (
        f"Every interval stands alone: of {number} differences to {data.baseline} about {expected:.2g} would "
        "exclude zero by chance even if no method differed from it. The best of many looks better than it is."
    )


def _seeds_sentence(data: ComparisonData) -> str:
    if len(data.seeds) == 1:
        return "There is one seed: how much a method varies from seed to seed is not known."
    return (
        "Intervals are about which problems were drawn, for these very seeds. How much seeds differ is seen in "
        f"the small dots, and {len(data.seeds)} of them say little about it."
    )


def notices(data: ComparisonData) -> list[Notice]:
    """What was not done, methods short of a seed, collapse, both sides sinking, too few problems."""
    found: list[Notice] = []
    if data.missing:
        found.append(
            Notice("warning", f"Not done, and in no number here: {'; '.join(data.missing)}.")
        )
    if data.baseline not in data.methods:
        found.append(
            Notice(
                "warning",
                f"The baseline {data.baseline} is not done: there is nothing to compare with.",
            )
        )
    warned = [name for name, method in data.methods.items() if num_warnings(method)]
    if warned:
        found.append(Notice("warning", f"Training gave warnings under {listed(warned)}."))
    sunk = [
        name
        for name, method in data.methods.items()
        if both_fell(method.mean("log_ratio_chosen"), method.mean("log_ratio_rejected"))
    ]
    if sunk:
        found.append(
            Notice(
                "note",
                f"The chosen side became less likely along with the rejected one under {listed(sunk)}: "
                "docs/chosen_reward.md says how a loss improves meanwhile.",
            )
        )
    if 0 < data.num_problems < FEW_PROBLEMS:
        found.append(
            Notice(
                "note",
                f"Only {count(data.num_problems, 'held-out problem')}: the intervals are wide, and small "
                "differences can't be seen.",
            )
        )
    return found


def num_warnings(method: Method) -> int:
    return sum(len(run.warnings) for run in method.seeds.values())
