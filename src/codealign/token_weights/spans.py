"""Which characters each token of a completion writes.

Promises: the spans are those of the prefixes of `ids`: a token's characters are the ones that the text up to it
lacks and the text with it has; a character whose bytes several tokens share belongs to each of them; a token
that writes nothing (EOS, under a `decode` that skips special tokens) has an empty span where it stands.

Not promised: that the characters are the completion's. `spans_in` looks at that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

Decode = Callable[[Sequence[int]], str]
"""Token ids to text, special tokens left out, nothing tidied up (in transformers: `skip_special_tokens=True,
clean_up_tokenization_spaces=False`)."""

CONTEXT_TOKENS = 4
"""Decoded along before a window: no first space is dropped in its middle, no UTF-8 character is longer."""


class Span(NamedTuple):
    """Characters `start` up to, not including, `end` of a text."""

    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether both share a character; an empty span shares one when the other has it on both sides of it."""
        if self.start == self.end:
            return other.start < self.start < other.end
        return self.start < other.end and other.start < self.end


def token_spans(decode: Decode, ids: Sequence[int]) -> list[Span]:
    """The characters of `decode(ids)` that each token writes, one span a token.

    Costs a few tokens' decoding a token where the tokenizer's text of a window is what it adds to the whole, as
    byte-level and SentencePiece tokenizers' is; elsewhere each prefix is decoded.
    """
    text = decode(ids)
    reached = _reached_by_windows(decode, ids, text)
    return _spans(decode, ids, reached or _reached_by_prefixes(decode, ids, text))


def spans_in(completion: str, decode: Decode, ids: Sequence[int]) -> list[Span] | None:
    """The characters of `completion` that each token writes; None where its text is not that of `ids`.

    A completion may lack what came after a stop string, and may have a first space that `decode` drops: spans then
    go beyond its end, or start at 1.
    """
    text, spans = decode(ids), token_spans(decode, ids)
    if text.startswith(completion):
        return spans
    if completion.startswith(" ") and text.startswith(completion[1:]):
        return [Span(span.start + 1, span.end + 1) for span in spans]
    return None


class _Reached(NamedTuple):
    """How far a prefix of the tokens agrees with the whole text; `torn` when it ends inside a character."""

    end: int
    torn: bool


def _spans(decode: Decode, ids: Sequence[int], reached: Sequence[_Reached]) -> list[Span]:
    spans: list[Span] = []
    before = 0
    for token, (end, torn) in zip(ids, reached, strict=True):
        # A special token between two halves of a character is no part of it.
        partial = torn and (end > before or decode([token]) != "")
        spans.append(Span(before, end + partial))
        before = end
    return spans


def _reached_by_prefixes(decode: Decode, ids: Sequence[int], text: str) -> list[_Reached]:
    """The definition; quadratic in the number of tokens."""
    reached: list[_Reached] = []
    end = 0
    for number in range(1, len(ids) + 1):
        prefix = decode(ids[:number])
        end = max(end, num_shared(prefix, text))
        reached.append(_Reached(end, len(prefix) > end))
    return reached


def _reached_by_windows(decode: Decode, ids: Sequence[int], text: str) -> list[_Reached] | None:
    """The same from windows between places where no character is torn; None where windows do not add up."""
    reached: list[_Reached] = []
    first = position = 0  # of the window: its first token, and where that token's text starts
    context = ""
    for number in range(1, len(ids) + 1):
        start = max(0, first - CONTEXT_TOKENS)
        window = decode(ids[start:number])
        if not window.startswith(context):
            return None
        added = window[len(context) :]
        shared = num_shared(added, text[position : position + len(added)])
        reached.append(_Reached(position + shared, len(added) > shared))
        if shared == len(added):
            first, position = number, position + shared
            context = decode(ids[max(0, first - CONTEXT_TOKENS) : number])
    return reached if position == len(text) else None


def num_shared(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many elements both begin with."""
    if one == other[: len(one)]:
        return len(one)
    return next(n for n, (ours, theirs) in enumerate(zip_longest(one, other)) if ours != theirs)
