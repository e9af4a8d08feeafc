"""Where in a completion each line of its program stands.

A verdict speaks of lines of the program that ran; a policy wrote the completion. Between them stands
`programs.extract_program`: the prompt's part before it, prose and what follows the function left out, `\\r\\n` made
`\\n`, a benchmark's prelude before it, `Solution`'s method bound after it.

Promises: a place holds the line's own text (what the completion has of it where the prompt ended in the middle of
the line); places are in the order of the lines. Found by lines alone, without the problem, so that any rule's program will do.

Not promised: the right one of equal places. Where a completion repeats itself, the program is taken to be its start;
inside fences, the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from codealign.programs import END_OF_TEXT, LINE_BREAK
from codealign.token_weights.spans import Span

_BOUND_METHOD = re.compile(r"(\w+) = Solution\(\)\.\1")
_BREAK_COST = 2
"""Lines that one more gap must bring, or a line of the prompt that the completion repeats would count as its."""


class _Line(NamedTuple):
    number: int
    start: int
    text: str
    """Without the space at its end, which extraction may take off."""


class _Fit(NamedTuple):
    """A way to find the program's last lines in the completion."""

    score: int
    pairs: list[tuple[_Line, _Line]]
    """(of the program, of the completion)."""


def line_places(program: str, completion: str) -> list[Span | None]:
    """The characters of `completion` that are line n of `program`, at index n - 1.

    Indentation belongs to its line, the line break and space before it do not. None for lines that the completion
    did not write (the prompt's, a prelude's) and for blank ones; all None where the two don't belong together.
    """
    places: list[Span | None] = [None] * len(LINE_BREAK.split(program))
    if not END_OF_TEXT.search(program):
        completion = END_OF_TEXT.split(completion, maxsplit=1)[0]
    theirs, ours = list(_written_lines(program)), list(_written_lines(completion))
    known = {line.text for line in ours}
    if theirs and _BOUND_METHOD.fullmatch(theirs[-1].text) and theirs[-1].text not in known:
        theirs.pop()
    if not theirs or not ours:
        return places
    for line, place in _best(_fits_at_the_start(theirs, ours) or _fits(theirs, ours)):
        places[line.number - 1] = Span(place.start, place.start + len(place.text))
    return places


def _written_lines(text: str) -> Iterator[_Line]:
    """The lines that are not blank."""
    start = 0
    breaks = [(found.start(), found.end()) for found in LINE_BREAK.finditer(text)]
    for number, (end, after) in enumerate([*breaks, (len(text), len(text))], start=1):
        if written := text[start:end].rstrip():
            yield _Line(number, start, written)
        start = after


def _best(fits: Sequence[_Fit]) -> list[tuple[_Line, _Line]]:
    """Of equally good ones the first, which explains most lines."""
    return max(fits, key=lambda fit: fit.score).pairs if fits else []


def _fits_at_the_start(theirs: Sequence[_Line], ours: Sequence[_Line]) -> list[_Fit]:
    """The completion goes on where the prompt ended, maybe in the middle of a line, or is a program from its start."""
    opening = ours[0]
    fits = (
        _fit(theirs, ours, number, 0)
        for number, line in enumerate(theirs)
        if line.text == opening.text
        or (opening.start == 0 and opening.number == 1 and line.text.endswith(opening.text))
    )
    return [fit for fit in fits if fit is not None]


def _fits(theirs: Sequence[_Line], ours: Sequence[_Line]) -> list[_Fit]:
    """The program starts further down: after prose, or inside a fence."""
    lengths = _run_lengths(theirs, ours)
    fenced = any(line.text.lstrip().startswith(("```", "~~~")) for line in ours)
    starts = range(len(ours))[::-1] if fenced else range(len(ours))
    fits: list[_Fit] = []
    for number, row in enumerate(lengths):
        start = max(starts, key=row.__getitem__)
        fit = _fit(theirs, ours, number, start) if row[start] else None
        fits += [] if fit is None else [fit]
    return fits


def _run_lengths(theirs: Sequence[_Line], ours: Sequence[_Line]) -> list[list[int]]:
    """[theirs][ours] how many lines from these two on are the same."""
    lengths = [[0] * (len(ours) + 1)]
    for line in reversed(theirs):
        after = lengths[-1]
        lengths.append(
            [after[n + 1] + 1 if own.text == line.text else 0 for n, own in enumerate(ours)] + [0]
        )
    return [row[:-1] for row in lengths[:0:-1]]


def _fit(theirs: Sequence[_Line], ours: Sequence[_Line], first: int, start: int) -> _Fit | None:
    """All program lines from `first` on, in order, from the completion's line `start` on; None where one is missing."""
    pairs = [(theirs[first], ours[start])]
    num_gaps, at = 0, start
    for line in theirs[first + 1 :]:
        found = next((n for n in range(at + 1, len(ours)) if ours[n].text == line.text), None)
        if found is None:
            return None
        num_gaps += found > at + 1
        at = found
        pairs.append((line, ours[at]))
    return _Fit(len(pairs) - _BREAK_COST * num_gaps, pairs)
