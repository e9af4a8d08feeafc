"""Inside the cell: the test's own objects as the program sees them. Every use is one question to the judge.

Functions and classes of the standard library cross by name and are the program's own; so do modules and regular
expressions. A function, an iterator or an object that the test made stays with the judge, and its stand-in here has
the special methods that it has.
"""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Callable
from types import FunctionType, GeneratorType
from typing import Any

from codealign.sandbox.specials import OWN_SPECIALS

# A program that redefines builtins redefines its own; see `guest`.
__builtins__ = dict(vars(builtins))

_LIKE = {"function": FunctionType, "generator": GeneratorType}

Ask = Callable[..., Any]
"""(operation, object number, arguments, keywords) → the judge's answer."""


class Borrowings:
    """Stand-ins by number: one for each object, so that what was the same object is the same here."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.classes: set[type] = set()
        self._by_number: dict[int, Any] = {}
        self._tuples: dict[tuple[str, ...], type] = {}

    def number(self, value: Any) -> int:
        return object.__getattribute__(value, "_borrowed_number")

    def inside(self, tag: str, payload: Any, inner: Any) -> Any:
        """The value for a tag that the judge's border wrote."""
        if tag == "J":
            return self._stand_in(payload)
        if tag == "N":
            return _by_name(*payload)
        if tag == "E":
            return rebuild(payload, inner)
        if tag == "re":
            import re

            return re.compile(inner(payload[0]), payload[1])
        return self._named_tuple(payload, inner)

    def _stand_in(self, payload: dict[str, Any]) -> Any:
        number = payload["id"]
        if number not in self._by_number:
            kind = self._class(payload)
            self.classes.add(kind)
            stand_in = object.__new__(kind)
            object.__setattr__(stand_in, "_borrowed_number", number)
            if "name" in payload:
                object.__setattr__(stand_in, "__name__", payload["name"])
            self._by_number[number] = stand_in
        return self._by_number[number]

    def _class(self, payload: dict[str, Any]) -> type:
        scope: dict[str, Any] = {
            name: _special(self, name) for name in payload["specials"] if name in OWN_SPECIALS
        }
        if "__eq__" in scope and "__hash__" not in scope:
            scope["__hash__"] = None
        scope["__getattr__"] = _getattr_of(self)
        scope["__setattr__"] = _setattr_of(self)
        like = _LIKE.get(payload.get("like", ""))
        if like is not None:
            scope["__class__"] = property(lambda _: like)
        return type(payload["type"], (), scope)

    def _named_tuple(self, payload: Any, inner: Any) -> Any:
        from collections import namedtuple

        name, fields, items = payload
        key = (name, *fields)
        if key not in self._tuples:
            self._tuples[key] = namedtuple(name, fields)
        return self._tuples[key](*map(inner, items))


def _special(line: Borrowings, name: str) -> Callable[..., Any]:
    if name == "__call__":
        return lambda self, *arguments, **keywords: line.ask(
            "call", self._borrowed_number, arguments, keywords
        )
    return lambda self, *arguments: line.ask(
        "special", self._borrowed_number, (name, *arguments), {}
    )


def _getattr_of(line: Borrowings) -> Callable[..., Any]:
    def getattr_(self: Any, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return line.ask("getattr", self._borrowed_number, (name,), {})

    return getattr_


def _setattr_of(line: Borrowings) -> Callable[..., Any]:
    return lambda self, name, value: line.ask("setattr", self._borrowed_number, (name, value), {})


def _by_name(module: str, path: str) -> Any:
    found = importlib.import_module(module)
    for part in path.split(".") if path else ():
        found = getattr(found, part)
    return found


def rebuild(told: dict[str, Any], inner: Any) -> BaseException:
    """A test's exception as the builtin one it is; its number lets the judge know it again."""
    kind = next((getattr(builtins, name) for name in told["kinds"] if name in vars(builtins)), None)
    arguments = [inner(item) for item in told["args"]]
    try:
        error = (kind or Exception)(*arguments)
    except Exception:  # a class that wants other arguments than it keeps
        error = Exception(*arguments)
    if "number" in told:
        vars(error)["_borrowed_error"] = told["number"]
    return error
