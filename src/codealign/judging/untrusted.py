"""Tests that nobody trusts, judged from a distance: the judge carries frames between two cells.

The program under test runs in one cell, the tests in another (`tester`), and this process passes the
questions of the tests and the answers of the program on as bytes, unread. It reads two things: what a tester
makes of a problem, once, and the report at the end; plain JSON, checked here value by value.

Promised: nothing the tests do reaches the judge, the program's cell (but as arguments), another problem's
verdict or the machine; tests that crash, hang, lie about their number or use too much are `not_judged`;
`passed` needs a report in which every test passed and a program that was still there.

Not promised: that such tests are right. They may report what they like of themselves; that is why the
referee first wants to see them pass the reference solution and fail a stub.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from codealign.judging.scorecard import MAX_TEXT, BrokenProblem, Finding, Scorecard
from codealign.sandbox import frames
from codealign.sandbox.cell import Cell, CellExecution
from codealign.sandbox.codec import encode, plain_or
from codealign.sandbox.limits import Limits
from codealign.sandbox.protocol import Ending
from codealign.sandbox.remote import ProgramEnded

KINDS = ("check", "asserts")
"""Tests that are source. The others are data, and compared in the judge whoever wrote them."""
MAX_TESTS = 10_000
MAX_KEPT_BYTES = MAX_FIRST_BYTES = 3 * 2**20
"""Of prepared tests, and of the globals that a program shows at first: both go in one frame of 8 MB."""
_FROM_TESTS = ("passed", "failed", "runtime_error", "syntax_error", "memory", "violation")
"""Outcomes that a report may name; limits are what the sandbox saw, never what a test says."""


class TestsMisbehaved(Exception):
    """The tests themselves came to no usable result on this program: never a score."""


class Heard(NamedTuple):
    """What came of the tests on one program."""

    card: Scorecard
    whole: Finding | None
    """What stopped the tests or kept them from starting; None when nothing did."""
    ending: Ending
    """Of the program."""
    gone: bool
    """The program had ended, or was cut off, before its tests had."""


class Announced(NamedTuple):
    """What a tester made of a problem's tests, once."""

    names: list[str]
    wanted: list[str]
    """Globals that the tests want from a program."""
    kept: str
    """The tests, ready to run: opaque here, read only by another tester of the same problem."""


class UntrustedTests:
    """Tests of one problem that are prepared and run in a cell of their own."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self._problem = encode(dict(problem), plain_or(_refuse))
        self._announced: Announced | None = None
        self.stub = stub(problem["entry_point"])

    def run(self, program: str, cell: Cell, test_cell: Cell, limits: Limits, cpu_s: float) -> Heard:
        """Run them on a program that gets `cpu_s` seconds of CPU time; they get those of `limits`.

        Raises:
            BrokenProblem: the tests can't be used, whatever the program.
            TestsMisbehaved: they came to no result.
            CellDied: a sandbox failed.
        """
        if self._announced is None:
            self._announced = self._prepare(test_cell, limits)
        execution = cell.start(program, limits._replace(cpu_s=cpu_s), names=self._announced.wanted)
        names = self._announced.names
        try:
            first = _unless_ended(execution.open)
            if len(first) > MAX_FIRST_BYTES:
                first, execution.broken = bytearray(), "output"
            heard = _run_apart(self._announced.kept, first, execution, test_cell, limits)
        except SyntaxError as error:
            heard = Finding("syntax_error", "", str(error))
        finally:
            ending = execution.finish()
        if isinstance(heard, Finding):
            return Heard(Scorecard(names), heard, ending, gone=True)
        if ending.reason == "wall" and heard.kept_waiting_s > limits.wall_s / 2:
            raise TestsMisbehaved("the tests kept the program waiting past its wall limit")
        gone = execution.ended or execution.broken != ""
        if heard.report is None:
            if not gone:
                raise TestsMisbehaved(
                    f"the tests came to no result: {_cause(heard.ending, limits)}"
                )
            return Heard(Scorecard(names), None, ending, gone)
        card, whole = _read_report(heard.report, names)
        if whole is None and not (card.complete or gone):
            raise TestsMisbehaved("the tests reported before they were done")
        return Heard(card, whole, ending, gone)

    def _prepare(self, test_cell: Cell, limits: Limits) -> Announced:
        """Parse and compile in the test cell: nothing of the tests runs yet."""
        tester = test_cell.run({"problem": self._problem}, limits)
        body = bytearray()
        try:
            body = tester.open(limits.wall_s)
        except SyntaxError:
            raise BrokenProblem(
                f"its tests are larger than {frames.MAX_FRAME_BYTES} bytes"
            ) from None
        except ProgramEnded:
            pass  # its ending says why
        finally:
            ending = tester.finish()
        if not body:
            raise TestsMisbehaved(f"the tests came to no result: {_cause(ending, limits)}")
        return _read_announcement(body)


class _Apart(NamedTuple):
    """What came out of the test cell for one program."""

    report: bytearray | None
    kept_waiting_s: float
    ending: Ending
    """Of the tester."""


def _run_apart(
    kept: str, first: bytearray, execution: CellExecution, test_cell: Cell, limits: Limits
) -> _Apart:
    """Carry questions one way and answers the other, until the tests report or end."""
    # They wait while the program runs, so their own wall limit only ends what is lost.
    patient = limits._replace(wall_s=limits.wall_s + limits.longest_s)
    start = {"kept": kept, "first": base64.b64encode(first).decode()}
    tester = test_cell.run(start, patient)
    kept_waiting_s, report = 0.0, None
    since = time.monotonic()
    try:
        said = tester.open(limits.wall_s)
        while not said.startswith(b"{"):
            kept_waiting_s += time.monotonic() - since
            answer = _unless_ended(execution.exchange, said)
            since = time.monotonic()
            said = tester.exchange(answer, limits.wall_s)
        report = said
    except ProgramEnded:
        kept_waiting_s += time.monotonic() - since
    finally:
        ending = tester.finish()
    return _Apart(report, kept_waiting_s, ending)


def _unless_ended(carry: Callable[..., bytearray], *bodies: bytearray) -> bytearray:
    """What the program answers; an empty frame, which it can't send itself, when it is gone."""
    try:
        return carry(*bodies)
    except ProgramEnded:
        return bytearray()


# --- what the tests say of themselves, believed only so far as its shape ------------------------


def _read_announcement(body: bytearray) -> Announced:
    match _unpack(body):
        case {"broken": str() as message}:
            raise BrokenProblem(message[:MAX_TEXT])
        case {"names": [*names], "wanted": [*wanted], "kept": str() as kept} if (
            0 < len(names) <= MAX_TESTS and len(wanted) <= MAX_TESTS
        ):
            if len(kept) > MAX_KEPT_BYTES:
                raise BrokenProblem(f"its tests are larger than {MAX_KEPT_BYTES} bytes")
            return Announced(
                [_text(name) for name in names], [_text(name) for name in wanted], kept
            )
    raise TestsMisbehaved("the tests announced something of no known shape")


def _read_report(body: bytearray, names: list[str]) -> tuple[Scorecard, Finding | None]:
    card = Scorecard(names)
    match _unpack(body):
        case {"broken": str() as message}:
            raise BrokenProblem(message[:MAX_TEXT])
        case {"findings": [*findings], "texts": [*texts], "whole": whole} if (
            len(findings) == len(texts) == len(names)
        ):
            card.findings = [None if item is None else _finding(item) for item in findings]
            card.texts = [_texts(item) for item in texts]
            return card, None if whole is None else _stopped_by(whole)
    raise TestsMisbehaved("the tests reported something of no known shape")


def _unpack(body: bytearray) -> Any:
    try:
        return frames.unpack(body)
    except frames.FrameError as error:
        raise TestsMisbehaved(f"the tests reported nothing readable: {error}") from None


def _finding(item: Any) -> Finding:
    match item:
        case [str() as outcome, str() as detail, str() as message] if outcome in _FROM_TESTS:
            return Finding(outcome, detail[:MAX_TEXT], message[:MAX_TEXT])
    raise TestsMisbehaved("the tests reported a finding of no known shape")


def _stopped_by(item: Any) -> Finding:
    finding = _finding(item)
    if finding.outcome == "passed":
        raise TestsMisbehaved("the tests say that they were stopped by passing")
    return finding


def _texts(item: Any) -> dict[str, str]:
    if not isinstance(item, dict) or not item.keys() <= {"inputs", "expected", "actual"}:
        raise TestsMisbehaved("the tests reported texts of no known shape")
    return {name: _text(value) for name, value in item.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TestsMisbehaved("the tests reported something that is no text where text belongs")
    return value[:MAX_TEXT]


def _cause(ending: Ending, limits: Limits) -> str:
    """How the tests' own process ended, in words."""
    by_reason = {
        "cpu": f"more than {limits.cpu_s:g} s of CPU time",
        "wall": f"silent for more than {limits.wall_s:g} s",
        "oom": f"more than {limits.memory_bytes >> 20} MB",
        "output": f"more than {limits.output_bytes} bytes of output",
        "violation": "a frame that nobody asked for",
    }
    if ending.reason in by_reason:
        return by_reason[ending.reason]
    return f"killed by signal {ending.signal}" if ending.signal else "their process ended"


def _refuse(value: Any) -> Any:
    raise BrokenProblem(f"it holds a {type(value).__name__}, which is no plain data")


def stub(entry_point: str | None) -> str:
    """A program that is wrong for any problem worth judging: its function returns None."""
    return f"def {entry_point}(*arguments, **keywords):\n    return None\n" if entry_point else ""
