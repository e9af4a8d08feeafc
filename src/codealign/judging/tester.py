"""Inside the test cell, one process per program judged: run tests that nobody trusts.

This is the guest of a second cell. Test source, its setup, and helpers from a solution that a model wrote run
here, with the comparisons that they ask for; the program under test is in the other cell, and each question
to it is a frame that the judge carries over unread. So a hostile test can read, patch and forge whatever is
in this process: what comes out of it is what the tests say of themselves, and nothing else.

Promised: the same findings as in the judge for tests that behave. Not promised: that the findings are true;
`untrusted` says what the judge makes of them.

The conversation, over a socket that belongs to this process alone:

    judge    {"problem": row, as the codec writes it}           once a problem
    tester   {"names": […], "wanted": […], "kept": the tests, compiled} | {"broken": message}

    judge    {"kept", "first": the program's first frame}         once a program
    tester   [nonce, operation, [arguments], {keywords}], carried to the program as it is
    judge    the program's answer as it came, or an empty frame: the program has ended
    tester   {"findings": […], "texts": […], "whole": finding | null} | {"broken": message}

What is kept was compiled in this cell before any test ran, and goes back to testers of that problem only. A start
with "source" is an ordinary program: that is how the cell is probed.
"""

from __future__ import annotations

import binascii
import marshal
import os
from collections.abc import Mapping
from typing import Any

from codealign.judging.rewrite import Prepared
from codealign.judging.scorecard import BrokenProblem, Finding, Scorecard
from codealign.judging.styles import AssertStyle, CheckStyle, Style, run_tests
from codealign.sandbox import frames, guest
from codealign.sandbox.asking import Asking
from codealign.sandbox.codec import decode, plain_only
from codealign.sandbox.remote import CannotCross, ProgramEnded, Violation

_exit = os._exit
_STYLES = {"check": CheckStyle, "asserts": AssertStyle}


class CarriedQuestions(Asking):
    """Questions to the program in the other cell, carried by the judge."""

    def __init__(self, job_fd: int, first: bytes) -> None:
        super().__init__(None)
        self._job_fd = job_fd
        self._first: bytes | None = first
        self.violated = False

    def _send(self, value: Any) -> None:
        if value is None:
            return  # the judge has started the program
        frame = frames.pack(value)
        if len(frame) > frames.MAX_FRAME_BYTES:
            raise CannotCross(f"arguments of {len(frame)} bytes can't be sent to a program")
        frames.write(self._job_fd, frame)

    def _receive(self) -> Any:
        if self._first is not None:
            body, self._first = self._first, None
        else:
            body = frames.receive_body(self._job_fd)
        if body is None:
            _exit(0)  # the judge has hung up: nobody waits for findings
        if not body:
            raise ProgramEnded
        try:
            return frames.unpack(body)
        except frames.FrameError as error:
            raise self._violation(str(error)) from None

    def _violation(self, message: str) -> Violation:
        self.violated = True
        return Violation(message)


def report(style: Style, program: CarriedQuestions) -> dict[str, Any]:
    """Run the tests and put what they found into plain data."""
    card = Scorecard(style.test_names)
    whole = run_tests(style, program, card)
    if program.violated:
        whole = Finding("violation", "protocol", "wrote on the judge's channel")
    return {"findings": card.findings, "texts": card.texts, "whole": whole}


def serve(job_fd: int, start: Mapping[str, Any]) -> None:
    """The life of one tester."""
    try:
        if "problem" in start:
            answer = announcement(prepared(decode(start["problem"], plain_only)))
        else:
            first = binascii.a2b_base64(start["first"])
            answer = report(restored(start["kept"]), CarriedQuestions(job_fd, first))
    except (BrokenProblem, SyntaxError) as error:
        answer = {"broken": str(error)}
    frames.send(job_fd, answer)


def announcement(style: Style) -> dict[str, Any]:
    return {"names": style.test_names, "wanted": style.wanted, "kept": kept(style)}


def prepared(problem: Mapping[str, Any]) -> Style:
    """The style of tests that are source."""
    if problem["tests"]["kind"] not in _STYLES:
        raise BrokenProblem("tests that are data are compared in the judge")
    style = _STYLES[problem["tests"]["kind"]](problem)
    if style.handing:
        style.handing = "write"  # as in one process; these tests are believed no further anyway
    return style


def kept(style: Style) -> str:
    """A style as text, for `restored`: compiling the tests costs as much as running them."""
    state = vars(style) | {"_prepared": tuple(vars(style)["_prepared"])}
    kind = next(name for name, each in _STYLES.items() if type(style) is each)
    return binascii.b2a_base64(marshal.dumps((kind, state)), newline=False).decode()


def restored(text: str) -> Style:
    kind, state = marshal.loads(binascii.a2b_base64(text))
    style = object.__new__(_STYLES[kind])
    vars(style).update(state, _prepared=Prepared(*state["_prepared"]))
    return style


def main(job_fd: int) -> None:
    """Serve and end the process, whatever happens."""
    try:
        start = frames.receive(job_fd)
        if start is not None:
            (guest.serve if "source" in start else serve)(job_fd, start)
    finally:
        _exit(0)


# --- before the first program ------------------------------------------------------------------


_DUMMY = {
    "task_id": "dummy/1",
    "prompt": "import math\n\ndef poly(xs, x):\n    return sum(c * x ** i for i, c in enumerate(xs))\n\n"
    'def f(x: int) -> int:\n    """A problem like the ones to come."""\n',
    "entry_point": "f",
    "canonical_solution": "    return x + 1\n",
    "solution_is_continuation": True,
    "tests": {
        "kind": "check",
        "setup": "",
        "source": """
METADATA = {'author': 'nobody', 'dataset': 'none'}


def check(candidate):
    assert candidate(1) == 2, "one"
    assert math.isclose(candidate(2), poly([1, 1], 2))
    for number in range(3):
        assert candidate(number) == number + 1
    assert candidate([5, 6], word="x") == {"a": (1, 2.5), "b": [None, "text"]}
""",
    },
}


_FIRST = b'["ready",{"f":{"h":{"id":0,"type":"function","module":"","callable":true}}}]'


class _NoProgram(CarriedQuestions):
    """Answers each question with one value, through the frames that a program's answer takes."""

    def _send(self, value: Any) -> None:
        if value is not None:
            self._nonce = frames.unpack(frames.pack(value)[4:])[0]
            self._first = frames.pack([self._nonce, "value", {"d": [["a", {"t": [1, 2.5]}]]}])[4:]


def warm_up() -> None:
    """Run dummy tests in this very process, so that children find settled caches and arenas."""
    guest.warm_up()
    text = kept(prepared(_DUMMY))
    for _ in range(guest.NUM_WARM_UPS):
        start = frames.unpack(frames.pack({"kept": text, "first": ""})[4:])
        frames.pack(report(restored(start["kept"]), _NoProgram(-1, _FIRST)))
