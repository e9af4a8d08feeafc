"""The judge's side of the conversation with a guest: questions out, plain data or an exception in.

Whoever holds the other end of a program's socket asks through this: the judge's process for tests that are
trusted, the tester in its own cell for those that are not. `guest` has the other half and the frames.

Promised: an answer that nobody asked for, that is malformed or that holds anything but plain data and
handles is a Violation; a program uses of the judge's objects only what was lent to it, while a question is open,
to a depth of MAX_NESTED. Not promised: that an answer is true.
"""

from __future__ import annotations

import os
import struct
from typing import Any

from codealign.sandbox import remote
from codealign.sandbox.codec import TooDeep, Undecodable, decode
from codealign.sandbox.handed import Handed
from codealign.sandbox.lending import Lender
from codealign.sandbox.proxies import ProgramClass, Proxies

MAX_LINES, MAX_LINE = 10_000, 1_000_000
"""Of a program's coverage."""
MAX_NESTED = 40
"""Questions inside uses of lent objects inside questions."""

_NONCES = struct.Struct("<24Q")
_NONCE_BITS = 2**53 - 1  # any JSON reader keeps these exactly


class Asking:
    """Questions to one program; a subclass carries the frames."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._nonces: list[int] = []
        self._lender = Lender()
        self._proxies = Proxies(self.ask, self._lender.value)
        self._num_nested = 0
        self.handing = ""
        """What becomes of containers in arguments: "" copies, and no more is asked; "look" whether the
        program changes them; "write" its changes into the test's own. See `handed`."""
        self.changed_arguments = False

    def _send(self, value: Any) -> None:
        raise NotImplementedError

    def _receive(self) -> Any:
        raise NotImplementedError

    def _violation(self, message: str) -> remote.Violation:
        """Take note that the program forged a frame; the exception to raise for it."""
        raise NotImplementedError

    def _send_start(self) -> None:
        try:
            self._send(self._start)
        except remote.CannotCross:
            raise SyntaxError("a program of more than 8 MB") from None

    def begin(self) -> dict[str, Any]:
        self._send_start()
        reply = self._receive()
        match reply:
            case ["ready", dict() as found]:
                return {name: self._global(value) for name, value in found.items()}
            case ["syntax", str() as name, str() as message]:
                raise SyntaxError(f"{name}: {message}")
            case ["error", dict() as told]:
                raise self._error(told)
        raise self._violation("a frame of no known shape")

    def ask(self, operation: str, *arguments: Any, **keywords: Any) -> Any:
        """One operation in the program; see `protocol.Execution.ask`."""
        nonce = self._nonces.pop() if self._nonces else self._draw_nonces()
        handed = Handed(self._lender.encode) if self.handing and operation == "call" else None
        encode = self._as_sent if handed is None else handed.encode
        try:
            plain = [encode(argument) for argument in arguments]
            named = {name: encode(item) for name, item in keywords.items()}
        except (TooDeep, RecursionError):
            raise remote.CannotCross("an argument nested too deep for a program") from None
        self._send([nonce, operation if handed is None else "hand", plain, named])
        while True:
            match self._receive():
                case [int() as back, "value", value] if back == nonce:
                    return self._decode(value)
                case [int() as back, "handed", nodes] if back == nonce and handed is not None:
                    return self._take_back(handed, nodes)
                case [int() as back, "error", dict() as told] if back == nonce:
                    if handed is not None and "handed" in told:
                        self._take_back(handed, told["handed"])
                    raise self._error(told)
                case [int() as back, "uses", str() as use, number, [*items], dict() as named] if (
                    back == nonce
                ):
                    self._send([nonce, *self._use(use, number, items, named)])
                case _:
                    raise self._violation("an answer that nobody asked for")

    def covered_lines(self) -> list[int]:
        """See `protocol.Execution.covered_lines`."""
        return line_numbers(self.ask("lines"))

    def _take_back(self, handed: Handed, nodes: Any) -> Any:
        """The value of a call, and what it did to the containers in its arguments."""
        try:
            if self.handing == "write":
                return handed.write_back(nodes, self._decode)
            value, changed = handed.look(nodes, self._decode)
        except (TypeError, ValueError, LookupError, RecursionError) as error:
            raise self._violation(f"arguments of no known shape: {error}") from None
        self.changed_arguments = self.changed_arguments or changed
        return value

    def _use(self, use: str, number: Any, items: list[Any], named: dict[str, Any]) -> list[Any]:
        """Let the program use what was lent to it."""
        arguments = [self._decode(item) for item in items]
        keywords = {name: self._decode(item) for name, item in named.items()}
        self._num_nested += 1
        try:
            if self._num_nested > MAX_NESTED:
                error = RecursionError("the test and the program call each other too deep")
                return ["raised", self._lender.describe(error)]
            return self._lender.answer(lambda: self._lender.use(use, number, arguments, keywords))
        finally:
            self._num_nested -= 1

    def _as_sent(self, argument: Any) -> Any:
        """An argument as JSON; the handle that nearly every question begins with takes the short way."""
        if isinstance(argument, remote.Remote):
            return {"h": argument._remote_id}
        return self._lender.encode(argument)

    def _draw_nonces(self) -> int:
        """Numbers that the program can't foresee, several with one system call."""
        self._nonces = [number & _NONCE_BITS for number in _NONCES.unpack(os.urandom(_NONCES.size))]
        return self._nonces.pop()

    def _global(self, value: Any) -> Any:
        """A global of the program: plain data or a handle, never something that is called here."""
        decoded = self._decode(value)
        if callable(decoded) and not isinstance(decoded, remote.Remote | ProgramClass):
            raise self._violation("a global that would run in the judge")
        return decoded

    def _decode(self, value: Any) -> Any:
        try:
            return decode(value, self._proxies.inside)
        except (Undecodable, RecursionError) as error:
            raise self._violation(str(error)) from None

    def _error(self, told: dict[str, Any]) -> BaseException:
        """The exception that the program raised; the test's own where it came out of a lent object."""
        if "borrowed" in told:
            try:
                return self._lender.raised(told["borrowed"])
            except LookupError:
                raise self._violation("an exception that the test did not raise") from None
        return self._decode({"E": told})


def line_numbers(claim: Any) -> list[int]:
    """A program's list of its own line numbers, as far as it is one: sorted, each once, at most MAX_LINES."""
    if type(claim) is not list:
        return []
    numbers = {item for item in claim if type(item) is int and 0 < item <= MAX_LINE}
    return sorted(numbers)[:MAX_LINES]
