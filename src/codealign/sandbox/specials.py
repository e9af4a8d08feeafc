"""Which special methods an object has: what its stand-in on the other side of the border must have too.

A stand-in that defines only the methods its object has answers `callable(x)`, `iter(x)` or `with x` as the object
itself would. Not here: `__eq__`, `__hash__` of a program's objects, which are never asked (see `remote`).
"""

from __future__ import annotations

import builtins

# A program that redefines builtins redefines its own; see `guest`.
__builtins__ = dict(vars(builtins))

_ARITHMETIC = {
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and", "or", "xor", "lshift", "rshift", "divmod"),
}
OPERATORS = frozenset(
    {f"__{name}__" for name in _ARITHMETIC | {"lt", "le", "gt", "ge"}}
    | {f"__r{name}__" for name in _ARITHMETIC}
)
"""With another operand."""

SPECIALS = OPERATORS | {
    *("__call__", "__iter__", "__next__", "__len__", "__bool__", "__contains__", "__reversed__"),
    *("__getitem__", "__setitem__", "__delitem__", "__enter__", "__exit__"),
    *("__int__", "__float__", "__complex__", "__index__", "__abs__", "__neg__", "__pos__"),
    *("__invert__", "__round__", "__str__", "__repr__", "__format__"),
    *("__await__", "__aiter__", "__anext__", "__aenter__", "__aexit__"),
}

OWN_SPECIALS = SPECIALS | {"__eq__", "__ne__", "__hash__"}
"""Of the test's own objects, which the judge may believe."""


def specials_of(kind: type, among: frozenset[str] = SPECIALS) -> list[str]:
    """The special methods that `kind` or a base other than `object` defines."""
    bases = type.__dict__["__mro__"].__get__(kind)[:-1]
    return sorted(among & set().union(*map(_namespace, bases)))


_namespace = type.__dict__["__dict__"].__get__
