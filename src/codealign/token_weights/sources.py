"""Where a failing completion goes wrong: four answers, each from what was seen when programs ran.

Each gives what it suspects, or None where it knows nothing; none of them guesses.

Not promised: that the cause is there. A program may leave the passing one without harm and fail further down, a
traceback names where it came out, and lines are the program's claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from codealign.pairs import edit_distance
from codealign.records import Verdict
from codealign.token_weights.places import line_places
from codealign.token_weights.spans import Decode, num_shared, spans_in

Lines = frozenset[int]
"""Of a program, counted from 1."""

_LINE_OF_SYNTAX_ERROR = re.compile(r"\([^()]*, line (\d+)\)$")


class Written(NamedTuple):
    """A completion and the program that ran of it; `ids` with EOS where the policy chose one."""

    completion: str
    ids: Sequence[int] | None
    program: str


def nearest(side: Written, others: Iterable[Written]) -> Written:
    """The one whose program is the fewest characters away (`pairs.edit_distance`); the first of equally near ones."""
    return min(others, key=lambda other: edit_distance(side.program, other.program))


def divergence(side: Written, other: Written, decode: Decode) -> int | None:
    """The first token of `side` that `other` does not have, both read from where their programs start.

    By token ids; by characters, where `other` has none. Text before the programs (prose before a fence) does not
    count. A side that ends where the other goes on diverges at its EOS; None where it has no EOS, being cut off there.

    Args:
        side: with ids.
    """
    assert side.ids is not None
    if other.ids is None:
        return _divergence_of_texts(side, other, decode)
    start = _first_token(side.ids, side, decode)
    number = _first_difference(
        side.ids[start:], other.ids[_first_token(other.ids, other, decode) :]
    )
    return None if number is None else start + number


def edits(side: Written, other: Written, decode: Decode) -> frozenset[int] | None:
    """The tokens of `side` that an alignment with `other` replaces, both read from where their programs start.

    Where `other` has tokens that `side` lacks, the token that came in their place. By token ids; by characters, where
    `other` has none. The alignment is difflib's: readable, not always the shortest. None where there is no difference.

    Args:
        side: with ids.
    """
    assert side.ids is not None
    if other.ids is None:
        return _edits_of_texts(side, other, decode)
    start = _first_token(side.ids, side, decode)
    here, there = side.ids[start:], other.ids[_first_token(other.ids, other, decode) :]
    return frozenset(start + number for number in _replaced(here, there)) or None


def coverage(verdict: Verdict) -> Lines | None:
    """Lines that a failing test ran and no passing test did. `import_lines` count for neither.

    None where no test passed or none failed with lines (`judge.coverage` was off, a time limit), or no line is so.
    """
    passing, failing = (
        [set(t.lines) for t in verdict.tests if t.lines is not None and is_one(t.outcome)]
        for is_one in (_is_passing, _is_failing)
    )
    if not passing:
        return None
    return Lines(set().union(*failing) - set().union(*passing)) or None


def traceback(verdict: Verdict) -> Lines | None:
    """The line that the exception of the first failing test with one passed last; a syntax error's own line."""
    if verdict.outcome == "syntax_error":
        found = _LINE_OF_SYNTAX_ERROR.search(verdict.message)
        return None if found is None else Lines([int(found[1])])
    lines = [test.error_line for test in verdict.tests if _is_failing(test.outcome)]
    return next((Lines([line]) for line in lines if line), None)


def tokens_of_lines(side: Written, lines: Lines, decode: Decode) -> frozenset[int] | None:
    """The tokens of `side.ids` that write a character of these lines of its program, indentation included.

    None where the completion wrote none of the lines (they are the prompt's), or its text is not that of its ids.
    """
    assert side.ids is not None
    places = line_places(side.program, side.completion)
    wanted = [places[line - 1] for line in lines if line <= len(places)]
    spans = spans_in(side.completion, decode, side.ids)
    if spans is None:
        return None
    tokens = (
        number
        for number, span in enumerate(spans)
        if any(place is not None and span.overlaps(place) for place in wanted)
    )
    return frozenset(tokens) or None


def _is_passing(outcome: str) -> bool:
    return outcome == "passed"


def _is_failing(outcome: str) -> bool:
    return outcome not in ("passed", "not_judged")


def _program_start(side: Written) -> int:
    """The first character of the program's; 0 where only blanks are before it, or nothing is known."""
    start = next(filter(None, line_places(side.program, side.completion)), (0, 0))[0]
    return start if side.completion[:start].strip() else 0


def _first_token(ids: Sequence[int], side: Written, decode: Decode) -> int:
    """The token that writes the first character of the program."""
    start = _program_start(side)
    spans = spans_in(side.completion, decode, ids) if start else None
    return next((n for n, span in enumerate(spans or ()) if span.end > start), 0)


def _divergence_of_texts(side: Written, other: Written, decode: Decode) -> int | None:
    assert side.ids is not None
    start, spans = _program_start(side), spans_in(side.completion, decode, side.ids)
    here, there = side.completion[start:], other.completion[_program_start(other) :]
    if spans is None or here == there:
        return None
    number = _first_difference(here, there)
    at = start + (len(here) if number is None else number)
    return next((n for n, span in enumerate(spans) if span.end > at or span.start >= at), None)


def _edits_of_texts(side: Written, other: Written, decode: Decode) -> frozenset[int] | None:
    assert side.ids is not None
    start, spans = _program_start(side), spans_in(side.completion, decode, side.ids)
    here, there = side.completion[start:], other.completion[_program_start(other) :]
    places = [start + number for number in _replaced(here, there)]
    numbers = (
        n for n, span in enumerate(spans or ()) if any(span[0] <= p < span[1] for p in places)
    )
    return frozenset(numbers) or None


def _replaced(one: Sequence[Any], other: Sequence[Any]) -> Iterator[int]:
    """Places in `one` that are not in an alignment with `other`, or before which it has something more."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    for tag, first, last, _, _ in matcher.get_opcodes():
        if tag == "insert":
            last = min(first + 1, len(one))
        if tag != "equal":
            yield from range(first, last)


def _first_difference(one: Sequence[Any], other: Sequence[Any]) -> int | None:
    """None where `one` is a beginning of `other`."""
    number = num_shared(one, other)
    return number if number < len(one) else None
