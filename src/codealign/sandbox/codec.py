"""Values as JSON with tags, in both directions between a judge and a program.

`encode` reduces a value to plain data: exact builtin types keep their type, a subclass (a namedtuple,
a Counter, an IntEnum, a float with a lying `__eq__`) is sent as the builtin value it is made of, read
through the builtin's own methods. Everything else becomes a handle: a number that means an object on
the other side. `decode` rebuilds values of builtin and standard library types only.

Promised: decoding runs no code of the sender, and refuses what `encode` can't have written. Not
promised: that shared or cyclic structure survives (copies, and depth is capped).
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from math import isfinite
from typing import Any

# A program that redefines builtins redefines its own: what answers for it keeps those it was born with.
__builtins__ = dict(vars(builtins))

MAX_DEPTH = 60
MAX_EXPONENT = 100_000
"""Digits or powers of ten of a Decimal or Fraction: what is larger could keep the judge busy for hours."""
MAX_TWINS = 1000
"""Items of a set that may all hash alike."""
_BIG = 1 << 1024
_SCALARS = frozenset({str, bool, type(None)})

Remote = Callable[[Any], Any]


class TooDeep(Exception):
    """The value is nested deeper than MAX_DEPTH (or contains itself)."""


class Undecodable(Exception):
    """A tag, a shape or a type that `encode` can't have written."""


# --- encoding -----------------------------------------------------------------------------------


def encode(value: Any, remote: Remote, depth: int = 0) -> Any:
    """`value` as JSON types; objects that are no plain data become `{"h": remote(value)}`.

    Raises:
        TooDeep: nested deeper than MAX_DEPTH.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is int:
        return value if -_BIG < value < _BIG else {"i": hex(value)}
    if kind is float:
        return value if isfinite(value) else {"f": repr(value)}
    if depth > MAX_DEPTH:
        raise TooDeep
    if kind is list:
        return _encode_items(value, remote, depth + 1)
    write = _WRITERS.get(kind) or _writer_of_base(kind)
    if write is None:
        return {"h": remote(value)}
    return write(value, remote, depth + 1)


def _encode_items(items: Any, remote: Remote, depth: int) -> list[Any]:
    kinds = set(map(type, items))
    if len(kinds) == 1 and (kinds <= _SCALARS or _all_small(kinds, items)):
        return list(items)
    return [encode(item, remote, depth) for item in items]


def _all_small(kinds: set[type], items: Any) -> bool:
    if int in kinds:
        return min(items) > -_BIG and max(items) < _BIG
    return float in kinds and all(map(isfinite, items))


def _items_writer(tag: str, items: Callable[[Any], Any]) -> Callable[[Any, Remote, int], Any]:
    return lambda value, remote, depth: {tag: _encode_items(items(value), remote, depth)}


def _write_dict(value: Any, remote: Remote, depth: int) -> Any:
    pairs = dict.items(value)
    return {"d": [[encode(k, remote, depth), encode(v, remote, depth)] for k, v in pairs]}


def _write_items_view(value: Any, remote: Remote, depth: int) -> Any:
    return {"vi": [[encode(k, remote, depth), encode(v, remote, depth)] for k, v in value]}


def _write_class(value: Any, remote: Remote, depth: int) -> Any:
    if value.__module__ == "builtins" and getattr(_builtins, value.__name__, None) is value:
        return {"T": value.__name__}
    return {"h": remote(value)}


_builtins = sys.modules["builtins"]

_WRITERS: dict[type, Callable[[Any, Remote, int], Any]] = {
    # Reached by subclasses only: the exact types were dealt with above.
    str: lambda value, remote, depth: str.__str__(value),
    int: lambda value, remote, depth: encode(int.__index__(value), remote, depth),
    float: lambda value, remote, depth: encode(float.__float__(value), remote, depth),
    list: lambda value, remote, depth: _encode_items(list.copy(value), remote, depth),
    tuple: _items_writer("t", lambda value: list(tuple.__iter__(value))),
    set: _items_writer("s", lambda value: list(set.__iter__(value))),
    frozenset: _items_writer("S", lambda value: list(frozenset.__iter__(value))),
    dict: _write_dict,
    bytes: lambda value, remote, depth: {"b": bytes.hex(value)},
    bytearray: lambda value, remote, depth: {"B": bytearray.hex(value)},
    complex: lambda value, remote, depth: {
        "c": [encode(value.real, remote), encode(value.imag, remote)]
    },
    range: lambda value, remote, depth: {
        "r": [encode(part, remote) for part in (value.start, value.stop, value.step)]
    },
    slice: lambda value, remote, depth: {
        "sl": [encode(part, remote, depth) for part in (value.start, value.stop, value.step)]
    },
    type({}.keys()): _items_writer("vk", list),
    type({}.values()): _items_writer("vv", list),
    type({}.items()): _write_items_view,
    type(...): lambda value, remote, depth: {"e": "Ellipsis"},
    type(NotImplemented): lambda value, remote, depth: {"e": "NotImplemented"},
    type: _write_class,
}


def _write_text(tag: str, text: Callable[[Any], str]) -> Callable[[Any, Remote, int], Any]:
    return lambda value, remote, depth: {tag: text(value)}


def _write_deque(value: Any, remote: Remote, depth: int) -> Any:
    return {"q": [_encode_items(list(value), remote, depth), value.maxlen]}


def _write_numpy_scalar(value: Any, remote: Remote, depth: int) -> Any:
    item = value.item()
    plain = type(item).__module__ == "builtins"
    return encode(item, remote, depth) if plain else {"h": remote(value)}


# Types of modules that are not imported here: a value of one proves that its module is loaded.
_WRITERS_BY_NAME: dict[tuple[str, str], Callable[[Any, Remote, int], Any]] = {
    ("collections", "deque"): _write_deque,
    ("decimal", "Decimal"): _write_text("D", lambda value: value.__class__.__str__(value)),
    ("fractions", "Fraction"): lambda value, remote, depth: {
        "Q": [hex(value.numerator), hex(value.denominator)]
    },
    ("datetime", "datetime"): _write_text("dt", lambda value: value.isoformat()),
    ("datetime", "date"): _write_text("da", lambda value: value.isoformat()),
    ("datetime", "time"): _write_text("ti", lambda value: value.isoformat()),
    ("datetime", "timedelta"): lambda value, remote, depth: {
        "td": [value.days, value.seconds, value.microseconds]
    },
    ("numpy", "generic"): _write_numpy_scalar,
}


def _writer_of_base(kind: type) -> Callable[[Any, Remote, int], Any] | None:
    for base in type.__dict__["__mro__"].__get__(kind):
        if base is not type and base in _WRITERS:
            return _WRITERS[base]
        name = (getattr(base, "__module__", None), base.__name__)
        if name in _WRITERS_BY_NAME:
            return _WRITERS_BY_NAME[name]  # type: ignore[index]
    return None


# --- decoding -----------------------------------------------------------------------------------


def decode(data: Any, resolve: Callable[[Any], Any], depth: int = 0) -> Any:
    """The value that `encode` wrote; handles go through `resolve(payload)`.

    Raises:
        Undecodable: anything that `encode` can't have written.
    """
    kind = type(data)
    if kind is dict:
        return _decode_tagged(data, resolve, depth)
    if kind is list:
        if depth > MAX_DEPTH + 4:
            raise Undecodable("nested too deep")
        if not ({dict, list} & set(map(type, data))):
            return data
        return [decode(item, resolve, depth + 1) for item in data]
    return data


def _decode_tagged(data: dict[str, Any], resolve: Callable[[Any], Any], depth: int) -> Any:
    if len(data) != 1:
        raise Undecodable("a tagged value has one key")
    [(tag, payload)] = data.items()
    if tag == "h":
        return resolve(payload)
    read = _READERS.get(tag)
    if read is None:
        raise Undecodable(f"unknown tag {tag[:20]!r}")
    try:
        return read(payload, lambda item: decode(item, resolve, depth + 1))
    except (TypeError, ValueError, ArithmeticError, KeyError, AttributeError, LookupError) as error:
        raise Undecodable(f"bad payload of tag {tag!r}: {type(error).__name__}") from None


Inner = Callable[[Any], Any]


def _items(payload: Any, inner: Inner) -> list[Any]:
    if type(payload) is not list:
        raise TypeError("a list was expected")
    return [inner(item) for item in payload]


def _hashed(payload: Any, inner: Inner) -> list[Any]:
    """Items of a set, or keys, that hash apart: of 60,000 that hash alike a set is half a minute in C."""
    items = _items(payload, inner)
    if len(items) > MAX_TWINS and len(set(map(hash, items))) < len(items) // 2:
        raise ValueError("a set or dict of them would take too long to build")
    return items


def _pairs(payload: Any, inner: Inner) -> dict[Any, Any]:
    keys = _hashed([key for key, _ in payload], inner)
    return dict(zip(keys, [inner(value) for _, value in payload], strict=True))


def _read_deque(payload: Any, inner: Inner) -> Any:
    from collections import deque

    items, maxlen = payload
    return deque(_items(items, inner), maxlen)


def _read_decimal(payload: Any, inner: Inner) -> Any:
    from decimal import Decimal

    number = Decimal(payload)
    if number.is_finite() and abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueError("turning it into an integer would never end")
    return number


def _read_fraction(payload: Any, inner: Inner) -> Any:
    from fractions import Fraction

    top, bottom = payload
    if len(top) + len(bottom) > MAX_EXPONENT:
        raise ValueError("reducing it would take too long")
    return Fraction(int(top, 16), int(bottom, 16))


def _read_moment(kind: str) -> Callable[[Any, Inner], Any]:
    def read(payload: Any, inner: Inner) -> Any:
        import datetime

        return getattr(datetime, kind).fromisoformat(payload)

    return read


def _read_timedelta(payload: Any, inner: Inner) -> Any:
    import datetime

    return datetime.timedelta(*payload)


def _read_class(payload: Any, inner: Inner) -> Any:
    found = getattr(_builtins, payload)
    if not isinstance(found, type):
        raise TypeError("not a class")
    return found


_READERS: dict[str, Callable[[Any, Inner], Any]] = {
    "i": lambda payload, inner: int(payload, 16),
    "f": lambda payload, inner: {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}[
        payload
    ],
    "t": lambda payload, inner: tuple(_items(payload, inner)),
    "s": lambda payload, inner: set(_hashed(payload, inner)),
    "S": lambda payload, inner: frozenset(_hashed(payload, inner)),
    "d": _pairs,
    "b": lambda payload, inner: bytes.fromhex(payload),
    "B": lambda payload, inner: bytearray.fromhex(payload),
    "c": lambda payload, inner: complex(inner(payload[0]), inner(payload[1])),
    "r": lambda payload, inner: range(*_items(payload, inner)),
    "sl": lambda payload, inner: slice(*_items(payload, inner)),
    "vk": lambda payload, inner: dict.fromkeys(_hashed(payload, inner)).keys(),
    "vv": lambda payload, inner: dict(enumerate(_items(payload, inner))).values(),
    "vi": lambda payload, inner: _pairs(payload, inner).items(),
    "e": lambda payload, inner: {"Ellipsis": ..., "NotImplemented": NotImplemented}[payload],
    "T": _read_class,
    "q": _read_deque,
    "D": _read_decimal,
    "Q": _read_fraction,
    "dt": _read_moment("datetime"),
    "da": _read_moment("date"),
    "ti": _read_moment("time"),
    "td": _read_timedelta,
}
