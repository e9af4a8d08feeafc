"""What a test sees of a program: stand-ins for objects that stayed there, and the exceptions it raised.

Every use of a stand-in is one question to the cell. Equality and hash are identity, and are never asked: what a
program's `__eq__` would say, it could say of everything. `proxies` makes a class of stand-ins for each class
of the program, with the special methods that one has, so that `callable(x)`, `with x`, `for _ in x`,
`isinstance(x, Theirs)` and `except Theirs` mean what they mean in one process.
"""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple


class ProgramError(Exception):
    """An exception the program raised. Instances also inherit the builtin class it was, so a test's
    `except ValueError` sees what it would in one process."""

    type_name = ""
    message = ""
    line = 0
    """Of the program, where the exception passed last; 0 when unknown. The program's claim."""

    def __str__(self) -> str:
        return self.message


class ProgramExit(BaseException):
    """The program called `sys.exit` (or raised something else no `except Exception` catches)."""

    type_name = ""
    message = ""
    line = 0

    def __str__(self) -> str:
        return self.message


class ProgramEnded(BaseException):
    """The program's process is gone: a limit, a crash, or an exit of its own."""


class CannotCross(BaseException):
    """The test hands the program something that is neither plain data nor can be lent (a lock, a
    file, a huge argument). Ours to say, not the program's fault."""


class Violation(ProgramEnded):
    """The program wrote on the judge's socket what the guest can't have written."""


ASKED_DUNDERS = frozenset(
    {
        *("__name__", "__qualname__", "__doc__", "__dict__", "__module__", "__annotations__"),
        *("__defaults__", "__kwdefaults__", "__wrapped__", "__members__", "__dataclass_fields__"),
    }
)
"""Special attributes that are asked for. Never `__array_interface__` and its like: libraries in the judge look
for those, and numpy would read memory at the address they give."""


class Remote:
    """An object of the program. Subclasses are made by `proxies`."""

    _remote_id: int

    def __getattr__(self, name: str) -> Any:
        return ask_attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._remote_ask("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._remote_ask("delattr", self, name)

    def __copy__(self) -> Any:
        return self._remote_ask("copy", self)

    def __deepcopy__(self, memo: Any) -> Any:
        return self._remote_ask("deepcopy", self)


def ask_attribute(self: Any, name: str) -> Any:
    """The attribute of the program's object; special ones only where no library of the judge acts on them."""
    if name.startswith("_remote") or (name.startswith("__") and name not in ASKED_DUNDERS):
        raise AttributeError(name)
    ask = state_of(self).get("_remote_ask")
    if ask is None:  # made here of a value of the program's, by an operator or a method
        raise AttributeError(name)
    return ask("getattr", self, name)


def state_of(value: Any) -> dict[str, Any]:
    """What is known here of a stand-in; its `__dict__` is the program's."""
    return _own_dict(value) if isinstance(value, Remote) else vars(value)


_own_dict = Remote.__dict__["__dict__"].__get__


def is_remote(value: Any) -> bool:
    """A stand-in of any kind but a class: an object, a value with a class of the program, an exception."""
    kind = type(value)
    if issubclass(kind, Remote):
        return True
    return bool(kind.__flags__ & _HEAP_TYPE) and "_remote_ask" in getattr(value, "__dict__", ())


_HEAP_TYPE = 1 << 9


class ToldError(NamedTuple):
    """An exception as the program describes it, parts decoded."""

    kinds: list[str]
    type_name: str
    message: str
    line: int
    arguments: tuple[Any, ...]


BUILTIN_ERRORS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, BaseException)
    and not issubclass(kind, BaseExceptionGroup)
}


def rebuild_error(told: ToldError, kind: type[BaseException] | None = None) -> BaseException:
    """The exception to raise in the test for one that the program raised, of `kind` when it has its own."""
    base = next((name for name in told.kinds if name in BUILTIN_ERRORS), "Exception")
    kind = kind or error_class(BUILTIN_ERRORS[base])
    try:
        error = type.__call__(kind, *told.arguments)  # a class of the program's would ask the cell
    except Exception:  # a class that wants other arguments than it keeps
        error = kind.__new__(kind)
        error.args = told.arguments
    state = {
        "type_name": told.type_name,
        "message": told.message,
        "line": told.line if 0 < told.line <= MAX_LINE else 0,
    }
    vars(error).update(state)
    return error


MAX_LINE = 1_000_000
"""A program has no more lines than that."""
_error_classes: dict[type[BaseException], type[BaseException]] = {}


def error_class(base: type[BaseException]) -> type[BaseException]:
    """The class of exceptions of the program that are the builtin `base`."""
    if base not in _error_classes:
        ours = ProgramError if issubclass(base, Exception) else ProgramExit
        bases = (ours,) if base in (Exception, BaseException) else (ours, base)
        _error_classes[base] = type(base.__name__, bases, {})
    return _error_classes[base]
