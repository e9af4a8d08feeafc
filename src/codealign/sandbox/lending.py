"""The test's own objects in the program's hands: what crosses by name, what is lent, and what may be done with it.

A program that borrows a function may call it with plain data (or its own objects); one that borrows an
iterator may take items; one that borrows an object of a class that the test defines may use its public
attributes and its special methods. Nothing else of the judge can be reached from there: no name that starts with
an underscore, no frame, module or code; what a use gives back is plain data or lent itself under the same rules,
else the program gets an AttributeError. Exceptions of the test reach the program as builtin ones.
"""

from __future__ import annotations

import enum
import functools
import io
import random
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from codealign.sandbox.codec import encode, reduced
from codealign.sandbox.proxies import ProgramClass
from codealign.sandbox.remote import CannotCross, ProgramExit, is_remote, state_of
from codealign.sandbox.specials import OWN_SPECIALS, specials_of

TEST_MODULE = "test"
"""`__name__` where test code runs: classes of that module are the test's own."""
MAX_LENT = 100_000
MAX_MESSAGE = 2000

_CALLED_ONLY = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    functools.partial,
)
_OPEN_TYPES = (io.StringIO, io.BytesIO, types.SimpleNamespace, random.Random)
"""Library types whose public attributes lead nowhere else."""
_OF_GENERATORS = frozenset({"send", "throw", "close"})


class Lent(NamedTuple):
    """One object in the program's hands."""

    value: Any
    specials: frozenset[str]
    attributes: Callable[[str], bool]
    """Which attributes may be read."""


class Lender:
    """What one program has borrowed."""

    def __init__(self) -> None:
        self._lent: list[Lent] = []
        self._numbers: dict[int, int] = {}
        self._raised: list[BaseException] = []

    # --- out --------------------------------------------------------------------------------

    def encode(self, value: Any) -> Any:
        return encode(value, self.outside)

    def outside(self, value: Any, depth: int) -> Any:
        """What goes to the program for a value of the test that is no plain data.

        Raises:
            CannotCross: it can't be lent.
        """
        kind = type(value)
        if is_remote(value):
            return {"h": state_of(value)["_remote_id"]}
        if kind is ProgramClass:
            return {"h": value._remote_id_of_class}
        name = _library_name(value)
        if name is not None:
            return {"N": name}
        if isinstance(value, re.Pattern):
            return {"re": [encode(value.pattern, self.outside, depth), value.flags]}
        if isinstance(value, BaseException):
            return {"E": self.describe(value)}
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return {"nt": [kind.__name__, list(kind._fields), [self.encode(i) for i in value]]}
        if not isinstance(value, enum.Enum):
            written = reduced(value, self.outside, depth)
            if written is not None:
                return written
        return {"J": self.lend(value)}

    def lend(self, value: Any) -> dict[str, Any]:
        """Number and description of an object that the program may use from now on.

        Raises:
            CannotCross: an object of no kind that may be lent.
        """
        number = self._numbers.get(id(value))
        if number is None:
            lent = _terms(value)
            if lent is None or len(self._lent) >= MAX_LENT:
                name = type(value).__name__
                raise CannotCross(f"a {name} of the test can't be given to a program")
            number = self._numbers[id(value)] = len(self._lent)
            self._lent.append(lent)
        specials = sorted(self._lent[number].specials)
        told: dict[str, Any] = {"id": number, "type": type(value).__name__, "specials": specials}
        if isinstance(value, (types.FunctionType, type)):
            told["name"] = value.__name__
        if isinstance(value, (types.FunctionType, types.GeneratorType)):
            told["like"] = type(value).__name__
        return told

    def describe(self, error: BaseException) -> dict[str, Any]:
        """An exception of the test as data, for the program."""
        self._raised.append(error)
        try:
            arguments = [encode(item, self.outside) for item in error.args]
        except CannotCross:
            arguments = [str(error)[:MAX_MESSAGE]]
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return {"kinds": kinds, "args": arguments, "number": len(self._raised) - 1}

    # --- in ---------------------------------------------------------------------------------

    def value(self, number: Any) -> Any:
        """A lent object that the program hands back."""
        return self._lent[_index(number)].value

    def raised(self, number: Any) -> BaseException:
        """The exception of the test that comes back out of the program."""
        return self._raised[_index(number)]

    def use(self, operation: Any, number: Any, arguments: list[Any], keywords: Any) -> Any:
        """Do what the program asks of a lent object, with decoded arguments.

        Raises:
            Exception: of the test's code, or AttributeError and TypeError for what is not allowed.
        """
        lent = self._lent[_index(number)]
        if operation == "call" and "__call__" in lent.specials:
            return lent.value(*arguments, **keywords)
        if operation == "special" and arguments and arguments[0] in lent.specials:
            return getattr(type(lent.value), arguments[0])(lent.value, *arguments[1:])
        if operation == "getattr" and _is_public(arguments) and lent.attributes(arguments[0]):
            return getattr(lent.value, arguments[0])
        if operation == "setattr" and _is_public(arguments) and _may_set(lent, arguments[0]):
            return setattr(lent.value, *arguments)
        raise AttributeError(f"{type(lent.value).__name__} of the test has no such operation")

    def answer(self, use: Callable[[], Any]) -> list[Any]:
        """["told", value] or ["raised", exception], for the program."""
        try:
            return ["told", self.encode(use())]
        except CannotCross as error:
            return ["raised", self.describe(AttributeError(str(error)))]
        except (Exception, ProgramExit) as error:
            return ["raised", self.describe(error)]


def _index(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise LookupError("no such object")
    return number


def _is_public(arguments: list[Any]) -> bool:
    return bool(arguments) and type(arguments[0]) is str and not arguments[0].startswith("_")


def _may_set(lent: Lent, name: str) -> bool:
    """Data of the test's own objects; never a method, which the test may still rely on."""
    kind = type(lent.value)
    return kind.__module__ == TEST_MODULE and not callable(getattr(kind, name, None))


def _library_name(value: Any) -> list[str] | None:
    """[module, path] of what the program has itself: the standard library's functions, classes, modules."""
    if isinstance(value, types.ModuleType):
        module, path = value.__name__, ""
    else:
        module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if module is None and isinstance(
            value, types.MethodDescriptorType | types.WrapperDescriptorType
        ):
            module = value.__objclass__.__module__
    if type(module) is not str or type(path) is not str:
        return None
    if module.partition(".")[0] not in _LIBRARY:
        return None
    found = sys.modules.get(module)
    for part in path.split(".") if path else ():
        found = getattr(found, part, None)
    return [module, path] if found is value else None


_LIBRARY = (sys.stdlib_module_names | {"numpy"}) - {"__main__", "test"}


def _terms(value: Any) -> Lent | None:
    """What the program may do with an object of the test; None where it may not have it."""
    kind = type(value)
    if kind in _CALLED_ONLY:
        return Lent(value, frozenset({"__call__"}), _nothing)
    if kind is type and value.__module__ == TEST_MODULE:
        return Lent(value, frozenset({"__call__"}), _anything)
    specials = frozenset(specials_of(kind, OWN_SPECIALS))
    if kind.__module__ == TEST_MODULE or kind in _OPEN_TYPES:
        return Lent(value, specials, _anything)
    if kind is types.GeneratorType:
        return Lent(value, frozenset({"__iter__", "__next__"}), _OF_GENERATORS.__contains__)
    if isinstance(value, Iterator) and kind.__module__ in ("builtins", "itertools"):
        return Lent(value, frozenset({"__iter__", "__next__"}), _nothing)
    return None


def _nothing(name: str) -> bool:
    return False


def _anything(name: str) -> bool:
    return True
