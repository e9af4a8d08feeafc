"""A completion cut into steps: by lines, or by the statements of its syntax tree.

Promises: cuts are lossless for any text, 0 = c_0 < c_1 < … < c_n = len(text), and a pure function of it; nothing raises,
whatever the text. Every token is in one step, every step has a token, and a step's state is a prefix of the *tokens*
that were sampled: text is never tokenised again.

Not promised: that a step is one thought. Any segmentation is sound for VinePPO (arXiv 2410.01679, whose own are for
mathematics); coarser ones ask for fewer rollouts, finer ones tell more.

The line break before a step is the step's own, as in VinePPO's code: tokenizers write it together with the
indentation that follows. What decides nothing by itself belongs to a neighbour:

    blank lines, lines of a comment only, fences                     to the step after them (the last: to the one before)
    lines that start with a closing bracket                          to the step before them
    `else:`, `finally:` and decorators, in statements                to the statement after them

A compound statement's header is a step, its body's statements are others; `elif`, `except` and `case` have headers too.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeGuard

from codealign.programs import LINE_BREAK, fenced_blocks, parsing_prefix
from codealign.token_weights import Decode, token_spans

Split = Callable[[str], list[int]]
"""Text to cuts: the first 0, the last the text's length, increasing; [0] for no text."""

_LEADS = re.compile(r"\s*(?:$|#|```|~~~)")
"""A line that belongs to what follows."""
_CLOSES = re.compile(r"\s*[)\]}]")
_LEADS_ITS_BODY = re.compile(r"\s*(?:else|finally)\s*:\s*(?:#.*)?")


class Steps(NamedTuple):
    """The steps of a completion, in tokens."""

    starts: list[int]
    """The first token of each step, increasing; the first is 0. The state before step i is `ids[: starts[i]]`."""
    of_token: list[int]
    """The step of each token."""


def segment(ids: Sequence[int], decode: Decode, split: Split) -> Steps:
    """The steps of sampled tokens, EOS among them or not; none where there are no tokens."""
    return token_steps(split(decode(ids)), token_starts(decode, ids))


def token_starts(decode: Decode, ids: Sequence[int]) -> list[int]:
    """For each token where its text starts in `decode(ids)`, in characters.

    A token that continues a character's bytes starts at that character; one that writes nothing (EOS) where it stands.
    """
    return [span.start for span in token_spans(decode, ids)]


def token_steps(cuts: Sequence[int], starts: Sequence[int]) -> Steps:
    """Steps out of cuts in the text and where each token starts in it. A step in which no token starts is
    one with the step before."""
    of_token: list[int] = []
    firsts: list[int] = []
    before = None
    for number, step in enumerate(steps_of_tokens(cuts, starts)):
        if step != before:
            firsts.append(number)
        of_token.append(len(firsts) - 1)
        before = step
    return Steps(firsts, of_token)


def steps_of_tokens(cuts: Sequence[int], starts: Sequence[int]) -> list[int]:
    """For each token the number of the step that holds its first character; the last step, beyond the text."""
    last = max(len(cuts) - 2, 0)
    return [min(bisect_right(cuts, start) - 1, last) for start in starts]


def split_lines(text: str) -> list[int]:
    """Cuts between lines, for text of any kind."""
    cuts = [0]
    written_end = None
    for start, end in _lines(text):
        line = text[start:end]
        if _LEADS.match(line):
            continue
        if written_end is not None and not _CLOSES.match(line):
            cuts.append(written_end)
        written_end = end
    return [*cuts, len(text)] if text else cuts


def split_statements(text: str, prompt: str = "") -> list[int]:
    """Cuts between statements where the text is Python, between lines elsewhere.

    Python may be the text as it continues `prompt`, the text alone, or its fenced blocks; of each as many whole lines as
    parse, so that a completion that was cut, or goes on in prose, has statements up to there.
    """
    regions = list(_python_in(text, prompt))
    cuts = {cut for cut in split_lines(text) if not any(each.holds(cut) for each in regions)}
    return sorted(cuts.union(*(each.cuts for each in regions)))


class _Region(NamedTuple):
    """Characters of a text that are Python, and the cuts between them."""

    start: int
    end: int
    cuts: list[int]

    def holds(self, cut: int) -> bool:
        return self.start < cut < self.end


def _python_in(text: str, prompt: str) -> Iterator[_Region]:
    for start, end in list(fenced_blocks(text)) or [(0, len(text))]:
        block = text[start:end]
        alone = _region(block, 0, start)
        # Only what the text begins with can go on where the prompt ended.
        going_on = None if start else _region(prompt + block, len(prompt), 0)
        found = [each for each in (going_on, alone) if each is not None]
        if found:
            yield max(found, key=lambda region: region.end)


def _region(source: str, num_given: int, at: int) -> _Region | None:
    """The part of `source` that parses, less the `num_given` characters before the text, which starts `at`."""
    parsed = parsing_prefix(source)
    if parsed is None or not parsed[1].body:
        return None
    places = _Places(source)
    shift = at - num_given
    end = places.end_of(parsed[1].body[-1]) + shift
    if end <= at:
        return None
    cuts = (cut + shift for cut in _statement_cuts(parsed[1], places))
    return _Region(at, end, [cut for cut in cuts if cut > at])


def _statement_cuts(tree: ast.Module, places: _Places) -> Iterator[int]:
    """A cut before each statement, but for the line break, comments and `else:` that lead it: before those."""
    code_end = 0
    for start, node in sorted(_starts(tree, places), key=lambda item: item[0]):
        yield max(code_end, places.before(start))
        code_end = places.end_of(node) if _is_simple(node) else start


def _is_simple(node: ast.AST) -> TypeGuard[ast.stmt]:
    return isinstance(node, ast.stmt) and not {"body", "cases"} & set(node._fields)


def _starts(tree: ast.Module, places: _Places) -> Iterator[tuple[int, ast.AST]]:
    for node in ast.walk(tree):
        if decorators := getattr(node, "decorator_list", None):
            yield places.last("@", before=places.start_of(decorators[0])), node
        elif isinstance(node, ast.match_case):
            yield places.last("case", before=places.start_of(node.pattern)), node
        elif isinstance(node, ast.stmt | ast.excepthandler):
            yield places.start_of(node), node


class _Places:
    """Where the nodes of a tree stand in its source, in characters (a tree counts lines and UTF-8 bytes)."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines = list(_lines(source))
        self._line_starts = [start for start, _ in self._lines]

    def start_of(self, node: ast.stmt | ast.excepthandler | ast.expr | ast.pattern) -> int:
        return self._place(node.lineno, node.col_offset)

    def end_of(self, node: ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._place(node.end_lineno, node.end_col_offset)

    def _place(self, line: int, num_bytes: int) -> int:
        start, end = self._lines[line - 1]
        return start + len(self._source[start:end].encode()[:num_bytes].decode())

    def last(self, word: str, *, before: int) -> int:
        return self._source.rindex(word, 0, before)

    def before(self, start: int) -> int:
        """Where the step of a statement begins that starts here."""
        line = bisect_right(self._line_starts, start) - 1
        same_line = self._source[self._line_starts[line] : start]
        if same_line.strip() and not _LEADS_ITS_BODY.fullmatch(same_line):
            return self._line_starts[line] + len(
                same_line.rstrip()
            )  # after a semicolon, or a colon
        while line > 0 and self._leads(line - 1):
            line -= 1
        return self._lines[line - 1][1] if line else 0

    def _leads(self, line: int) -> bool:
        start, end = self._lines[line]
        text = self._source[start:end]
        return bool(_LEADS.match(text) or _LEADS_ITS_BODY.fullmatch(text))


def _lines(text: str) -> Iterable[tuple[int, int]]:
    """Start and end of each line, its break left out."""
    start = 0
    for found in LINE_BREAK.finditer(text):
        yield start, found.start()
        start = found.end()
    yield start, len(text)
