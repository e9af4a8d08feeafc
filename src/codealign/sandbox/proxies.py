"""Stand-ins for a program's objects, classes and exceptions, made from what the guest tells of them.

One `Proxies` belongs to one program. Promised: the same object of the program is the same object here; no
description makes anything of the judge reachable, replaces a method of equality, or gives a stand-in a special
method that is not in `specials`. Not promised: that a description is true. It is the program's word on its own
objects, as it would be in one process.
"""

from __future__ import annotations

import collections
import functools
import re
import types
from collections.abc import Callable
from pathlib import PosixPath, PurePath, PurePosixPath, WindowsPath
from typing import Any

from codealign.sandbox import graph
from codealign.sandbox.codec import Undecodable
from codealign.sandbox.remote import (
    ASKED_DUNDERS,
    BUILTIN_ERRORS,
    CannotCross,
    ProgramError,
    ProgramExit,
    Remote,
    ToldError,
    ask_attribute,
    error_class,
    rebuild_error,
    state_of,
)
from codealign.sandbox.specials import OPERATORS, SPECIALS

ITEMS_PER_QUESTION = 64
SINGLE_ITEMS = 16
"""Items of an iterator that are asked for one by one before more are asked for at once."""

_IMMUTABLE = {kind.__name__: kind for kind in (int, float, complex, str, bytes, tuple, frozenset)}
_MUTABLE = {kind.__name__: kind for kind in (list, dict, set, bytearray)}
_LIKE: dict[str, Any] = {
    "function": types.FunctionType,
    "method": types.MethodType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "generator": types.GeneratorType,
    "coroutine": types.CoroutineType,
    "async_generator": types.AsyncGeneratorType,
    "module": types.ModuleType,
    "Match": re.Match,
    "Pattern": re.Pattern,
}
"""Types that `isinstance` may take a stand-in for: none of them says anything about equality."""

_KNOWN_SPECIALS = {
    "function": ("__call__",),
    "method": ("__call__",),
    "builtin_function_or_method": ("__call__",),
    "generator": ("__iter__", "__next__"),
    "module": (),
    "code": (),
}


class ProgramClass(type):
    """The class of a program's class: calling it constructs in the cell."""

    def __new__(mcs, name: str, bases: tuple[type, ...], scope: dict[str, Any]) -> Any:
        if "_remote_id" not in scope:
            raise CannotCross(
                f"a class of the test inherits from {bases[0].__name__} of the program"
            )
        return super().__new__(mcs, name, bases, scope)

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        made = cls._remote_class_ask("call", cls, *arguments, **keywords)
        if cls._remote_trusted and isinstance(made, Remote):
            state_of(made)["_remote_made"] = True
        return made

    def __getattr__(cls, name: str) -> Any:
        if name.startswith(("_remote", "__")) and name not in ASKED_DUNDERS:
            raise AttributeError(name)
        return cls._remote_class_ask("getattr", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        cls._remote_class_ask("setattr", cls, name, value)

    def __iter__(cls) -> Any:
        return cls._remote_class_ask("iter", cls)

    def __len__(cls) -> int:
        return cls._remote_class_ask("special", cls, "__len__")

    def __bool__(cls) -> bool:
        return True

    def __getitem__(cls, key: Any) -> Any:
        return cls._remote_class_ask("special", cls, "__getitem__", key)

    def trust(cls) -> None:
        """The problem itself defines this class: operators of what the test makes of it are asked."""
        type.__setattr__(cls, "_remote_trusted", True)


class Proxies:
    """What one program's handles mean here."""

    def __init__(self, ask: Callable[..., Any], lent: Callable[[Any], Any]) -> None:
        self._ask, self._lent = ask, lent
        self._objects: dict[int, Any] = {}
        self._classes: dict[int, type] = {}

    def inside(self, tag: str, payload: Any, inner: Any) -> Any:
        """The value for a tag that the guest's border wrote; see `codec.decode`."""
        if tag == "h":
            return self._object(payload)
        if tag == "x":
            value, handle = payload
            return self._value(inner(value), handle)
        if tag == "E":
            return self.error(payload, inner)
        if tag == "g":
            return graph.read(payload, inner)[0]
        if tag == "J":
            return self._lent(payload)
        raise Undecodable(f"unknown tag {tag[:20]!r}")

    # --- objects ----------------------------------------------------------------------------

    def _object(self, payload: Any) -> Any:
        match payload:
            case {"id": int() as number, "type": str() as name}:
                return self._keep(number, lambda: _known_class(name), payload)
            case {"id": int() as number, "class": described}:
                kind = self._class(described)
                if kind._remote_id_of_class != number:
                    raise Undecodable("a class with another's number")
                return kind
            case {"id": int() as number, "of": described}:
                kind = self._class(described)
                if not issubclass(kind, Remote):
                    raise Undecodable("a handle without the value it is made of")
                return self._keep(number, lambda: kind, payload)
        raise Undecodable("a handle of no known shape")

    def _keep(self, number: int, kind: Callable[[], type], payload: Any) -> Any:
        if number not in self._objects:
            made = object.__new__(kind())
            self._own(made, number)
            self._objects[number] = made
            if "module" in payload and type(payload["module"]) is str:
                state_of(made)["_remote_module"] = payload["module"]
        return self._objects[number]

    def _own(self, made: Any, number: int) -> None:
        state_of(made).update(_remote_ask=self._ask, _remote_id=number)

    def _value(self, plain: Any, payload: Any) -> Any:
        """An immutable value of a class of the program: equal as the value it is."""
        match payload:
            case {"id": int() as number, "of": described}:
                pass
            case _:
                raise Undecodable("a value's handle of no known shape")
        kind = self._class(described)
        if number not in self._objects:
            made = _path(plain) if isinstance(plain, PurePath) else _instance(kind, plain)
            self._own(made, number)
            self._objects[number] = made
        return self._objects[number]

    def error(self, payload: Any, inner: Any) -> BaseException:
        """An exception of the program, raised or returned."""
        match payload:
            case {
                "kinds": [*kinds],
                "name": str() as name,
                "message": str() as message,
                "line": int() as line,
                "args": [*arguments],
            }:
                told = ToldError(kinds, name, message, line, tuple(map(inner, arguments)))
            case _:
                raise Undecodable("an exception of no known shape")
        if "parts" in payload:
            parts = [self.error(part, inner) for part in payload["parts"]]
            return _group(told, parts)
        error = rebuild_error(told, self._error_class(payload.get("of")))
        if "of" in payload:
            self._own(error, payload["of"]["id"])
        if "cause" in payload:
            error.__cause__ = self.error(payload["cause"], inner)
        return error

    # --- classes ----------------------------------------------------------------------------

    def _error_class(self, payload: Any) -> type[BaseException] | None:
        if payload is None:
            return None
        match payload:
            case {"id": int(), "of": described}:
                kind = self._class(described)
                if issubclass(kind, (ProgramError, ProgramExit)):
                    return kind
        raise Undecodable("an exception of a class that is none")

    def _class(self, described: Any) -> Any:
        """The stand-in for a class of the program: by number, or by the description that comes first."""
        if type(described) is int:
            return self._classes[described]
        match described:
            case {
                "id": int() as number,
                "name": str() as name,
                "module": str() as module,
                "specials": [*specials],
                "own": [*own],
                "bases": [*bases],
            }:
                pass
            case _:
                raise Undecodable("a class of no known shape")
        made_bases = self._bases([name] if module == "builtins" else bases)
        scope: dict[str, Any] = {
            "__module__": module,
            "_remote_id": 0,
            "_remote_class_ask": staticmethod(self._ask),
            "_remote_id_of_class": number,
            "_remote_trusted": False,
        }
        if _is_object(made_bases):
            scope |= _scope(name, [item for item in specials if item in SPECIALS])
            scope |= _fetched(bases)
        else:
            scope["__getattr__"] = ask_attribute
            texts = [item for item in specials if item in _TEXTS]
            if any(issubclass(base, BaseException) for base in made_bases):
                texts = ["__repr__"] if "__repr__" in texts else []  # its text came with it
            scope |= {item: _TEXTS[item] for item in texts}
            scope |= {item: _Own(item) for item in own if _is_public(item)}
        kind = ProgramClass(name, made_bases, scope)
        self._classes[number] = kind
        return kind

    def _bases(self, told: list[Any]) -> tuple[type, ...]:
        made: list[type] = []
        for base in told:
            if type(base) is not str:
                made.append(self._class(base))
            elif base in BUILTIN_ERRORS:
                made.append(error_class(BUILTIN_ERRORS[base]))
            elif base in _IMMUTABLE:
                made.append(_IMMUTABLE[base])
        return tuple(dict.fromkeys(made)) or (Remote,)


def _instance(kind: type, plain: Any) -> Any:
    """An instance of a class of the program with the value of a builtin."""
    if not issubclass(kind, type(plain)):
        raise Undecodable("a value of a class that is not made of it")
    return type(plain).__new__(kind, plain)


def _path(plain: PurePath) -> Any:
    """A path of the program: compared here, opened and looked at only there."""
    full = PosixPath if isinstance(plain, PurePosixPath) else WindowsPath
    scope = {"__getattr__": ask_attribute, "__class__": property(lambda self: full)}
    return type(full.__name__, (type(plain),), scope)(str(plain))


@functools.cache
def _known_class(name: str) -> type:
    """The class of stand-ins for functions and the like, the same for every program."""
    if name not in _KNOWN_SPECIALS:
        raise Undecodable("a handle of no known type")
    return type(name, (Remote,), _scope(name, _KNOWN_SPECIALS[name]))


def _is_object(bases: tuple[type, ...]) -> bool:
    return all(issubclass(base, Remote) for base in bases)


def _is_public(name: Any) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_")


def _group(told: ToldError, parts: list[BaseException]) -> BaseException:
    if all(isinstance(part, Exception) for part in parts):
        return _ProgramGroup(told.message, [part for part in parts if isinstance(part, Exception)])
    return rebuild_error(told)


class _ProgramGroup(ProgramError, ExceptionGroup[Exception]):
    """An exception group of the program."""


class _Own:
    """An attribute that a program's class adds to the builtin it is made of."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return owner._remote_class_ask("getattr", owner, self._name)
        return ask_attribute(instance, self._name)


# --- methods of stand-ins -----------------------------------------------------------------------


_TEXTS: dict[str, Any] = {
    "__str__": lambda self: self._remote_ask("str", self),
    "__repr__": lambda self: self._remote_ask("repr", self),
    "__format__": lambda self, spec: self._remote_ask("format", self, spec),
}


def _scope(name: str, specials: Any) -> dict[str, Any]:
    """What a class of stand-ins defines: the special methods that the program's class has."""
    scope = {**_TEXTS, "__doc__": _Own("__doc__"), "__dict__": _Own("__dict__")}
    scope |= {special: _METHODS.get(special) or _asked(special) for special in specials}
    if name in _LIKE:
        scope["__class__"] = property(lambda self: _LIKE[name])
    return scope


def _asked(special: str) -> Callable[..., Any]:
    if special not in OPERATORS:
        return lambda self, *arguments: self._remote_ask("special", self, special, *arguments)

    def operator(self: Any, *operands: Any) -> Any:
        # Only on what the test made itself of a class that the problem defines: `answer - 3.5` of a
        # function's answer must not ask the answer.
        if not state_of(self).get("_remote_made"):
            return NotImplemented
        result = self._remote_ask("special", self, special, *operands)
        if isinstance(result, Remote):
            state_of(result)["_remote_made"] = True
        return result

    return operator


def _call(self: Any, *arguments: Any, **keywords: Any) -> Any:
    return self._remote_ask("call", self, *arguments, **keywords)


def _next(self: Any) -> Any:
    """The next item: one by one at first, so that an iterator is not run further than it is used."""
    state = state_of(self)
    waiting = state.setdefault("_remote_waiting", collections.deque())
    if not waiting:
        if "_remote_stop" in state:
            raise state["_remote_stop"]
        num_taken = state.get("_remote_taken", 0)
        num_wanted = min(max(1, num_taken // SINGLE_ITEMS), ITEMS_PER_QUESTION)
        items, stop = _taken(self._remote_ask("take", self, num_wanted))
        waiting.extend(items)
        state["_remote_taken"] = num_taken + len(items)
        if stop is not None:
            state["_remote_stop"] = stop
            if not items:
                del state["_remote_stop"]  # an iterator may go on after its end: ask again
                raise stop
    return waiting.popleft()


def _taken(answer: Any) -> tuple[list[Any], BaseException | None]:
    match answer:
        case (list() as items, None | BaseException() as stop) if items or stop:
            return items, stop
    raise TypeError("an iterator of the program answered with no items")


def _contains(self: Any, item: Any) -> bool:
    """By iteration here, where the item is compared; asked only of what the test made itself."""
    if not hasattr(type(self), "__iter__"):
        if not state_of(self).get("_remote_made"):
            raise TypeError(f"argument of type {type(self).__name__!r} is not iterable")
        return bool(self._remote_ask("special", self, "__contains__", item))
    return any(item is mine or item == mine for mine in self)


def _send(self: Any, value: Any) -> Any:
    """A coroutine that a test runs or awaits: it runs to its end in the cell."""
    raise StopIteration(self._remote_ask("await", self))


def _await(self: Any) -> Any:
    result = self._remote_ask("await", self)
    return result
    yield


async def _anext(self: Any) -> Any:
    return self._remote_ask("anext", self)


def _exit(self: Any, kind: Any, error: Any, trace: Any) -> Any:
    return self._remote_ask("exit", self, error)


async def _aenter(self: Any) -> Any:
    return self._remote_ask("aenter", self)


async def _aexit(self: Any, kind: Any, error: Any, trace: Any) -> Any:
    return self._remote_ask("aexit", self, error)


_METHODS: dict[str, Any] = {
    "__call__": _call,
    "__iter__": lambda self: self._remote_ask("iter", self),
    "__next__": _next,
    "__contains__": _contains,
    "__await__": _await,
    "__aiter__": lambda self: self._remote_ask("special", self, "__aiter__"),
    "__anext__": _anext,
    "__exit__": _exit,
    "__aenter__": _aenter,
    "__aexit__": _aexit,
}


def _fetched(bases: list[Any]) -> dict[str, Any]:
    """Equality of a program's own list, dict, set or bytearray: of the builtin value that it is made of,
    fetched when it is compared."""
    base = next((_MUTABLE[name] for name in bases if type(name) is str and name in _MUTABLE), None)
    if base is None:
        return {}

    def equal(self: Any, other: Any) -> Any:
        mine = fetched(self)
        return mine == (fetched(other) if isinstance(other, Remote) else other)

    return {
        "__eq__": equal,
        "__hash__": None,
        "__class__": property(lambda self: base),
        "_remote_base": base,
    }


def fetched(value: Any) -> Any:
    """The plain value that a program's own container is made of; other values as they are."""
    base = getattr(type(value), "_remote_base", None)
    if base is None:
        return value
    plain = value._remote_ask("plain", value)
    if not isinstance(plain, base):
        raise TypeError(f"a {base.__name__} was expected, the program gave {type(plain).__name__}")
    return plain
