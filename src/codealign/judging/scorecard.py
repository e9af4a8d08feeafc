"""What each test of one program came to, kept while the tests run.

A failing test is written down and the next one runs; only the end of the program (or of the judge's
patience) stops the rest. Texts for people are made from plain data, on failure only, and cut short.
"""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

from codealign.sandbox.remote import (
    ProgramError,
    ProgramExit,
    Remote,
    error_class,
    is_remote,
    state_of,
)

MAX_TEXT = 200


class JudgeTimeout(BaseException):
    """The test itself used up the judge's CPU time (an endless value, a huge comparison)."""


class BrokenProblem(Exception):
    """The problem can't be judged, whatever the program: its own fault, or a limit of this judge."""


class Finding(NamedTuple):
    """Outcome, its refinement and a short text, in the words of `records.Outcome`."""

    outcome: str
    detail: str = ""
    message: str = ""


PASSED = Finding("passed")


def short(value: Any) -> str:
    """A repr of at most MAX_TEXT characters."""
    try:
        text = _repr.repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python will print
        text = f"<{type(value).__name__}>"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class _Repr(reprlib.Repr):
    """Never asks the program: its objects are shown by type, values of its classes as what they are made of."""

    def repr1(self, x: Any, level: int) -> str:
        if not is_remote(x):
            return super().repr1(x, level)
        base = next((kind for kind in type(x).__mro__ if kind in _PLAIN), None)
        if base is None:
            return f"<{type(x).__name__} object of the program>"
        return super().repr1(base(x), level)


_PLAIN = frozenset({int, float, complex, str, bytes, tuple, frozenset})
_repr = _Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxother, _repr.maxlong = 8, MAX_TEXT, MAX_TEXT, MAX_TEXT
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = _repr.maxfrozenset = 40


def explain(error: BaseException) -> Finding:
    """What an exception that left a test means."""
    if isinstance(error, ProgramExit):
        return Finding("runtime_error", "exit", error.type_name or "SystemExit")
    if isinstance(error, ProgramError):
        if isinstance(error, MemoryError):
            return Finding("memory", "MemoryError", str(error)[:MAX_TEXT])
        text = f"{error.type_name}: {error}" if str(error) else error.type_name
        return Finding("runtime_error", error.type_name, text[:MAX_TEXT])
    if isinstance(error, AssertionError):
        return Finding("failed", "", short_message(error))
    if isinstance(error, MemoryError):
        return Finding("memory", "judge", "the answer is too large to be judged")
    # The test could not use the answer: a None that was indexed, a wrong type that was compared.
    text = f"{type(error).__name__}: {short_message(error)}"
    return Finding("failed", type(error).__name__, text[:MAX_TEXT])


def short_message(error: BaseException) -> str:
    return str(error)[:MAX_TEXT] if error.args and isinstance(error.args[0], str) else ""


class Scorecard:
    """Results of the tests of one program.

    As `test(i)` it is the context manager that stands around test i; `left` and `right` stand around
    the sides of a comparison; `call` around the entry point.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.findings: list[Finding | None] = [None] * len(names)
        self.texts: list[dict[str, str]] = [{} for _ in names]
        self.error_lines: list[int] = [0] * len(names)
        """Where in the program an exception passed last; 0 for none."""
        self.lines: list[list[int] | None] = [None] * len(names)
        """With coverage: lines of the program that ran during each test."""
        self.import_lines: list[int] | None = None
        """With coverage: lines that ran before the first test."""
        self.covered: Callable[[], list[int]] | None = None
        self._current = 0
        self._forget()

    def _forget(self) -> None:
        self._sides: dict[str, Any] = {}
        self._call: tuple[tuple[Any, ...], dict[str, Any]] | None = None

    def test(self, number: int) -> Scorecard:
        self._current = number
        self._forget()
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is None:
            self.findings[self._current] = PASSED
        elif isinstance(error, BrokenProblem) or not isinstance(error, (Exception, ProgramExit)):
            return False
        else:
            self.fail(explain(error))
            if isinstance(error, ProgramError | ProgramExit):
                self.error_lines[self._current] = error.line
        if self.covered is not None:
            self.lines[self._current] = self.covered()
        return True

    def fail(self, finding: Finding) -> None:
        """Write down that the current test did not pass, with what is known of it."""
        self.findings[self._current] = finding
        if self._call is not None:
            arguments, keywords = self._call
            shown = [short(item) for item in arguments]
            shown += [f"{name}={short(item)}" for name, item in keywords.items()]
            self._sides.setdefault("inputs", ", ".join(shown))
        self.texts[self._current] = {
            name: value if name == "inputs" else short(value) for name, value in self._sides.items()
        }
        for name, text in self.texts[self._current].items():
            if len(text) > MAX_TEXT:
                self.texts[self._current][name] = text[: MAX_TEXT - 1] + "…"

    def called(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self._call = (arguments, keywords)

    def actual(self, value: Any) -> Any:
        """Note what the program gave; returned unchanged."""
        self._sides["actual"] = value
        return value

    def expected(self, value: Any) -> Any:
        """Note what it should have given; returned unchanged."""
        self._sides["expected"] = value
        return value

    def fill(self, finding: Finding) -> None:
        """The same finding for every test that did not come to a result."""
        self.findings = [finding if known is None else known for known in self.findings]

    @property
    def complete(self) -> bool:
        return None not in self.findings


def _escaped_stop() -> BaseException:
    """As PEP 479 has it for generators: in `all(map(candidate, …))` it would end the test and pass."""
    error = error_class(RuntimeError)()
    vars(error).update(type_name="StopIteration", message="left the function")
    return error


def recorded(function: Remote, card: Scorecard) -> Remote:
    """The entry point as the tests call it: the last arguments are remembered for the report."""
    kind = type(function)
    made = object.__new__(_recording(kind) if type(kind) is type else _recording.__wrapped__(kind))
    state_of(made).update(state_of(function), _remote_card=card)
    return made


@functools.cache
def _recording(kind: type) -> type:
    """A class of stand-ins whose calls are noted: one for all functions, one for each class of a program."""

    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        self._remote_card.called(arguments, keywords)
        try:
            return self._remote_ask("call", self, *arguments, **keywords)
        except StopIteration:
            raise _escaped_stop() from None

    scope = {"__call__": call, "__doc__": kind.__dict__["__doc__"], "_remote_id": 0}
    return type(kind.__name__, (kind,), scope)
