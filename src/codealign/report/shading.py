"""The tokens of a completion shaded by their weights, for a terminal; in words where it has no colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from codealign.report.weights import in_words
from codealign.token_weights.spans import Decode, Span, spans_in

NUM_NAMED = 3
"""Tokens named at either end."""


class Level(NamedTuple):
    """Weights below `upper`, and not below the level before. Both colours are set, for light and dark terminals."""

    upper: float
    style: str
    words: str


LEVELS = (
    Level(0.5, "white on color(25)", "below 0.5"),
    Level(0.9, "black on color(153)", "to 0.9"),
    Level(1.1, "", "to 1.1"),
    Level(1.5, "black on color(223)", "to 1.5"),
    Level(float("inf"), "white on color(130)", "above"),
)


def legend() -> Text:
    """What the shades mean."""
    parts = [Text(f" {level.words} ", level.style) for level in LEVELS]
    return Text("token weights: ") + Text(" ").join(parts)


def weighed_side(
    completion: str, ids: Sequence[int] | None, weights: Sequence[float], decode: Decode | None
) -> Text:
    """A completion in shades, and below it mean, spread and extremes in words.

    Without ids, or a `decode` that fits them, the words alone say what there is to say.
    """
    spans = spans_in(completion, decode, ids) if decode and ids else None
    result = Text(completion)
    if spans:
        for span, weight in zip(spans, weights, strict=True):
            result.stylize(_style_of(weight), span.start, span.end)
    result.rstrip()
    result.append(f"\n{in_words(weights)}", "dim")
    if spans and min(weights) < max(weights):
        result.append(f"\n{_extremes(completion, spans, weights)}", "dim")
    return result


def _style_of(weight: float) -> str:
    return next(level.style for level in LEVELS if weight < level.upper)


def _extremes(completion: str, spans: Sequence[Span], weights: Sequence[float]) -> str:
    """The tokens that count most and least; one without text is the end."""
    tokens = sorted(zip(weights, spans, strict=True), key=lambda each: each[0])
    most, least = tokens[: -NUM_NAMED - 1 : -1], tokens[:NUM_NAMED]
    named = [
        ", ".join(f"{completion[span.start : span.end]!r} {weight:.2f}" for weight, span in ends)
        for ends in (most, least)
    ]
    return f"most: {named[0]}; least: {named[1]}"
