"""Values as JSON with tags, in both directions between a judge and a program.

`encode` writes values of builtin and standard library types (and numpy's), `decode` rebuilds them. What is of
no such type exactly, an object or a subclass, is the border's to decide: `outside(value, depth)` writes it on
one side, `inside(tag, payload, inner)` reads on the other the tags that are not known here. `reduced` is there
for subclasses: the builtin value that one is made of, read through the builtin's own methods, so that a lying
`__eq__`, `__iter__` or `__getitem__` has no say.

Promised: decoding runs no code of the sender, and refuses what `encode` can't have written. Not
promised: that shared or cyclic structure survives (copies, and depth is capped); `graph` is for those.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from math import isfinite
from types import NoneType
from typing import Any

# A program that redefines builtins redefines its own: what answers for it keeps those it was born with.
__builtins__ = dict(vars(builtins))

MAX_DEPTH = 60
MAX_EXPONENT = 100_000
"""Digits or powers of ten of a Decimal or Fraction: what is larger could keep the judge busy for hours."""
MAX_TWINS = 1000
"""Items of a set that may hash like others of it: one more look each at every one before, 5 ms in all."""
_BIG = 1 << 1024
_SCALARS = frozenset({str, bool, type(None)})

Outside = Callable[[Any, int], Any]
"""What to write for a value (at a depth) that is no plain data."""
Inner = Callable[[Any], Any]
Inside = Callable[[str, Any, Inner], Any]
"""(tag, payload, decoder of parts) → the value for a tag that the border wrote."""


class TooDeep(Exception):
    """The value is nested deeper than MAX_DEPTH (or contains itself)."""


class Undecodable(Exception):
    """A tag, a shape or a type that `encode` can't have written."""


# --- encoding -----------------------------------------------------------------------------------


def encode(value: Any, outside: Outside, depth: int = 0) -> Any:
    """`value` as JSON types; what is no plain data becomes `outside(value, depth)`.

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
        return _encode_items(value, outside, depth + 1)
    write = _WRITERS.get(kind) or _writer_by_name(kind)
    return outside(value, depth) if write is None else write(value, outside, depth + 1)


def reduced(value: Any, outside: Outside, depth: int = 0) -> Any:
    """A subclass's instance as the builtin value it is made of; None for any other object."""
    for base in type.__dict__["__mro__"].__get__(type(value)):
        write = _BASE_WRITERS.get(base) or _WRITERS.get(base) or _writer_by_name(base)
        if write is not None and base is not type:
            return write(value, outside, depth + 1)
    return None


def plain_or(refuse: Callable[[Any], Any]) -> Outside:
    """For data that should hold no objects: subclasses are reduced, the rest goes to `refuse`."""

    def outside(value: Any, depth: int) -> Any:
        written = reduced(value, outside, depth)
        return refuse(value) if written is None else written

    return outside


def _encode_items(items: Any, outside: Outside, depth: int) -> list[Any]:
    kinds = set(map(type, items))
    if len(kinds) == 1 and (kinds <= _SCALARS or _all_small(kinds, items)):
        return list(items)
    return [encode(item, outside, depth) for item in items]


def _all_small(kinds: set[type], items: Any) -> bool:
    if int in kinds:
        return min(items) > -_BIG and max(items) < _BIG
    return float in kinds and all(map(isfinite, items))


Writer = Callable[[Any, Outside, int], Any]


def _items_writer(tag: str, items: Callable[[Any], Any]) -> Writer:
    return lambda value, outside, depth: {tag: _encode_items(items(value), outside, depth)}


def _pairs_of(pairs: Any, outside: Outside, depth: int) -> list[Any]:
    return [[encode(k, outside, depth), encode(v, outside, depth)] for k, v in pairs]


def _pairs_writer(tag: str, pairs: Callable[[Any], Any]) -> Writer:
    return lambda value, outside, depth: {tag: _pairs_of(pairs(value), outside, depth)}


def _parts_writer(tag: str, *names: str) -> Writer:
    def write(value: Any, outside: Outside, depth: int) -> Any:
        return {tag: [encode(getattr(value, name), outside, depth) for name in names]}

    return write


def _text_writer(tag: str, text: Callable[[Any], str]) -> Writer:
    return lambda value, outside, depth: {tag: text(value)}


def _write_class(value: Any, outside: Outside, depth: int) -> Any:
    if value.__module__ == "builtins" and _BUILTIN_CLASSES.get(value.__name__) is value:
        return {"T": value.__name__}
    return outside(value, depth)


def _write_memory(value: Any, outside: Outside, depth: int) -> Any:
    if value.ndim != 1 or not value.contiguous:
        return outside(value, depth)
    return {"m": [value.format, value.tobytes().hex()]}


_BUILTIN_CLASSES = {
    kind.__name__: kind
    for kind in (*vars(builtins).values(), NoneType, type(...), type(NotImplemented))
    if isinstance(kind, type)
}

_WRITERS: dict[type, Writer] = {
    tuple: _items_writer("t", lambda value: list(tuple.__iter__(value))),
    set: _items_writer("s", lambda value: list(set.__iter__(value))),
    frozenset: _items_writer("S", lambda value: list(frozenset.__iter__(value))),
    dict: _pairs_writer("d", dict.items),
    bytes: _text_writer("b", bytes.hex),
    bytearray: _text_writer("B", bytearray.hex),
    complex: _parts_writer("c", "real", "imag"),
    range: _parts_writer("r", "start", "stop", "step"),
    slice: _parts_writer("sl", "start", "stop", "step"),
    type({}.keys()): _items_writer("vk", list),
    type({}.values()): _items_writer("vv", list),
    type({}.items()): _pairs_writer("vi", list),
    memoryview: _write_memory,
    type(...): _text_writer("e", lambda value: "Ellipsis"),
    type(NotImplemented): _text_writer("e", lambda value: "NotImplemented"),
    type: _write_class,
}

# For subclasses; the exact types are written above.
_BASE_WRITERS: dict[type, Writer] = {
    str: lambda value, outside, depth: str.__str__(value),
    int: lambda value, outside, depth: encode(int.__index__(value), outside, depth),
    float: lambda value, outside, depth: encode(float.__float__(value), outside, depth),
    list: lambda value, outside, depth: _encode_items(list.copy(value), outside, depth),
    complex: lambda value, outside, depth: encode(complex.__complex__(value), outside, depth),
}


def _write_deque(value: Any, outside: Outside, depth: int) -> Any:
    return {"q": [_encode_items(list(value), outside, depth), value.maxlen]}


def _write_defaultdict(value: Any, outside: Outside, depth: int) -> Any:
    factory = encode(value.default_factory, outside, depth)
    return {"dd": [factory, _pairs_of(dict.items(value), outside, depth)]}


def _write_array(value: Any, outside: Outside, depth: int) -> Any:
    return {"a": [value.typecode, _encode_items(value.tolist(), outside, depth)]}


def _write_zone(value: Any, outside: Outside, depth: int) -> Any:
    delta, name = value.__getinitargs__()[0], value.tzname(None)
    return {"tz": [delta.days, delta.seconds, delta.microseconds, name]}


def _write_numpy(value: Any, outside: Outside, depth: int) -> Any:
    """An array or scalar of numbers, booleans or text; objects and records stay where they are."""
    if value.dtype.kind not in "biufcmMSU" or value.dtype.fields is not None:
        return outside(value, depth)
    return {"n": [value.dtype.str, getattr(value, "shape", ()), value.tobytes().hex()]}


def _of_library(module: str, name: str) -> Any:
    """A class that there is a value of, for its own methods: a subclass may have others."""
    return getattr(sys.modules[module], name)


# Types of modules that are not imported here: a value of one proves that its module is loaded.
_WRITERS_BY_NAME: dict[tuple[str, str], Writer] = {
    ("collections", "deque"): _write_deque,
    ("collections", "Counter"): _pairs_writer("Co", dict.items),
    ("collections", "OrderedDict"): _pairs_writer("od", lambda value: value.items()),
    ("collections", "defaultdict"): _write_defaultdict,
    ("array", "array"): _write_array,
    ("decimal", "Decimal"): _text_writer(
        "D", lambda value: _of_library("decimal", "Decimal").__str__(value)
    ),
    ("fractions", "Fraction"): lambda value, outside, depth: {
        "Q": [hex(value.numerator), hex(value.denominator)]
    },
    ("datetime", "datetime"): _text_writer(
        "dt", lambda value: _of_library("datetime", "datetime").isoformat(value)
    ),
    ("datetime", "date"): _text_writer(
        "da", lambda value: _of_library("datetime", "date").isoformat(value)
    ),
    ("datetime", "time"): _text_writer(
        "ti", lambda value: _of_library("datetime", "time").isoformat(value)
    ),
    ("datetime", "timedelta"): _parts_writer("td", "days", "seconds", "microseconds"),
    ("datetime", "timezone"): _write_zone,
    ("uuid", "UUID"): _text_writer("U", lambda value: value.hex),
    ("pathlib", "PurePosixPath"): _text_writer("pp", str),
    ("pathlib", "PureWindowsPath"): _text_writer("pw", str),
    ("numpy", "ndarray"): _write_numpy,
    ("numpy", "generic"): _write_numpy,
}


def _writer_by_name(kind: type) -> Writer | None:
    """The writer of exactly this type of another module; numpy has a class for each size of number."""
    module = type.__getattribute__(kind, "__module__")
    if module == "numpy" and issubclass(kind, _numpy_generic()):
        return _write_numpy
    return _WRITERS_BY_NAME.get((module, kind.__name__)) if type(module) is str else None


def _numpy_generic() -> type:
    return getattr(sys.modules.get("numpy"), "generic", NoneType)


# --- decoding -----------------------------------------------------------------------------------


def decode(data: Any, inside: Inside, depth: int = 0) -> Any:
    """The value that `encode` wrote; tags of the border go through `inside(tag, payload, inner)`.

    Raises:
        Undecodable: anything that `encode` can't have written.
    """
    kind = type(data)
    if kind is dict:
        return _decode_tagged(data, inside, depth)
    if kind is list:
        if depth > MAX_DEPTH + 4:
            raise Undecodable("nested too deep")
        if not ({dict, list} & set(map(type, data))):
            return data
        return [decode(item, inside, depth + 1) for item in data]
    return data


def _decode_tagged(data: dict[str, Any], inside: Inside, depth: int) -> Any:
    if len(data) != 1:
        raise Undecodable("a tagged value has one key")
    [(tag, payload)] = data.items()
    if depth > MAX_DEPTH + 4:
        raise Undecodable("nested too deep")
    read = _READERS.get(tag)
    try:
        if read is None:
            return inside(tag, payload, lambda item: decode(item, inside, depth + 1))
        return read(payload, lambda item: decode(item, inside, depth + 1))
    except (TypeError, ValueError, ArithmeticError, KeyError, AttributeError, LookupError) as error:
        raise Undecodable(f"bad payload of tag {tag!r}: {type(error).__name__}") from None


def plain_only(tag: str, payload: Any, inner: Inner) -> Any:
    """`inside` for data that holds no objects."""
    raise Undecodable(f"unknown tag {tag[:20]!r}")


def _items(payload: Any, inner: Inner) -> list[Any]:
    if type(payload) is not list:
        raise TypeError("a list was expected")
    return [inner(item) for item in payload]


def _hashed(payload: Any, inner: Inner) -> list[Any]:
    return hashing_apart(_items(payload, inner))


def hashing_apart(items: list[Any]) -> list[Any]:
    """Items of a set, or keys, that hash apart: of 60,000 that hash alike a set is half a minute in C.

    Raises:
        ValueError: too many hash alike.
    """
    if len(items) > MAX_TWINS and len(items) - len(set(map(hash, items))) > MAX_TWINS:
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


def _read_zone(payload: Any, inner: Inner) -> Any:
    import datetime

    days, seconds, microseconds, name = payload
    delta = datetime.timedelta(days, seconds, microseconds)
    plain = datetime.timezone(delta)
    return plain if plain.tzname(None) == name else datetime.timezone(delta, name)


def _read_counter(payload: Any, inner: Inner) -> Any:
    from collections import Counter

    return Counter(_pairs(payload, inner))


def _read_ordered(payload: Any, inner: Inner) -> Any:
    from collections import OrderedDict

    return OrderedDict(_pairs(payload, inner))


def _read_defaultdict(payload: Any, inner: Inner) -> Any:
    from collections import defaultdict

    factory, pairs = payload
    return defaultdict(inner(factory), _pairs(pairs, inner))


def _read_array(payload: Any, inner: Inner) -> Any:
    from array import array

    typecode, items = payload
    return array(typecode, _items(items, inner))


def _read_uuid(payload: Any, inner: Inner) -> Any:
    from uuid import UUID

    return UUID(hex=payload)


def _read_path(kind: str) -> Callable[[Any, Inner], Any]:
    def read(payload: Any, inner: Inner) -> Any:
        import pathlib

        return getattr(pathlib, kind)(payload)

    return read


def _read_numpy(payload: Any, inner: Inner) -> Any:
    import numpy

    dtype, shape, text = payload
    if dtype.lstrip("<>|=")[:1] not in "biufcmMSU" or type(shape) is not list:
        raise TypeError("an array of numbers or text was expected")
    values = numpy.ndarray(tuple(shape), numpy.dtype(dtype), bytes.fromhex(text))
    return values.copy() if shape else values[()]


def _read_class(payload: Any, inner: Inner) -> Any:
    return _BUILTIN_CLASSES[payload]


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
    "tz": _read_zone,
    "m": lambda payload, inner: memoryview(bytes.fromhex(payload[1])).cast(payload[0]),
    "Co": _read_counter,
    "od": _read_ordered,
    "dd": _read_defaultdict,
    "a": _read_array,
    "U": _read_uuid,
    "pp": _read_path("PurePosixPath"),
    "pw": _read_path("PureWindowsPath"),
    "n": _read_numpy,
}
