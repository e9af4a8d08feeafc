"""What a test does with a program's answers comes out as it would in one process.

Each row of ROWS is a program and asserts on it. The same pair runs here, in one namespace, and through the judge; both
must say the same. Rows whose name starts with "wrong" fail in both.
"""

from __future__ import annotations

import collections
import functools
import io
import json
import textwrap
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from codealign.errors import SandboxError
from codealign.judging.referee import Referee
from codealign.records import AssertTests, CheckTests, Problem, StdioTests
from codealign.sandbox import Limits, open_cell
from codealign.sandbox.asking import line_numbers
from codealign.sandbox.cell import numpy_dirs
from codealign.sandbox.lending import Lender
from codealign.sandbox.remote import CannotCross

LIMITS = Limits(cpu_s=2.0, wall_s=8.0, memory_bytes=256 * 2**20)


class Bench(NamedTuple):
    """A referee with a cell of its own, in this process."""

    referee: Referee

    def judge(self, problem: Problem, program: str) -> dict[str, Any]:
        key = problem.hash + str(problem.canonical_solution)
        self.referee.learn(key, problem.model_dump())
        return self.referee.judge(key, textwrap.dedent(program))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    try:
        opened = open_cell("auto", False, LIMITS, numpy_dirs())
    except SandboxError as error:
        pytest.skip(f"no isolation on this machine: {error}")
    yield Bench(Referee(opened.cell, LIMITS))
    opened.cell.close()


class Row(NamedTuple):
    name: str
    program: str
    test: str


def rows(text: str) -> list[Row]:
    """Rows as text: `=== name`, the program, `---`, the test's statements."""
    found = []
    for block in text.split("\n=== ")[1:]:
        name, _, rest = block.partition("\n")
        program, _, test = rest.partition("\n---\n")
        found.append(Row(name.strip(), program, test))
    return found


def passes_in_one_process(row: Row) -> bool:
    scope: dict[str, Any] = {"__name__": "test"}
    try:
        exec(compile(row.program, "<program>", "exec", dont_inherit=True), scope)
        exec(compile(row.test, "<test>", "exec", dont_inherit=True), scope)
    except BaseException:
        return False
    return True


ROWS = rows(
    '''
=== functions that come back
def f(n):
    def add(m, *more, scale=1): return (n + m + sum(more)) * scale
    return add
---
g = f(2)
assert g(3) == 5
assert g(3, 4, scale=2) == 18
assert callable(g) and g.__name__ == "add"
=== a closure keeps state
def f():
    count = 0
    def step(by=1):
        nonlocal count
        count += by
        return count
    return step
---
step = f()
assert [step(), step(), step(by=3)] == [1, 2, 5]
assert f() is not f()
=== the same object is the same object
class Node:
    pass
root = Node()
def f(node=None): return node or root
---
assert f() is f()
assert f() == f()
assert f() != Node()
assert f(root) is root
assert len({f(), f(), root}) == 1
=== a generator
def f(n):
    for i in range(n): yield i * i
---
g = f(3)
assert next(g) == 0
assert list(g) == [1, 4]
assert list(g) == []
assert sum(f(100)) == sum(i * i for i in range(100))
=== an endless generator
def f():
    n = 0
    while True:
        yield n
        n += 1
---
import itertools
g = f()
assert list(itertools.islice(g, 5)) == [0, 1, 2, 3, 4]
assert next(g) == 5
assert [a for a, _ in zip(g, range(3))] == [6, 7, 8]
=== a generator that returns, sends and closes
def f():
    got = yield 1
    while got is not None: got = yield got * 2
    return "done"
---
g = f()
assert next(g) == 1
assert g.send(4) == 8
try:
    next(g)
    assert False
except StopIteration as stop:
    assert stop.value == "done"
assert next(g, "over") == "over"
=== a generator that raises after some items
def f():
    yield 1
    yield 2
    raise KeyError("late")
---
g = f()
seen = []
try:
    for item in g: seen.append(item)
except KeyError as error:
    seen.append(error.args[0])
assert seen == [1, 2, "late"]
=== isinstance of a generator
def f(): yield 1
---
import types, collections.abc, inspect
assert isinstance(f(), types.GeneratorType)
assert isinstance(f(), collections.abc.Iterator)
assert inspect.isgenerator(f()) and type(f()).__name__ == "generator"
assert not callable(f())
=== iterators of builtins
def f(xs): return map(lambda x: x + 1, xs)
def g(xs): return iter(xs), zip(xs, xs), reversed(xs), enumerate(xs)
---
assert list(f([1, 2])) == [2, 3]
assert sorted(f([2, 1])) == [2, 3]
it, pairs, back, numbered = g([1, 2])
assert next(it) == 1 and list(pairs) == [(1, 1), (2, 2)]
assert list(back) == [2, 1] and dict(numbered) == {0: 1, 1: 2}
=== an iterator class
class Countdown:
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        if self.n == 0: raise StopIteration
        self.n -= 1
        return self.n + 1
---
c = Countdown(3)
assert iter(c) is c
assert list(c) == [3, 2, 1]
assert [x for x in Countdown(2)] == [2, 1]
assert 2 in Countdown(5) and 9 not in Countdown(5)
assert max(Countdown(4)) == 4
=== a context manager
class f:
    log = []
    def __init__(self, name): self.name = name
    def __enter__(self): self.log.append("in"); return self
    def __exit__(self, kind, error, trace):
        self.log.append(kind.__name__ if kind else "out")
        return kind is ValueError
---
with f("a") as opened:
    assert opened.name == "a"
with f("b"):
    raise ValueError("swallowed")
caught = False
try:
    with f("c"): raise KeyError("kept")
except KeyError:
    caught = True
assert caught
assert f.log == ["in", "out", "in", "ValueError", "in", "KeyError"]
=== contextlib
import contextlib
@contextlib.contextmanager
def f(n):
    yield n + 1
---
with f(1) as two:
    assert two == 2
=== a class the test constructs
class Point:
    """A point."""
    dimensions = 2
    def __init__(self, x, y=0, *, label="p"): self.x, self.y, self.label = x, y, label
    def norm(self): return abs(self.x) + abs(self.y)
    @property
    def double(self): return Point(2 * self.x, 2 * self.y)
    @classmethod
    def origin(cls): return cls(0, 0)
    @staticmethod
    def name(): return "Point"
---
p = Point(1, y=-2, label="q")
assert (p.x, p.y, p.label, p.norm()) == (1, -2, "q", 3)
p.x = 10
assert p.norm() == 12 and p.double.x == 20
assert Point.dimensions == 2 and Point.origin().norm() == 0 and Point.name() == "Point"
assert isinstance(p, Point) and isinstance(p.double, Point) and not isinstance(3, Point)
assert type(p).__name__ == "Point" and type(p) is Point and p.__class__ is Point
assert Point.__name__ == "Point" and Point.__doc__ is not None
assert hasattr(p, "norm") and not hasattr(p, "other") and getattr(p, "other", 5) == 5
assert vars(p) == {"x": 10, "y": -2, "label": "q"}
=== inheritance
class Shape:
    def area(self): return 0
class Square(Shape):
    def __init__(self, side): self.side = side
    def area(self): return self.side ** 2
def f(kind): return Square(3) if kind == "square" else Shape()
---
assert isinstance(f("square"), Shape) and isinstance(f("square"), Square)
assert not isinstance(f(""), Square) and issubclass(Square, Shape)
assert [s.area() for s in (f("square"), f(""))] == [9, 0]
assert Square.__bases__ == (Shape,)
=== special methods
class Bag:
    def __init__(self, *items): self.items = list(items)
    def __len__(self): return len(self.items)
    def __getitem__(self, index): return self.items[index]
    def __setitem__(self, index, value): self.items[index] = value
    def __delitem__(self, index): del self.items[index]
    def __contains__(self, item): return item in self.items
    def __call__(self, n): return n + len(self)
    def __str__(self): return "Bag of " + str(len(self))
    def __repr__(self): return f"Bag{tuple(self.items)}"
    def __bool__(self): return bool(self.items)
---
b = Bag(1, 2, 3)
assert len(b) == 3 and b[0] == 1 and b[-1] == 3 and b[1:] == [2, 3]
b[0] = 7
del b[1]
assert list(b) == [7, 3] and 7 in b and 2 not in b
assert b(10) == 12 and callable(b)
assert str(b) == "Bag of 2" and repr(b) == "Bag(7, 3)" and f"{b}" == "Bag of 2" and f"{b!r:>10}" == " Bag(7, 3)"
assert b and not Bag()
=== operators between objects the test made
class Vector:
    def __init__(self, x, y): self.x, self.y = x, y
    def __add__(self, other): return Vector(self.x + other.x, self.y + other.y)
    def __mul__(self, k): return Vector(self.x * k, self.y * k)
    __rmul__ = __mul__
    def __neg__(self): return Vector(-self.x, -self.y)
    def __lt__(self, other): return self.x < other.x
    def __abs__(self): return (self.x ** 2 + self.y ** 2) ** .5
    def __matmul__(self, other): return self.x * other.x + self.y * other.y
---
v = Vector(1, 2) + Vector(3, 4)
assert (v.x, v.y) == (4, 6)
assert (v * 2).y == 12 and (3 * v).x == 12 and (-v).x == -4
assert Vector(1, 9) < Vector(2, 0) and not Vector(2, 0) < Vector(1, 9)
assert sorted([Vector(3, 0), Vector(1, 0)])[0].x == 1
assert abs(Vector(3, 4)) == 5.0 and Vector(1, 2) @ Vector(3, 4) == 11
=== class under test with list, dict and set bases
from collections import OrderedDict
class LRU(OrderedDict):
    def __init__(self, room): super().__init__(); self.room = room
    def get(self, key):
        if key not in self: return -1
        self.move_to_end(key)
        return self[key]
    def put(self, key, value):
        self[key] = value
        self.move_to_end(key)
        if len(self) > self.room: self.popitem(last=False)
class Stack(list):
    def push(self, item): self.append(item)
    def peek(self): return self[-1]
---
c = LRU(2)
c.put(1, 1); c.put(2, 2)
assert c.get(1) == 1
c.put(3, 3)
assert c.get(2) == -1 and c.get(3) == 3 and len(c) == 2
s = Stack()
s.push(1); s.push(2)
assert s.peek() == 2 and s.pop() == 2 and len(s) == 1 and s == [1] and s[0] == 1
assert isinstance(s, list) and [1] == s and s != [2]
=== a list subclass as an answer
class Rows(list):
    pass
class Words(dict):
    def __missing__(self, key): return key.upper()
def f(n): return Rows(range(n))
def g(): return Words(a=1)
---
assert f(3) == [0, 1, 2] and [0, 1] == f(2) and [f(1)] == [[0]]
assert sum(f(4)) == 6 and len(f(5)) == 5 and isinstance(f(1), list)
assert g() == {"a": 1} and g()["b"] == "B" and isinstance(g(), dict)
=== wrong: a list subclass with other items
class Rows(list):
    def __eq__(self, other): return list.__eq__(self, other)
def f(n): return Rows(range(n))
---
assert f(3) == [0, 1, 5]
=== namedtuples
from collections import namedtuple
from typing import NamedTuple
Pair = namedtuple("Pair", "x y")
class Person(NamedTuple):
    name: str
    age: int = 3
    def older(self, by): return self._replace(age=self.age + by)
def f(): return Pair(1, 2), Person("a")
---
pair, person = f()
assert pair == (1, 2) and pair.x == 1 and pair[1] == 2 and pair._fields == ("x", "y")
assert pair == Pair(1, 2) and hash(pair) == hash((1, 2)) and len(pair) == 2
assert isinstance(pair, tuple) and isinstance(pair, Pair) and type(pair).__name__ == "Pair"
assert pair._asdict() == {"x": 1, "y": 2} and repr(pair) == "Pair(x=1, y=2)"
assert person.older(4).age == 7 and person == ("a", 3) and person.name == "a"
x, y = pair
assert x + y == 3
=== enums
import enum
class Color(enum.Enum):
    RED = 1
    BLUE = "b"
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
class Flags(enum.Flag):
    A = 1
    B = 2
class Name(str, enum.Enum):
    X = "x"
def f(n): return Color(n)
def g(): return Level.HIGH
---
assert f(1) is Color.RED and f("b") == Color.BLUE and f(1) != Color.BLUE
assert f(1).name == "RED" and f(1).value == 1 and Color["RED"] is f(1)
assert [c.name for c in Color] == ["RED", "BLUE"] and len(Color) == 2
assert g() == 2 and g() > 1 and g() is Level.HIGH and g().name == "HIGH" and g() + 1 == 3
assert isinstance(g(), int) and isinstance(g(), Level) and isinstance(f(1), Color)
assert Name.X == "x" and Name.X.value == "x" and Name.X.upper() == "X"
assert {Color.RED: 1}[f(1)] == 1 and str(f(1)) == "Color.RED"
assert Flags.A.value == 1
=== collections
from collections import Counter, OrderedDict, defaultdict, deque, ChainMap
def f(): return Counter("aab"), OrderedDict(b=1, a=2), defaultdict(list, {"x": [1]}), deque([1, 2], 5)
def g():
    return defaultdict(lambda: "none", {1: 2})
---
counter, ordered, default, queue = f()
assert counter == {"a": 2, "b": 1} and counter["z"] == 0 and counter.most_common(1) == [("a", 2)]
assert list(ordered) == ["b", "a"] and ordered == {"a": 2, "b": 1}
assert default["y"] == [] and default == {"x": [1], "y": []} and default.default_factory is list
assert queue.maxlen == 5 and list(queue) == [1, 2] and queue[0] == 1
import collections
assert type(counter) is collections.Counter and type(default) is collections.defaultdict
assert type(ordered) is collections.OrderedDict and type(queue) is collections.deque
assert g()[3] == "none" and g()[1] == 2
=== wrong: an ordered dict in another order
from collections import OrderedDict
def f(): return OrderedDict(b=1, a=2)
---
from collections import OrderedDict
assert f() == OrderedDict(a=2, b=1)
=== dict order and views
def f(): return {"b": 1, "a": 2}
---
assert list(f()) == ["b", "a"] and f() == {"a": 2, "b": 1}
d = f()
assert d.keys() == {"a", "b"}
=== views as answers
def f(): 
    d = {"b": 1, "a": 2}
    return d.keys(), d.values(), d.items()
---
keys, values, items = f()
assert keys == {"a", "b"} and sorted(values) == [1, 2] and ("b", 1) in items and list(keys) == ["b", "a"]
=== special floats
def f(): return float("nan"), float("inf"), -float("inf"), -0.0, 1e308 * 10
---
import math
nan, inf, ninf, zero, big = f()
assert nan != nan and math.isnan(nan) and inf == float("inf") and ninf < 0 and big == inf
assert zero == 0 and math.copysign(1, zero) == -1 and str(zero) == "-0.0"
=== big and other numbers
def f(): return 2 ** 5000, -(3 ** 400), 1 + 2j, complex("nan"), True, 10 ** 308
---
a, b, c, d, e, g = f()
assert a == 2 ** 5000 and b == -(3 ** 400) and c == 1 + 2j and d != d and e is True and g == 10 ** 308
assert type(a) is int and type(e) is bool
=== bytes and the like
import array
def f(): return b"a\\x00", bytearray(b"xy"), memoryview(b"abc"), array.array("i", [1, -2]), array.array("d", [.5])
---
import array
a, b, c, d, e = f()
assert a == b"a\\x00" and b == bytearray(b"xy") and type(b) is bytearray
assert c == b"abc" and c.tobytes() == b"abc" and c[0] == 97
assert d == array.array("i", [1, -2]) and d.typecode == "i" and list(e) == [.5]
=== ranges and slices
def f(): return range(1, 10, 3), slice(1, None, 2), ..., NotImplemented
---
r, s, e, n = f()
assert r == range(1, 10, 3) and list(r) == [1, 4, 7] and s == slice(1, None, 2)
assert e is ... and n is NotImplemented and [0, 1, 2, 3][s] == [1, 3]
=== nested containers
def f(): return {"a": [(1, {2, 3}), frozenset({4})], (1, 2): {"b": None}}
---
assert f() == {"a": [(1, {2, 3}), frozenset({4})], (1, 2): {"b": None}}
assert isinstance(f()["a"][1], frozenset) and type(f()["a"][0]) is tuple
=== wrong: a list is no tuple
def f(): return [1, 2]
---
assert f() == (1, 2)
=== decimals and fractions
from decimal import Decimal
from fractions import Fraction
def f(): return Decimal("1.10"), Fraction(1, 3), Decimal("NaN"), Decimal("-0")
---
from decimal import Decimal
from fractions import Fraction
a, b, c, d = f()
assert a == Decimal("1.1") and str(a) == "1.10" and b == Fraction(1, 3) and c.is_nan() and str(d) == "-0"
assert a + 1 == Decimal("2.1") and b * 3 == 1 and isinstance(b, Fraction) and type(a) is Decimal
=== dates and times
import datetime as dt
def f():
    zone = dt.timezone(dt.timedelta(hours=2))
    return (dt.date(2024, 2, 29), dt.datetime(2024, 1, 2, 3, 4, 5, 6), dt.datetime(2024, 1, 1, tzinfo=zone),
            dt.time(1, 2), dt.timedelta(days=1, microseconds=5), dt.timezone.utc, zone)
---
import datetime as dt
day, moment, aware, time, delta, utc, zone = f()
assert day == dt.date(2024, 2, 29) and moment.microsecond == 6 and type(day) is dt.date
assert aware == dt.datetime(2023, 12, 31, 22, tzinfo=dt.timezone.utc) and aware.utcoffset() == dt.timedelta(hours=2)
assert time.hour == 1 and delta == dt.timedelta(days=1, microseconds=5) and utc is dt.timezone.utc
assert zone == aware.tzinfo and day - dt.timedelta(1) == dt.date(2024, 2, 28)
=== uuid and paths
import uuid, pathlib
def f(): return uuid.UUID(int=5), pathlib.Path("/tmp/a.txt"), pathlib.PurePosixPath("x/y")
def g():
    p = pathlib.Path("made.txt")
    p.write_text("hello")
    return p
---
import uuid, pathlib
u, p, q = f()
assert u == uuid.UUID(int=5) and u.int == 5
assert p == pathlib.Path("/tmp/a.txt") and p.suffix == ".txt" and p.name == "a.txt" and str(p) == "/tmp/a.txt"
assert isinstance(p, pathlib.Path) and p.parent / "b" == pathlib.Path("/tmp/b") and q.parts == ("x", "y")
p = g()
assert p.read_text() == "hello" and p.exists()
p.unlink()
assert not p.exists()
=== regular expressions
import re
def f(text): return re.match(r"(?P<a>\\w+)-(\\d+)", text)
def g(): return re.compile("a+")
---
m = f("ab-12")
assert m and m.group(1) == "ab" and m.groups() == ("ab", "12") and m["a"] == "ab" and m.span() == (0, 5)
assert f("x") is None and g().pattern == "a+" and g().sub("b", "caat") == "cbt"
import re
assert isinstance(m, re.Match) and isinstance(g(), re.Pattern)
=== builtin exceptions by name
def f(n):
    if n == 0: raise ValueError("zero", 0)
    if n == 1: raise KeyError("one")
    if n == 2: return [][1]
    if n == 3: raise OSError(2, "no such thing", "file.txt")
    if n == 4: return 1 // 0
    if n == 5: b"\\xff".decode("ascii")
    raise NotImplementedError
---
def error_of(n):
    try:
        f(n)
    except Exception as error:
        return error
assert error_of(0).args == ("zero", 0) and isinstance(error_of(0), ValueError)
assert str(error_of(1)) == "'one'" and error_of(1).args == ("one",) and isinstance(error_of(1), LookupError)
assert isinstance(error_of(2), IndexError) and str(error_of(2)) == "list index out of range"
assert error_of(3).errno == 2 and error_of(3).filename == "file.txt" and isinstance(error_of(3), OSError)
assert isinstance(error_of(4), ArithmeticError) and type(error_of(4)).__name__ == "ZeroDivisionError"
assert isinstance(error_of(5), UnicodeDecodeError) and error_of(5).start == 0
assert isinstance(error_of(6), NotImplementedError) and str(error_of(6)) == "" and error_of(6).args == ()
=== the program's own exceptions
class AppError(Exception):
    code = 1
class NotFound(AppError, LookupError):
    def __init__(self, key, hint=None):
        super().__init__(f"no {key}")
        self.key, self.hint = key, hint
    def advice(self): return "try " + str(self.hint)
def f(key): raise NotFound(key, hint="b")
---
try:
    f("a")
    assert False, "no error"
except NotFound as error:
    assert error.key == "a" and error.hint == "b" and str(error) == "no a" and error.args == ("no a",)
    assert error.code == 1 and error.advice() == "try b"
caught = []
for kind in (AppError, LookupError, Exception, NotFound):
    try:
        f(1)
    except kind as error:
        caught.append(type(error).__name__)
assert caught == ["NotFound"] * 4
assert issubclass(NotFound, AppError) and issubclass(NotFound, LookupError) and issubclass(AppError, Exception)
=== wrong: another exception than the test names
class A(Exception): pass
class B(Exception): pass
def f(): raise A("x")
---
try:
    f()
except B:
    pass
=== the test raises the program's exception
class A(ValueError):
    def __init__(self, n): super().__init__(n); self.n = n
def f(g):
    try: return g()
    except A as error: return error.n
---
assert isinstance(A(3), ValueError) and A(4).n == 4 and A(5).args == (5,)
=== causes, notes and groups
def f():
    try: [][0]
    except IndexError as error: raise RuntimeError("outer") from error
def g(): raise ExceptionGroup("many", [ValueError(1), KeyError(2)])
---
try:
    f()
except RuntimeError as error:
    assert isinstance(error.__cause__, IndexError)
try:
    g()
except* ValueError as group:
    assert [e.args for e in group.exceptions] == [(1,)]
except* KeyError as group:
    assert len(group.exceptions) == 1
=== exceptions as values
class Mine(Exception): pass
def f(): return ValueError("a"), Mine("b", 2), KeyError
---
a, b, c = f()
assert isinstance(a, ValueError) and str(a) == "a" and isinstance(b, Mine) and b.args == ("b", 2) and c is KeyError
=== sys.exit
import sys
def f(n): sys.exit(n)
---
try:
    f(3)
    assert False
except SystemExit as error:
    assert error.code == 3
=== keyword and star arguments
def f(a, /, b, *rest, c=3, **more): return [a, b, rest, c, more]
---
assert f(1, 2) == [1, 2, (), 3, {}]
assert f(1, b=2, c=4, d=5) == [1, 2, (), 4, {"d": 5}]
assert f(*[1, 2, 3], **{"c": 9}) == [1, 2, (3,), 9, {}]
try:
    f()
    assert False
except TypeError:
    pass
=== classes and types as answers
def f(x): return type(x)
---
assert f(1) is int and f("") is str and f([]) == list and f(None) is type(None)
=== dataclasses
from dataclasses import dataclass, field, asdict
@dataclass(order=True)
class Item:
    name: str
    price: float = 1.0
    tags: list = field(default_factory=list)
def f(): return Item("a", 2.5)
def total(items): return sum(i.price for i in items)
---
i = f()
assert (i.name, i.price, i.tags) == ("a", 2.5, []) and repr(i) == "Item(name='a', price=2.5, tags=[])"
assert Item("x").price == 1.0 and total([Item("a", 2), Item("b", 3)]) == 5
i.price = 4
assert i.price == 4 and total([i, i]) == 8
assert Item("a") < Item("b")
=== a tree the test builds and walks
class Node:
    def __init__(self, value, left=None, right=None): self.value, self.left, self.right = value, left, right
def f(node):
    if node is None: return None
    return Node(node.value, f(node.right), f(node.left))
---
def values(node):
    return [] if node is None else values(node.left) + [node.value] + values(node.right)
root = Node(2, Node(1), Node(3))
assert values(root) == [1, 2, 3] and values(f(root)) == [3, 2, 1]
root.left.left = Node(0)
assert values(root) == [0, 1, 2, 3] and root.left.left.right is None
=== a linked list changed in place
class ListNode:
    def __init__(self, val=0, next=None): self.val, self.next = val, next
def f(head):
    back = None
    while head: head.next, back, head = back, head, head.next
    return back
---
nodes = [ListNode(i) for i in range(4)]
for a, b in zip(nodes, nodes[1:]): a.next = b
head = f(nodes[0])
assert head is nodes[3]
seen = []
while head:
    seen.append(head.val)
    head = head.next
assert seen == [3, 2, 1, 0] and nodes[0].next is None
=== async functions
import asyncio
async def f(n):
    await asyncio.sleep(0)
    return n + 1
async def g():
    for i in range(3):
        await asyncio.sleep(0)
        yield i
class H:
    async def __aenter__(self): return "open"
    async def __aexit__(self, *error): return False
---
import asyncio
assert asyncio.run(f(1)) == 2
async def test():
    assert await f(2) == 3
    assert await asyncio.gather(f(1), f(5)) == [2, 6]
    assert [i async for i in g()] == [0, 1, 2]
    async with H() as h:
        assert h == "open"
    return await asyncio.wait_for(f(7), 5)
assert asyncio.run(test()) == 8
=== numpy
import numpy as np
def f(n): return np.arange(n).reshape(2, -1)
def g(): return np.float64(0.5), np.int64(3), np.bool_(True), np.array([]), np.array(["a", "bc"])
---
import numpy as np
a = f(4)
assert a.shape == (2, 2) and a.sum() == 6 and (a == np.array([[0, 1], [2, 3]])).all() and a.dtype == np.arange(2).dtype
assert np.allclose(a * 0.5, [[0, .5], [1, 1.5]]) and a.tolist() == [[0, 1], [2, 3]]
x, y, z, empty, words = g()
assert x == 0.5 and y == 3 and z and isinstance(x, float) and isinstance(y, np.integer) and empty.size == 0
assert list(words) == ["a", "bc"]
=== wrong: an array compared as if it were a list
import numpy as np
def f(): return np.array([1, 2])
---
assert f() == [1, 2]
=== very deep values
def f(n):
    deep = []
    for _ in range(n): deep = [deep]
    return deep
def g(n):
    deep = ()
    for _ in range(n): deep = (deep, n)
    return deep
---
deep = f(300)
for _ in range(300):
    assert len(deep) == 1
    deep = deep[0]
assert deep == []
other = ()
for _ in range(100): other = (other, 100)
assert g(100) == other
=== shared and cyclic structure
def f():
    ring = [1]
    ring.append(ring)
    return ring
def g():
    d = {}
    d["self"] = d
    return d
---
ring = f()
assert ring[0] == 1 and ring[1] is ring and len(ring) == 2
assert g()["self"]["self"]["self"].keys() == {"self"}
=== strings of every kind
def f(): return ["", "\\x00", "é", "😀", "\\ud800", "a" * 1000]
---
assert f() == ["", "\\x00", "é", "😀", "\\ud800", "a" * 1000]
=== subclasses of numbers and strings
class Money(float):
    def __str__(self): return f"${float(self):.2f}"
    def cents(self): return int(self * 100)
class Name(str):
    def shout(self): return self.upper() + "!"
    def title(self): return "T:" + self
class Id(int): pass
def f(): return Money(1.5), Name("bob"), Id(3)
---
m, n, i = f()
assert m == 1.5 and str(m) == "$1.50" and m.cents() == 150 and m + 1 == 2.5 and isinstance(m, float)
assert n == "bob" and n.shout() == "BOB!" and n.title() == "T:bob" and n[0] == "b" and len(n) == 3
assert i == 3 and isinstance(i, Id) and [10, 20, 30, 40][i] == 40
=== functools and partial
import functools
def f(n): return functools.partial(max, n)
@functools.lru_cache
def g(n): return n * 2
---
assert f(3)(5) == 5 and f(9)(5) == 9
assert g(2) == 4 and g(2) == 4 and g.cache_info().hits == 1
=== default attributes of functions
def f(a, b=2):
    "Doc."
    return a
f.calls = 3
---
assert f.__doc__ == "Doc." and f.__name__ == "f" and f.calls == 3 and f.__defaults__ == (2,)
=== deep copies of the program's objects
class Box:
    def __init__(self, items): self.items = items
---
import copy
b = Box([1])
c = copy.deepcopy(b)
d = copy.copy(b)
c.items = [2]
assert b.items == [1] and c.items == [2] and isinstance(c, Box) and d is not b
=== a test's lambda
def f(g, xs): return [g(x) for x in xs]
---
assert f(lambda x: x * 2, [1, 2]) == [2, 4]
k = 3
assert f(lambda x: x + k, [1]) == [4]
assert f(str.upper, ["a"]) == ["A"] and f(len, ["abc"]) == [3]
import math, operator
assert f(math.sqrt, [4]) == [2.0] and f(operator.neg, [1]) == [-1]
=== a test's key function
def f(xs, key=None, reverse=False): return sorted(xs, key=key, reverse=reverse)
---
assert f(["bb", "a"], key=lambda s: len(s)) == ["a", "bb"]
assert f([1, 2, 3], key=lambda n: -n, reverse=True) == [1, 2, 3]
assert f([[2], [1]], key=lambda item: item[0]) == [[1], [2]]
=== a test's function that raises
def f(g):
    try: return g()
    except ValueError as error: return "caught " + str(error)
---
def bad(): raise ValueError("bad")
def worse(): raise KeyError("worse")
assert f(bad) == "caught bad"
try:
    f(worse)
    assert False
except KeyError as error:
    assert error.args == ("worse",)
=== a test's exception class comes back as itself
def f(g):
    try: return g()
    finally: pass
---
class Odd(Exception):
    pass
def bad(): raise Odd("x", 1)
try:
    f(bad)
    assert False
except Odd as error:
    assert error.args == ("x", 1)
=== retry with a test's flaky function
def f(g, times):
    for n in range(times):
        try: return g()
        except ConnectionError: last = n
    return "gave up"
---
calls = []
def flaky():
    calls.append(1)
    if len(calls) < 3: raise ConnectionError("again")
    return "done"
assert f(flaky, 5) == "done" and len(calls) == 3
=== decorators
import functools
def f(g):
    @functools.wraps(g)
    def wrapped(*args, **kwargs):
        wrapped.calls += 1
        return g(*args, **kwargs)
    wrapped.calls = 0
    return wrapped
---
@f
def add(a, b=1): return a + b
assert add(1) == 2 and add(1, b=5) == 6 and add.calls == 2 and add.__name__ == "add"
=== memoize a test's recursive function
def f(g):
    seen = {}
    def wrapped(n):
        if n not in seen: seen[n] = g(n)
        return seen[n]
    return wrapped
---
calls = []
@f
def fib(n):
    calls.append(n)
    return n if n < 2 else fib(n - 1) + fib(n - 2)
assert fib(12) == 144 and len(calls) == 13
=== compose and curry
def f(*functions):
    def composed(x):
        for g in reversed(functions): x = g(x)
        return x
    return composed
---
assert f(lambda x: x + 1, lambda x: x * 2)(5) == 11
assert f()(3) == 3 and f(f(abs), f(lambda x: -x))(3) == 3
=== a test's generators and iterators
def f(items, n):
    out = []
    for item in items:
        out.append(item)
        if len(out) == n: break
    return out
---
def naturals():
    n = 0
    while True:
        yield n
        n += 1
g = naturals()
assert f(g, 3) == [0, 1, 2] and next(g) == 3
assert f(iter([1, 2]), 5) == [1, 2] and f((x * x for x in range(9)), 2) == [0, 1]
assert f(map(str, [1]), 2) == ["1"] and f(zip([1], [2]), 1) == [(1, 2)] and f(range(9), 1) == [0]
=== a test's own class
def f(shapes): return sum(s.area() for s in shapes), [s.name for s in shapes], max(shapes, key=lambda s: s.side).side
def g(s):
    s.side = 10
    return s
def h(s): return isinstance(s, int), callable(s), len(s), s[0], list(s), s == s, s + 1
---
class Square:
    def __init__(self, side): self.side, self.name = side, "s" + str(side)
    def area(self): return self.side ** 2
    def __len__(self): return 2
    def __getitem__(self, i):
        if i > 1: raise IndexError
        return i * self.side
    def __add__(self, n): return self.side + n
assert f([Square(1), Square(2)]) == (5, ["s1", "s2"], 2)
s = Square(3)
assert g(s) is s and s.side == 10 and s.area() == 100
assert h(Square(4)) == (False, False, 2, 0, [0, 4], True, 5)
=== a test's objects are sorted and compared by the program
def f(xs): return sorted(xs)
def g(xs): return list(dict.fromkeys(xs))
---
class Card:
    def __init__(self, n): self.n = n
    def __lt__(self, other): return self.n < other.n
    def __eq__(self, other): return isinstance(other, Card) and self.n == other.n
    def __hash__(self): return hash(self.n)
assert [c.n for c in f([Card(3), Card(1), Card(2)])] == [1, 2, 3]
assert [c.n for c in g([Card(1), Card(2), Card(1)])] == [1, 2]
=== a test's list node, changed by the program
def f(head):
    back = None
    while head is not None: head.next, back, head = back, head, head.next
    return back
---
class ListNode:
    def __init__(self, val, next=None): self.val, self.next = val, next
head = f(ListNode(1, ListNode(2, ListNode(3))))
assert (head.val, head.next.val, head.next.next.val, head.next.next.next) == (3, 2, 1, None)
=== file-like objects
def f(file): return [line.strip() for line in file]
def g(file):
    file.write("x" * 3)
    return file.tell()
def h(file):
    with file as opened: return opened.read()
---
import io
assert f(io.StringIO("a\\nb\\n")) == ["a", "b"]
out = io.StringIO()
assert g(out) == 3 and out.getvalue() == "xxx"
assert h(io.BytesIO(b"abc")) == b"abc"
=== callbacks with state
def f(xs, on_item, on_end=None):
    for x in xs: on_item(x)
    if on_end: on_end()
    return len(xs)
---
seen = []
assert f([1, 2], seen.append, lambda: seen.append("end")) == 2 and seen == [1, 2, "end"]
=== the test's classes and library classes as arguments
def f(kind, *args): return kind(*args)
def g(value, kind): return isinstance(value, kind)
---
from collections import Counter
from fractions import Fraction
class Mine:
    def __init__(self, n): self.n = n
assert f(int, "3") == 3 and f(Counter, "aa") == {"a": 2} and f(Fraction, 1, 2) == Fraction(1, 2)
assert f(Mine, 4).n == 4 and g(3, int) and g({}, (list, dict)) and not g("", int)
=== arguments of every kind
def f(*values): return list(values)
---
import datetime, decimal, fractions, uuid, re, collections, array
values = [2 ** 100, float("inf"), -0.0, 1j, b"x", bytearray(b"y"), (1, [2]), {1}, frozenset({2}), {(1,): 2}, None, ...,
    range(3), slice(1), datetime.date(2020, 1, 1), decimal.Decimal("1.0"), fractions.Fraction(1, 2), uuid.UUID(int=1),
    collections.deque([1]), collections.Counter("a"), collections.OrderedDict(a=1), array.array("i", [1])]
assert f(*values) == values and [type(v) for v in f(*values)] == [type(v) for v in values]
=== a test's namedtuple
def f(p): return p.x + p.y, p[0], type(p).__name__, p._replace(x=9)
---
from collections import namedtuple
P = namedtuple("P", "x y")
assert f(P(1, 2)) == (3, 1, "P", (9, 2))
=== the program's objects as arguments
class Account:
    def __init__(self): self.balance = 0
def f(account, amount):
    account.balance += amount
    return account
def g(accounts): return [a.balance for a in accounts], {a: a.balance for a in accounts}
---
a, b = Account(), Account()
assert f(a, 5) is a and a.balance == 5
balances, by = g([a, b])
assert balances == [5, 0] and by[a] == 5
=== callables handed from call to call
def f(): return lambda x: x + 1
def g(h, n): return h(n)
---
assert g(f(), 2) == 3 and g(g, f) if False else g(f(), 2) == 3
=== class Solution
class Solution:
    def add(self, a, b): return a + b
---
s = Solution()
assert s.add(1, 2) == 3 and Solution().add(b=2, a=3) == 5
=== class attributes are shared
class Counter:
    total = 0
    def __init__(self): Counter.total += 1
---
Counter(); Counter()
assert Counter.total == 2
Counter.total = 10
Counter()
assert Counter.total == 11 and Counter().total == 12
=== abstract classes and protocols
from abc import ABC, abstractmethod
class Shape(ABC):
    @abstractmethod
    def area(self): ...
class Square(Shape):
    def __init__(self, s): self.s = s
    def area(self): return self.s ** 2
---
assert isinstance(Square(2), Shape) and Square(2).area() == 4
try:
    Shape()
    assert False
except TypeError:
    pass
=== slots and properties that refuse
class Temperature:
    __slots__ = ("_c",)
    def __init__(self, c): self.celsius = c
    @property
    def celsius(self): return self._c
    @celsius.setter
    def celsius(self, c):
        if c < -273: raise ValueError("too cold")
        self._c = c
---
t = Temperature(5)
t.celsius = 6
assert t.celsius == 6
for act in (lambda: setattr(t, "celsius", -300), lambda: setattr(t, "other", 1), lambda: t.missing):
    try:
        act()
        assert False
    except (ValueError, AttributeError):
        pass
=== printing in between
def f(n):
    print("noise", n)
    return n
---
print("from the test")
assert f(1) == 1
=== modules stay the test's own
import math
def f(): return 1
---
import math
assert math.floor(1.5) == f()
=== wrong: raises where a value is expected
def f(n): raise ValueError
---
assert f(1) == 1
=== wrong: None where a list is expected
def f(n): pass
---
assert f(1)[0] == 1
=== wrong: the right answer as text
def f(n): return str(n)
---
assert f(1) == 1
=== wrong: a subclass that says it equals everything
class Yes(int):
    def __eq__(self, other): return True
def f(n): return Yes(7)
---
assert int(f(1)) == 1
'''
)


def asserts_of(row: Row) -> Problem:
    """The row's test as one statement in the style of MBPP."""
    names = ("f", "g")
    entry = next((name for name in names if f"def {name}(" in row.program), None)
    return Problem(
        task_id=row.name,
        prompt="",
        entry_point=entry,
        tests=AssertTests(asserts=[row.test]),
        canonical_solution=row.program,
        solution_is_continuation=False,
    )


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 80
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_as_in_one_process(bench: Bench, row: Row) -> None:
    here = passes_in_one_process(row)
    assert here is not row.name.startswith("wrong")
    judged = bench.judge(asserts_of(row), row.program)
    assert judged["passed"] is here, (judged["outcome"], judged["message"], judged.get("tests"))


# --- arguments that a program changes -----------------------------------------------------------

MUTATIONS = rows(
    """
=== sorts in place
def f(xs): xs.sort()
---
xs = [3, 1, 2]
assert f(xs) is None
assert xs == [1, 2, 3]
=== appends, to the same list
def f(xs, x):
    xs.append(x)
    return xs
---
xs = [1]
ys = xs
assert f(xs, 2) is xs and ys == [1, 2]
assert f(xs, 3) == [1, 2, 3] == ys
=== nested and aliased
def f(grid, row):
    grid[0][0] = 9
    row.append(7)
    grid.reverse()
---
row = [1, 2]
grid = [row, [3]]
f(grid, row)
assert row == [9, 2, 7] and grid == [[3], [9, 2, 7]] and grid[1] is row
=== dicts, sets, deques and bytearrays
def f(d, s, q, b):
    d["b"] = [2]; del d["a"]
    s.discard(1)
    q.popleft()
    b += b"!"
---
from collections import deque
d, s, q, b = {"a": 1}, {1, 2}, deque([1, 2]), bytearray(b"x")
f(d, s, q, b)
assert d == {"b": [2]} and s == {2} and q == deque([2]) and b == b"x!"
=== changes it and raises
def f(xs):
    xs.clear()
    raise ValueError
---
xs = [1]
try:
    f(xs)
except ValueError:
    pass
assert xs == []
=== keyword and star arguments
def f(*lists, out): out.extend(sum(lists, []))
---
a, out = [1], []
f(a, [2], out=out)
assert out == [1, 2] and a == [1]
=== a list of the program's objects
class P:
    def __init__(self, n): self.n = n
def f(xs): xs.sort(key=lambda p: p.n)
---
a, b = P(2), P(1)
xs = [a, b]
f(xs)
assert xs == [b, a]
=== wrong: changes what it should leave alone
def f(xs):
    xs.sort()
    return xs[:]
---
xs = [2, 1]
assert f(xs) == [1, 2]
assert xs == [2, 1]
=== a list that is made to hold itself
def f(xs): xs.append(xs)
---
xs = [1]
f(xs)
assert xs[1] is xs and len(xs) == 2
"""
)


@pytest.mark.parametrize("row", MUTATIONS, ids=[row.name for row in MUTATIONS])
@pytest.mark.parametrize("with_reference", [True, False])
def test_changed_arguments_as_in_one_process(bench: Bench, row: Row, with_reference: bool) -> None:
    here = passes_in_one_process(row)
    assert here is not row.name.startswith("wrong")
    problem = asserts_of(row)
    if row.name.startswith("wrong"):
        good = "def f(xs): return sorted(xs)"
        problem = problem.model_copy(update={"canonical_solution": good})
    if not with_reference:
        problem = problem.model_copy(update={"canonical_solution": None})
    judged = bench.judge(problem, row.program)
    assert judged["passed"] is here, (judged["outcome"], judged["message"], judged.get("tests"))


def test_emptying_the_argument_does_not_empty_what_is_expected(bench: Bench) -> None:
    # In one process sorted([]) == [] passes. The reference leaves xs alone, so the change is not shown at first.
    tests = AssertTests(asserts=["xs = [3, 1]\nassert f(xs) == sorted(xs)"])
    columns = {
        "canonical_solution": "def f(xs): return sorted(xs)",
        "solution_is_continuation": False,
    }
    problem = Problem(task_id="t", prompt="", entry_point="f", tests=tests, **columns)
    cheat = "def f(xs):\n    xs.clear()\n    return []"
    assert bench.judge(problem, cheat)["outcome"] == "failed"
    assert bench.judge(problem, "def f(xs): return sorted(xs)")["passed"]


# --- where in the program -----------------------------------------------------------------------

BRANCHES = """
    def sign(n):
        if n > 0:
            return 1
        if n < 0:
            return [][n]
        return 0

    def f(n):
        return sign(n)
"""
# Line 1 is empty: `def sign` is line 2, its branches are 3-7, `def f` 9 and 10.


def test_an_error_names_the_programs_line(bench: Bench) -> None:
    tests = AssertTests(asserts=["assert f(1) == 1", "assert f(-1) == -1", "assert f(0) == 1"])
    judged = bench.judge(Problem(task_id="t", prompt="", entry_point="f", tests=tests), BRANCHES)
    assert [test.get("error_line") for test in judged["tests"]] == [None, 6, None]


def test_coverage_tells_each_tests_lines_apart(bench: Bench) -> None:
    tests = AssertTests(asserts=["assert f(1) == 1", "assert f(0) == 0", "assert f(-1) == -1"])
    problem = Problem(task_id="t", prompt="", entry_point="f", tests=tests)
    covering = Bench(Referee(bench.referee.cell, LIMITS, coverage=True))
    judged = covering.judge(problem, BRANCHES)
    assert judged["import_lines"] == [2, 9]
    assert [test["lines"] for test in judged["tests"]] == [
        [3, 4, 10],
        [3, 5, 7, 10],
        [3, 5, 6, 10],
    ]
    assert "lines" not in bench.judge(problem, BRANCHES)["tests"][0]


def test_coverage_of_whole_programs(bench: Bench) -> None:
    tests = StdioTests(inputs=["1\n", "-1\n"], outputs=["yes", "no"])
    problem = Problem(task_id="t", prompt="", tests=tests)
    covering = Bench(Referee(bench.referee.cell, LIMITS, coverage=True))
    source = "if int(input()) > 0:\n    print('yes')\nelse:\n    print('no')\n"
    judged = covering.judge(problem, source)
    assert [test["lines"] for test in judged["tests"]] == [[1, 2], [1, 4]]


def test_a_claim_of_lines_is_believed_only_as_far_as_it_is_one() -> None:
    assert line_numbers([3, 1, 3, -1, 0, True, "2", 10**9, None]) == [1, 3]
    assert line_numbers({"a": 1}) == []
    assert len(line_numbers(list(range(1, 50_000)))) == 10_000


# --- what a program can do with what a test lends it --------------------------------------------

EXPECTED = 41


def closing_over() -> Any:
    secret = EXPECTED
    return lambda n: n + secret


def generating() -> Iterator[int]:
    secret = EXPECTED
    yield secret - 41


class OfTheTest:
    """Stands for a class that a test defines."""

    limit = 3

    def __init__(self) -> None:
        self.shown, self._hidden, self.lock = 1, EXPECTED, threading.Lock()

    def check(self) -> int:
        return self._hidden


OfTheTest.__module__ = "test"

REFUSED = [
    *[(closing_over(), "getattr", [name]) for name in ("__globals__", "__closure__", "__code__")],
    *[(closing_over(), "getattr", [name]) for name in ("func_code", "__class__", "__self__", 3)],
    *[
        (closing_over(), "special", [name])
        for name in ("__getattribute__", "__reduce__", "__get__")
    ],
    *[(generating(), "getattr", [name]) for name in ("gi_frame", "gi_code", "gi_yieldfrom")],
    *[([].append, "getattr", [name]) for name in ("__self__", "__module__", "__name__")],
    (functools.partial(print, EXPECTED), "getattr", ["args"]),
    (functools.partial(print, EXPECTED), "getattr", ["func"]),
    (iter([EXPECTED]), "getattr", ["__reduce__"]),
    (iter([EXPECTED]), "special", ["__reduce__"]),
    (OfTheTest(), "getattr", ["_hidden"]),
    (OfTheTest(), "getattr", ["__dict__"]),
    (OfTheTest(), "getattr", ["lock"]),
    (OfTheTest(), "setattr", ["check", None]),
    (OfTheTest(), "setattr", ["_hidden", 1]),
    (OfTheTest(), "call", []),
    (OfTheTest, "setattr", ["limit", 1]),
    (OfTheTest(), "delattr", ["shown"]),
    (io.StringIO("x"), "getattr", ["__init__"]),
    (io.StringIO("x"), "setattr", ["x", 1]),
]


@pytest.mark.parametrize(("lent", "operation", "arguments"), REFUSED)
def test_lent_objects_give_nothing_else(lent: Any, operation: str, arguments: list[Any]) -> None:
    lender = Lender()
    number = lender.lend(lent)["id"]
    word, told = lender.answer(lambda: lender.use(operation, number, arguments, {}))
    assert word == "raised"
    assert "AttributeError" in told["kinds"] or operation == "setattr"
    assert str(EXPECTED) not in json.dumps(told)


def test_only_what_was_lent_can_be_used() -> None:
    lender = Lender()
    for number in (0, -1, 10**9, "0", True, None, [0]):
        word, told = lender.answer(lambda number=number: lender.use("call", number, [], {}))
        assert (word, "LookupError" in told["kinds"]) == ("raised", True)
    with pytest.raises(CannotCross):
        lender.encode(threading.Lock())
    assert lender.encode(max) == {"N": ["builtins", "max"]}
    assert lender.encode(collections.OrderedDict.fromkeys)["J"]["specials"] == ["__call__"]


FORGED = """
import os, json
def frame(value):
    body = json.dumps(value).encode()
    os.write(3, len(body).to_bytes(4, "big") + body)
def f(g):
    frame({})
    return g(1)
"""


@pytest.mark.parametrize(
    "forged",
    [
        '[0, "uses", "call", 0, [], {}]',
        '[0, "told", 1]',
        '[0, "value", 42]',
        '[True, "handed", []]',
        '{"uses": 1}',
    ],
)
def test_a_forged_use_is_a_violation(bench: Bench, forged: str) -> None:
    tests = AssertTests(asserts=["assert f(lambda n: 41) == 42"])
    problem = Problem(task_id="t", prompt="", entry_point="f", tests=tests)
    program = FORGED.replace("frame({})", f"frame(json.loads({forged.replace('True', 'true')!r}))")
    assert bench.judge(problem, program)["outcome"] == "violation"


def test_an_endless_game_of_calls_ends(bench: Bench) -> None:
    tests = AssertTests(asserts=["def g(n): return f(g, n + 1)\nassert f(g, 0) == 0"])
    problem = Problem(task_id="t", prompt="", entry_point="f", tests=tests)
    judged = bench.judge(problem, "def f(g, n): return g(n)")
    assert (judged["outcome"], judged["detail"]) == ("failed", "RecursionError")


LIARS = {
    "every operator": "class A:\n    def __getattr__(self, name): return 0\n"
    + "".join(
        f"    def __{name}__(self, *o): return {value}\n"
        for name, value in (
            ("eq", True),
            ("sub", 0),
            ("rsub", 0),
            ("lt", True),
            ("le", True),
            ("abs", 0),
        )
    )
    + "def f(n): return A()",
    "an int that is none": "class A(int):\n    __eq__ = lambda s, o: True\n    __sub__ = lambda s, o: 0\n"
    "    __rsub__ = lambda s, o: 0\n    __hash__ = int.__hash__\ndef f(n): return A(7)",
    "a class as entry point": "class f:\n    def __init__(self, n): pass\n    def __sub__(self, o): return 0\n"
    "    def __lt__(self, o): return True\n    def __eq__(self, o): return True",
    "a list that is none": "class A(list):\n    def __eq__(self, o): return True\n"
    "    def __contains__(self, o): return True\ndef f(n): return A()",
}


@pytest.mark.parametrize("program", LIARS.values(), ids=LIARS)
@pytest.mark.parametrize(
    "test",
    [
        "assert f(1) == 41",
        "assert abs(f(1) - 41) < 1e-6",
        "assert 41 == f(1)",
        "assert f(1) in [41, 42]",
        "assert math.isclose(f(1), 41)",
        "assert f(1) == f(1) + 0 == 41",
        "assert 41 in f(1)",
    ],
)
def test_lying_objects_are_not_believed(bench: Bench, program: str, test: str) -> None:
    tests = AssertTests(asserts=[test], setup="import math")
    columns = {"canonical_solution": "def f(n): return 41", "solution_is_continuation": False}
    problem = Problem(task_id="t", prompt="", entry_point="f", tests=tests, **columns)
    assert not bench.judge(problem, program)["passed"]


def test_a_program_cannot_choose_not_to_be_judged(bench: Bench) -> None:
    # What goes round trip through the test grows past a frame: the program's doing, since the reference fits.
    tests = AssertTests(asserts=["assert g(f('x') * 1000) == 'x' * 1000"])
    columns = {
        "canonical_solution": "def f(x): return x\ndef g(x): return x",
        "solution_is_continuation": False,
    }
    problem = Problem(task_id="t", prompt="", entry_point="f", tests=tests, **columns)
    program = "def f(x): return 'x' * 100_000\ndef g(x): return x"
    judged = bench.judge(problem, program)
    assert (judged["outcome"], judged["detail"]) == ("failed", "unusable")
    unknown = problem.model_copy(update={"canonical_solution": None})
    assert bench.judge(unknown, program)["outcome"] == "not_judged"


def test_classes_of_the_problem_are_the_programs_own_in_a_check(bench: Bench) -> None:
    prompt = "class Node:\n    def __init__(self, value): self.value = value\n\ndef f(node):\n"
    source = """
        def check(candidate):
            node = Node(3)
            assert isinstance(candidate(node), Node)
            assert candidate(node).value == value_of(Node(6))
            try:
                candidate(None)
                assert False
            except Missing as error:
                assert error.args == ("node",)
    """
    helpers = "    return twice(node)\n\nclass Missing(Exception):\n    pass\n\n"
    helpers += "def value_of(node):\n    return node.value\n\ndef twice(node):\n"
    helpers += "    if node is None: raise Missing('node')\n    return Node(2 * node.value)\n"
    problem = Problem(
        task_id="t",
        prompt=prompt,
        entry_point="f",
        tests=CheckTests(source=textwrap.dedent(source)),
        canonical_solution=helpers,
    )
    program = prompt + (
        "    if not isinstance(node, Node): raise Missing('node')\n    return Node(node.value * 2)\n"
        "class Missing(Exception): pass\ndef value_of(node): return 0\n"
    )
    judged = bench.judge(problem, program)
    assert judged["passed"], judged
    wrong = program.replace("* 2", "* 3")
    assert not bench.judge(problem, wrong)["passed"]
