"""Splits that share nothing.

Promises: no problem of one split is in another, by task id or by prompt with its layout ignored.
Not promised: that two differently worded problems don't ask for the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from codealign.errors import DataError
from codealign.records import Problem


def check_splits(
    train: Iterable[Problem],
    validation: Iterable[Problem] = (),
    heldout: Iterable[Problem] = (),
) -> None:
    """Refuse splits that share a problem.

    Raises:
        DataError: which splits share how many problems, with the first few task ids.
    """
    splits = {"train": list(train), "validation": list(validation), "heldout": list(heldout)}
    for one, other in combinations(splits, 2):
        shared = _shared(splits[one], splits[other])
        if shared:
            raise _leak(f"{one} and {other}", shared, f"problems.{one}, problems.{other}")


def check_prompts(
    prompts: Iterable[str], splits: Mapping[str, Iterable[Problem]], where: str
) -> None:
    """Refuse splits that have a problem whose prompt is among `prompts`, those of training data at `where`.

    Raises:
        DataError: which split shares how many, with the first few task ids.
    """
    trained = {normalised_prompt(prompt) for prompt in prompts}
    for name, problems in splits.items():
        shared = [each.task_id for each in problems if normalised_prompt(each.prompt) in trained]
        if shared:
            raise _leak(f"the training data and {name}", shared, f"{where}, problems.{name}")


def _leak(who: str, shared: list[str], where: str) -> DataError:
    shown = ", ".join(shared[:5]) + (", …" if len(shared) > 5 else "")
    return DataError(
        f"{who} share {len(shared)} problems: {shown}",
        where=where,
        cure="a gain on problems that were trained on proves nothing: take disjoint splits",
    )


def _shared(problems: list[Problem], others: list[Problem]) -> list[str]:
    """Task ids of `others` that are among `problems` by id or by prompt."""
    ids = {problem.task_id for problem in problems}
    prompts = {normalised_prompt(problem.prompt) for problem in problems}
    return [
        problem.task_id
        for problem in others
        if problem.task_id in ids or normalised_prompt(problem.prompt) in prompts
    ]


def normalised_prompt(prompt: str) -> str:
    """The prompt's words in lower case, one space between."""
    return " ".join(prompt.lower().split())
