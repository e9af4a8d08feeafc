"""Whether the better of several next steps from a state is told from the worse.

    pairwise     share of pairs of steps that are in the truth's order; ties, on either side, count as wrong
    clear        the same among pairs whose truths differ by at least two standard errors
    top          how often the step that is thought best is the best; of several thought best, one drawn at random
    chance       what `top` is for somebody who draws a step at random

`pairwise` is that of VinePPO's code (arXiv 2410.01679). The truth has ties of its own, so nobody reaches 1: `possible`
is the share of pairs that it orders. `repeated` is what one half of the truth's rollouts says of the other half's truth:
about as well as the truth itself is known. States in whose steps the truth sees no difference have no top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from codealign.credit.intervals import Resampler, ratio

MIN_ACTIONS = 3
"""The paper's: two steps are told apart by a coin half of the time."""

STANDARD_ERRORS = 2.0


class Choice(NamedTuple):
    """A state's distinct next steps."""

    task_id: str
    truths: list[list[float]]
    """Rewards of each step's rollouts; of one that ends the completion, its reward alone."""
    estimates: Mapping[str, Sequence[float | None]]


class Scores(NamedTuple):
    """What one state adds to a method's scores."""

    num_right: float
    num_pairs: float
    num_clear_right: float
    num_clear: float
    top: float
    has_top: float
    chance: float
    num_possible: float


def summary_of_ranking(
    choices: Sequence[Choice], *, confidence: float, seed: int
) -> dict[str, Any] | None:
    """As plain JSON values; None where no state has steps to choose among."""
    if not choices:
        return None
    resampler = Resampler([c.task_id for c in choices], confidence=confidence, seed=seed)
    names = choices[0].estimates
    scores = {
        name: [score(_means(c.truths), c.estimates[name], _errors(c.truths)) for c in choices]
        for name in names
    }
    halves = [_halves(choice) for choice in choices]
    repeated = [score(truth, first, errors) for first, truth, errors in halves]
    num_top = sum(each.has_top for each in repeated)
    exact = [score(_means(c.truths), _means(c.truths), _errors(c.truths)) for c in choices]
    return {
        "num_states": len(choices),
        "num_actions": sum(len(choice.truths) for choice in choices),
        "num_pairs": int(sum(each.num_pairs for each in exact)),
        "num_clear": int(sum(each.num_clear for each in exact)),
        "num_with_top": int(sum(each.has_top for each in exact)),
        "possible": _share(exact, "num_possible", "num_pairs"),
        "chance": _share(exact, "chance", "has_top"),
        "methods": {name: _method(each, resampler) for name, each in scores.items()},
        "repeated": _method(repeated, resampler) if num_top else None,
    }


def score(
    truths: Sequence[float], estimates: Sequence[float | None], errors: Sequence[float]
) -> Scores:
    """One state's; zeros where the method has no estimate of one of its steps.

    Args:
        truths: of each step.
        errors: standard error of each.
    """
    values = [value for value in estimates if value is not None]
    if len(values) < len(truths):
        return Scores(0, 0, 0, 0, 0, 0, 0, 0)
    pairs = list(combinations(range(len(truths)), 2))
    possible = [(i, j) for i, j in pairs if truths[i] != truths[j]]
    right = {(i, j) for i, j in pairs if (truths[i] - truths[j]) * (values[i] - values[j]) > 0}
    clear = {
        (i, j)
        for i, j in possible
        if abs(truths[i] - truths[j]) >= STANDARD_ERRORS * math.hypot(errors[i], errors[j])
    }
    best = {i for i, value in enumerate(truths) if value == max(truths)}
    thought = {i for i, value in enumerate(values) if value == max(values)}
    has_top = len(best) < len(truths)
    return Scores(
        len(right),
        len(pairs),
        len(right & clear),
        len(clear),
        len(best & thought) / len(thought) if has_top else 0.0,
        float(has_top),
        len(best) / len(truths) if has_top else 0.0,
        len(possible),
    )


def _method(scores: Sequence[Scores], resampler: Resampler) -> dict[str, Any]:
    rows_NS = np.array(scores, dtype=float)

    def interval(part: str, of: str) -> dict[str, float | None]:
        columns = [Scores._fields.index(part), Scores._fields.index(of)]
        return resampler.interval(rows_NS[:, columns], ratio)._asdict()

    return {
        "pairwise": interval("num_right", "num_pairs"),
        "clear": interval("num_clear_right", "num_clear"),
        "top": interval("top", "has_top"),
    }


def _share(scores: Sequence[Scores], part: str, of: str) -> float | None:
    whole = sum(getattr(each, of) for each in scores)
    return sum(getattr(each, part) for each in scores) / whole if whole else None


def _halves(choice: Choice) -> tuple[list[float], list[float], list[float]]:
    """What the first halves of the rewards say, the second halves' truth, and its standard errors."""
    first = [rewards[: len(rewards) // 2] or rewards for rewards in choice.truths]
    second = [rewards[len(rewards) // 2 :] for rewards in choice.truths]
    return _means(first), _means(second), _errors(second)


def _means(truths: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(rewards) / len(rewards) for rewards in truths]


def _errors(truths: Sequence[Sequence[float]]) -> list[float]:
    return [float(np.std(r, ddof=1)) / math.sqrt(len(r)) if len(r) > 1 else 0.0 for r in truths]
