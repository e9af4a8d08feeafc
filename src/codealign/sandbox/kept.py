"""Inside the cell: the program's objects that stay there, by number, and what the judge is told of them.

A value that is no plain data goes out as a handle: its number, and once for each class a description (name,
special methods, bases), from which the judge makes a stand-in. An immutable subclass of a builtin (a
namedtuple, an IntEnum) goes out as its value and a handle together.

Like all that runs here this is at the mercy of the program; see `guest`.
"""

from __future__ import annotations

import builtins
from types import ModuleType
from typing import Any

from codealign.sandbox import graph
from codealign.sandbox.borrowed import Borrowings
from codealign.sandbox.codec import TooDeep, decode, encode, reduced
from codealign.sandbox.covering import Coverage
from codealign.sandbox.specials import specials_of

# A program that redefines builtins redefines its own; see `guest`.
__builtins__ = dict(vars(builtins))

MESSAGE_LENGTH = 2000
MAX_CAUSES = 4
_KNOWN = {"function", "method", "builtin_function_or_method", "generator", "module", "code"}
_IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)
_LIBRARY_VALUES = frozenset(
    [
        ("decimal", "Decimal"),
        ("fractions", "Fraction"),
        ("datetime", "date"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("uuid", "UUID"),
    ]
)
"""Values of the library; a subclass of the program's own goes out as the value it is made of."""
_NAME_LENGTH = 80


class Handles:
    """Objects of the program that the judge holds by number, and the border of its values."""

    def __init__(self, program_path: str) -> None:
        self._program_path = program_path
        self.coverage = Coverage(program_path)
        self.objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._described: dict[type, int] = {}
        self._news: list[type] = []
        self.handed: list[Any] = []
        """Containers of the test in the arguments of the call that is under way, by number."""
        self.nonces: list[int] = []
        """Of the questions that are being worked on, the innermost last."""
        self.ask: Any = None
        self.borrowed: Borrowings | None = None
        """What belongs to the judge; set when the judge first lends something."""

    # --- out --------------------------------------------------------------------------------

    def encode(self, value: Any) -> Any:
        self._news = []
        try:
            return encode(value, self.outside)
        except (TooDeep, RecursionError):
            for kind in self._news:  # their description was in what is thrown away
                self._described.pop(kind, None)
            return {"g": self._nodes([value])}

    def encode_handed(self, handed: list[Any], value: Any) -> list[Any]:
        """What the containers that were handed over hold now, and the value; see `handed`."""
        return self._nodes([*handed, [value]])

    def _nodes(self, roots: list[Any]) -> list[Any]:
        return graph.write(roots, lambda leaf: encode(leaf, self.outside))

    def reduced(self, value: Any) -> Any:
        """The builtin value that an instance of the program's own list, dict or the like is made of."""
        return reduced(value, self.outside)

    def outside(self, value: Any, depth: int) -> Any:
        """What goes out for a value that is no plain data."""
        kind = type(value)
        if self.borrowed is not None and kind in self.borrowed.classes:
            return {"J": self.borrowed.number(value)}
        if issubclass(kind, BaseException):
            return {"E": self.describe(value)}
        if issubclass(kind, _IMMUTABLE):
            return {"x": [reduced(value, self.outside, depth), self.keep(value)]}
        if kind.__module__ == "pathlib" and hasattr(value, "as_posix"):
            pure = "pw" if "Windows" in kind.__name__ else "pp"
            return {"x": [{pure: str(value)}, self.keep(value)]}
        if any((base.__module__, base.__name__) in _LIBRARY_VALUES for base in kind.__mro__):
            return reduced(value, self.outside, depth)
        return {"h": self.keep(value)}

    def keep(self, value: Any) -> dict[str, Any]:
        """The handle of an object: the same number each time, so that it is the same object there."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        kind = type(value)
        if kind.__module__ == "builtins" and kind.__name__ in _KNOWN:
            return _known(number, value, kind)
        if issubclass(kind, type):
            return {"id": number, "class": self._class(value)}
        return {"id": number, "of": self._class(kind)}

    def _class(self, kind: type) -> int | dict[str, Any]:
        """A class by number, with its description the first time."""
        if kind in self._described:
            return self._described[kind]
        number = self._numbers.get(id(kind))
        if number is None:
            number = self._numbers[id(kind)] = len(self.objects)
            self.objects.append(kind)
        self._described[kind] = number
        self._news.append(kind)
        bases = type.__dict__["__bases__"].__get__(kind)
        return {
            "id": number,
            "name": str(kind.__name__)[:_NAME_LENGTH],
            "module": str(kind.__module__)[:_NAME_LENGTH],
            "specials": specials_of(kind),
            "own": _own_names(kind) if issubclass(kind, _IMMUTABLE) else [],
            "bases": [_plain_base(base) or self._class(base) for base in bases],
        }

    def describe(self, error: BaseException, depth: int = 0) -> dict[str, Any]:
        """An exception as data: builtin names of its classes, its own name, a text, its arguments."""
        kind = type(error)
        told: dict[str, Any] = {
            "kinds": [base.__name__ for base in kind.__mro__ if base.__module__ == "builtins"],
            "name": str(kind.__name__)[:_NAME_LENGTH],
            "message": _text_of(error),
            "line": line_of(error, self._program_path),
            "args": [self._argument(item) for item in _arguments(error)],
        }
        if kind.__module__ != "builtins" or getattr(error, "__dict__", None):
            told["of"] = self.keep(error)
        if "_borrowed_error" in getattr(error, "__dict__", ()):
            told["borrowed"] = vars(error)["_borrowed_error"]
        if error.__cause__ is not None and depth < MAX_CAUSES:
            told["cause"] = self.describe(error.__cause__, depth + 1)
        if isinstance(error, BaseExceptionGroup):
            told["parts"] = [self.describe(part, depth + 1) for part in error.exceptions]
        return told

    def _argument(self, value: Any) -> Any:
        try:
            return encode(value, self.outside)
        except (TooDeep, RecursionError):
            return None

    # --- in ---------------------------------------------------------------------------------

    def decode(self, data: Any) -> Any:
        return decode(data, self.inside)

    def inside(self, tag: str, payload: Any, inner: Any) -> Any:
        """A value that only this border knows: a kept object, or something of the judge's."""
        if tag == "h":
            return self.objects[payload]
        if tag == "&":
            number, data = payload
            self.handed.extend([None] * (number + 1 - len(self.handed)))
            self.handed[number] = inner(data)
            return self.handed[number]
        if tag == "*":
            return self.handed[payload]
        if self.borrowed is None:
            self.borrowed = Borrowings(self.ask)
        return self.borrowed.inside(tag, payload, inner)


def _known(number: int, value: Any, kind: type) -> dict[str, Any]:
    told = {"id": number, "type": kind.__name__}
    if kind is ModuleType:
        told["module"] = str(getattr(value, "__name__", ""))[:_NAME_LENGTH]
    return told


def _plain_base(base: type) -> str | None:
    return base.__name__ if base.__module__ == "builtins" else None


def _own_names(kind: type) -> list[str]:
    """Public names that the program's own classes add to (or change of) the builtin they are made of."""
    own = [base for base in kind.__mro__ if base.__module__ not in ("builtins", "enum")]
    return sorted({name for base in own for name in vars(base) if not name.startswith("_")})


def _arguments(error: BaseException) -> tuple[Any, ...]:
    if isinstance(error, OSError) and error.filename is not None and len(error.args) == 2:
        return (*error.args, error.filename)
    return error.args


def _text_of(error: BaseException) -> str:
    try:
        return str.__str__(str(error))[:MESSAGE_LENGTH]
    except BaseException:  # the program's own __str__ may raise anything
        return ""


def line_of(error: BaseException, path: str) -> int:
    """The line of the program where an exception passed last; 0 when it passed none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
