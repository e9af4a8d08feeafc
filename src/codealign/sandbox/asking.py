"""The judge's side of the conversation with a guest: questions out, plain data or an exception in.

Whoever holds the other end of a program's socket asks through this: the judge's process for tests that are
trusted, the tester in its own cell for those that are not. `guest` has the other half and the frames.

Promised: an answer that nobody asked for, that is malformed or that holds anything but plain data and
handles is a Violation. Not promised: that an answer is true.
"""

from __future__ import annotations

import os
import struct
from typing import Any

from codealign.sandbox import remote
from codealign.sandbox.codec import TooDeep, Undecodable, decode, encode

_NONCES = struct.Struct("<24Q")
_NONCE_BITS = 2**53 - 1  # any JSON reader keeps these exactly


class Asking:
    """Questions to one program; a subclass carries the frames."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._nonces: list[int] = []

    def _send(self, value: Any) -> None:
        raise NotImplementedError

    def _receive(self) -> Any:
        raise NotImplementedError

    def _violation(self, message: str) -> remote.Violation:
        """Take note that the program forged a frame; the exception to raise for it."""
        raise NotImplementedError

    def begin(self) -> dict[str, Any]:
        self._send(self._start)
        reply = self._receive()
        match reply:
            case ["ready", dict() as found]:
                return {name: self._global(value) for name, value in found.items()}
            case ["syntax", list() as kinds, str() as name, str() as message]:
                raise SyntaxError(f"{name}: {message}")
            case ["error", list() as kinds, str() as name, str() as message]:
                raise remote.rebuild_error(kinds, name, message)
        raise self._violation("a frame of no known shape")

    def ask(self, operation: str, *arguments: Any, **keywords: Any) -> Any:
        nonce = self._nonces.pop() if self._nonces else self._draw_nonces()
        try:
            plain = [_as_sent(argument) for argument in arguments]
            named = {name: encode(argument, _number_of) for name, argument in keywords.items()}
        except TooDeep:
            raise remote.CannotCross("an argument nested too deep for a program") from None
        self._send([nonce, operation, plain, named])
        reply = self._receive()
        match reply:
            case [int() as back, "value", value] if back == nonce:
                return self._decode(value)
            case [int() as back, "error", list() as kinds, str() as name, str() as message] if (
                back == nonce
            ):
                raise remote.rebuild_error(kinds, name, message)
        raise self._violation("an answer that nobody asked for")

    def _draw_nonces(self) -> int:
        """Numbers that the program can't foresee, several with one system call."""
        self._nonces = [number & _NONCE_BITS for number in _NONCES.unpack(os.urandom(_NONCES.size))]
        return self._nonces.pop()

    def _global(self, value: Any) -> Any:
        """A global of the program: plain data or a handle, never something that is called here."""
        decoded = self._decode(value)
        if callable(decoded) and not isinstance(decoded, remote.Remote):
            raise self._violation("a global that would run in the judge")
        return decoded

    def _decode(self, value: Any) -> Any:
        try:
            return decode(value, self._resolve)
        except (Undecodable, RecursionError) as error:
            raise self._violation(str(error)) from None

    def _resolve(self, payload: Any) -> remote.Remote:
        match payload:
            case {"id": int() as number, "type": str() as name}:
                return remote.Remote(self.ask, number, name)
        raise Undecodable("a handle of no known shape")


def _as_sent(argument: Any) -> Any:
    """An argument as JSON; the handle that nearly every question begins with takes the short way."""
    if isinstance(argument, remote.Remote):
        return {"h": argument._remote_id}
    return encode(argument, _number_of)


def _number_of(value: Any) -> int:
    """The handle of an argument that is the program's own object."""
    if isinstance(value, remote.Remote):
        return value._remote_id
    raise remote.CannotCross(f"a {type(value).__name__} of the test can't be given to a program")
