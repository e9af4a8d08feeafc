"""Containers that a test hands to a program, and what the program left in them.

Arguments are copies, so a test that looks at its list after the call would see it unchanged. Where a test may look
(`rewrite.looks_at_arguments`), the containers in the arguments are numbered, and the answer says what they hold
now and where they are part of it.

    argument   {"&": [number, value]} the first time, {"*": number} when it comes again
    answer     nodes as in `graph`: one for each numbered container, then [value]

Promised: a program changes nothing but the containers it was handed in this call, which keep their type, and puts
in them only plain data and its own objects. Not promised: what a program does to them after its answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from codealign.sandbox import graph

_CONTAINERS = (list, dict, set, bytearray, deque)


class Handed:
    """The containers in the arguments of one call."""

    def __init__(self, encode: Callable[[Any], Any]) -> None:
        self._encode = encode
        self._originals: list[Any] = []
        self._numbers: dict[int, int] = {}

    def encode(self, value: Any) -> Any:
        """An argument with its containers numbered."""
        kind = type(value)
        if kind is tuple:
            return {"t": [self.encode(item) for item in value]}
        if kind not in _CONTAINERS:
            return self._encode(value)
        number = self._numbers.get(id(value))
        if number is not None:
            return {"*": number}
        number = self._numbers[id(value)] = len(self._originals)
        self._originals.append(value)
        return {"&": [number, self._encode_items(value, kind)]}

    def _encode_items(self, value: Any, kind: type) -> Any:
        if kind is list:
            return [self.encode(item) for item in value]
        if kind is dict:
            return {"d": [[self._encode(key), self.encode(item)] for key, item in value.items()]}
        return self._encode(value)

    def write_back(self, nodes: Any, decode: Callable[[Any], Any]) -> Any:
        """Put what the program left into the test's own containers; the value that it gave.

        Raises:
            ValueError, TypeError, LookupError: nodes that the guest can't have written.
        """
        built = graph.read(nodes, decode, into=self._originals)
        return built[len(self._originals)][0]

    def look(self, nodes: Any, decode: Callable[[Any], Any]) -> tuple[Any, bool]:
        """The value that the program gave, and whether it changed a container; the test's are left alone."""
        copies = [type(original)() for original in self._originals]
        built = graph.read(nodes, decode, into=copies)
        changed = any(mine != theirs for mine, theirs in zip(self._originals, copies, strict=True))
        return built[len(copies)][0], changed
