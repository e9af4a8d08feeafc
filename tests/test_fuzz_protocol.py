"""Frames that a hostile program may send: whatever they hold, the judge neither crashes, hangs, grows nor believes.

Real frames are recorded from real programs and then damaged: bytes flipped, cut, doubled and spliced, JSON nodes
replaced by what decoders stumble over. They come back in two ways: to the judge's own half of the conversation, many a
second, and from real processes in a cell, which know the nonce. No damage can make the answer SECRET, so that
`passed` would be a lie in every case.
"""

from __future__ import annotations

import json
import os
import random
import resource
import textwrap
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.judging.referee import Patience
from codealign.judging.scorecard import JudgeTimeout, Scorecard
from codealign.judging.styles import CheckStyle, run_tests
from codealign.records import CheckTests, Problem, Verdict
from codealign.sandbox import Cell, Limits, frames, open_cell
from codealign.sandbox.asking import Asking
from codealign.sandbox.remote import ProgramEnded, Violation

SECRET = 0x5EC2E7_0F_7E57
CHECK = f"""
def check(candidate):
    assert candidate(1) == {SECRET}
    value = candidate(2)
    assert {SECRET} in value and len(value) >= 0
    for item in candidate(3):
        assert item != {SECRET}
    assert sorted(candidate(4)) == [{SECRET}]
    assert candidate(5) == {{{SECRET}}}
    assert candidate(6).attribute(7)[8] == {SECRET}
    assert abs(candidate(9) - {SECRET}) < 1e-6
    assert str(candidate(10)) == "{SECRET}"
"""
ROW = {
    "task_id": "fuzz/1",
    "prompt": "",
    "entry_point": "f",
    "tests": {"kind": "check", "source": CHECK, "setup": ""},
    "canonical_solution": None,
    "solution_is_continuation": False,
}
WELL_BEHAVED = {"failed", "runtime_error", "violation", "output_limit", "memory", "timeout"}
SECONDS_EACH = 1.5
"""CPU time that one damaged frame may cost; an honest one costs about a millisecond."""

# Programs whose frames are recorded: every kind of value, handle and exception that crosses.
PROGRAMS = [
    "def f(x): return [x, (1, 2.5, None), {'a': {1, 2}}, b'xy', 'text', True]",
    "def f(x): return {i: str(i) for i in range(50)}",
    "def f(x): return {(1, 2): frozenset({3}), 'n': float('nan'), 'i': float('-inf')}",
    "def f(x): return 7 ** 900",
    "from decimal import Decimal\nfrom fractions import Fraction\n"
    "def f(x): return [Decimal('1.50'), Fraction(1, 3), 1 + 2j, range(2, 9, 3), slice(1, 2)]",
    "import datetime as d\nfrom collections import Counter, deque, OrderedDict\n"
    "def f(x): return [d.date(2020, 1, 2), d.datetime(2020, 1, 2), d.timedelta(1, 2), deque([1], 3), "
    "Counter('abca'), OrderedDict(a=1)]",
    "def f(x): return {1: 2}.keys(), {1: 2}.values(), {1: 2}.items(), int, ..., NotImplemented",
    "class A:\n    attribute = len\n    def __iter__(self): return iter([1, 2])\ndef f(x): return A()",
    "def f(x):\n    yield from range(100)",
    "def f(x): raise KeyError(x, 'why')",
    "class Own(ValueError): pass\ndef f(x): raise Own('why')",
    "import sys\ndef f(x): sys.exit(3)",
    "def f(x) return",
    "def g(x): pass",
]


# --- damage -----------------------------------------------------------------------------------------

# Every one of these hashes alike: a set of them is built in time that grows with its square.
TWINS = [n * (2**61 - 1) for n in range(1, 4000)]


def of_a_class(base: str, specials: list[str], own: list[str]) -> dict[str, Any]:
    """How a guest describes a class of the program."""
    described = {"id": 7, "name": "int", "module": "builtins", "specials": specials, "own": own}
    return described | {"bases": [base]}


LYING = of_a_class("object", ["__eq__", "__hash__", "__class__", "__add__", "__getattribute__"], [])
ERROR = {"kinds": ["KeyError"], "name": "KeyError", "message": "why", "line": 1, "args": []}
HOSTILE_NODES: list[Any] = [
    {"h": {"id": 7, "class": LYING}},
    {"h": {"id": 8, "of": LYING}},
    {"h": {"id": 8, "of": 99}},
    {"h": {"id": 8, "of": of_a_class("int", ["__eq__", "__sub__"], ["__eq__", "real"])}},
    {"h": {"id": 8, "of": of_a_class("list", ["__eq__", "__len__"], ["append", "args"])}},
    {"x": [5, {"id": 8, "of": of_a_class("int", ["__eq__"], ["__eq__", "bit_length"])}]},
    {"x": [[1], {"id": 8, "of": of_a_class("list", [], [])}]},
    {"x": ["a", {"id": 8, "of": of_a_class("int", [], [])}]},
    {"x": [True, {"id": 8, "of": of_a_class("bool", [], [])}]},
    {"x": [{"D": "1"}, {"id": 8, "of": 7}]},
    {"h": {"id": 8, "of": of_a_class("ValueError", ["__str__"], ["args", "message", "__str__"])}},
    {"E": ERROR | {"kinds": [[], {}, 5]}},
    {"E": ERROR | {"kinds": ["SystemExit"]}},
    {"E": ERROR | {"kinds": ["AssertionError"], "of": {"id": 1, "of": LYING}}},
    {"E": ERROR | {"kinds": ["UnicodeDecodeError"], "args": ["a", 1]}},
    {"E": ERROR | {"kinds": ["ExceptionGroup"], "parts": [ERROR, {}]}},
    {"E": ERROR | {"kinds": ["OSError"], "args": [2, "x", "y"], "cause": ERROR}},
    {"E": ERROR | {"line": 10**30, "message": "m" * 20_000}},
    {"g": [{"l": [{"&": 0}]}]},
    {"g": [[], 0]},
    {"g": [["s", list(range(1, 3001))], *([0, n] for n in TWINS[:3000])]},
    {"g": [["d", [[n, n] for n in range(1, 3001)]], *([0, n] for n in TWINS[:3000])]},
    # Two of the one inside two of the one inside …: a hundred nodes, and 2**100 parts to hash.
    {"g": [["S", [1]], *(["t", [n + 2, n + 2]] for n in range(100)), [0, 5]]},
    {"J": 0},
    {"J": 10**9},
    {"J": "0"},
    *(None, True, -1, 2**62, 1e308, "", "\ud800", "x" * 10_000, [], {}, {"": None}, {"h": None}),
    {"h": {"id": 10**9, "type": "int"}},
    {"h": {"id": -1, "type": "x" * 300, "callable": True, "module": ""}},
    {"s": TWINS},
    {"S": [*range(4000), *TWINS]},
    {"d": [[n, 1] for n in TWINS]},
    {"vk": TWINS},
    {"vi": [[n, 1] for n in TWINS]},
    {"vv": [[]] * 1000},
    {"s": [{"t": [n, n]} for n in TWINS[:1500]]},
    {"s": [{"f": "nan"}] * 2000},
    {"s": [[1]]},
    {"r": [0, 2**62, 1]},
    {"r": [0, {"i": "0x1" + "0" * 100}, 1]},
    {"r": [0, 1, 0]},
    {"D": "1e999999999"},
    {"D": "9" * 50_000},
    {"D": [0, [1], 10**9]},
    {"D": "sNaN"},
    {"Q": ["0x1", "0x0"]},
    {"Q": ["0x" + "f" * 40_000, "0x" + "e" * 40_000]},
    {"Q": [["0x1"], ["0x1"]]},
    {"i": "0x" + "f" * 100_000},
    {"i": 5},
    {"i": "9" * 5000},
    {"c": [{"c": [1, 2]}, "x"]},
    {"q": [[1], -1]},
    {"q": [[1], 10**30]},
    {"td": [10**9, 10**9, 10**9]},
    {"dt": "x" * 1000},
    {"T": "__loader__"},
    {"T": "exec"},
    {"T": ["int"]},
    {"e": []},
    {"b": "zz"},
    {"sl": [{"s": []}, None, None]},
    {"t": 5},
    {"t": {"a": 1}},
    {"d": {"ab": 1}},
    {"unknown": 1},
    {"i": "0x1", "t": []},
    [[], {}, [[]], "KeyError", {"a": 1}],
]


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = {"t": [value]} if number % 2 else [value]
    return value


def damaged_json(body: bytes, rng: random.Random) -> bytes:
    """One to three nodes of the tree replaced, moved or doubled."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return body
    try:
        for _ in range(rng.randint(1, 3)):
            tree = _graft(tree, rng)
        return json.dumps(tree).encode()
    except RecursionError:  # grafted deep into deep: more than can be written this way
        return b"[" * 5000 + b"]" * 5000


def _graft(tree: Any, rng: random.Random) -> Any:
    places = list(islice(_places(tree), 300))
    holder, key = rng.choice(places) if places else (None, None)
    what = rng.random()
    if what < 0.1:
        new: Any = nested(rng.choice([3, 50, 70, 900]))
    elif what < 0.3 and places:
        other, at = rng.choice(places)
        new = other[at]
    else:
        new = rng.choice(HOSTILE_NODES)
    new = json.loads(json.dumps(new))  # a copy: what is grafted now may be damaged later
    if holder is None:
        return new
    if isinstance(holder, list) and rng.random() < 0.2:
        holder.insert(key, new)
    elif rng.random() < 0.1:
        del holder[key]
    else:
        holder[key] = new
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(tree, dict | list):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def damaged_bytes(body: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Bytes flipped, cut out, doubled, inserted, or the tail of another frame."""
    data = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(6):
            case 0 if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                del data[at : min(end, at + 20)]
            case 2:
                data[at:at] = data[at:end]
            case 3:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 4:
                data[at:] = rng.choice(others)[at:]
            case _:
                del data[at:]
    return bytes(data)


def damaged(body: bytes, others: list[bytes], rng: random.Random) -> bytes:
    if rng.random() < 0.7:
        return damaged_json(body, rng)
    return damaged_bytes(body, others, rng)


# --- frames recorded from a real cell -------------------------------------------------------------------


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    try:
        cell = open_cell("auto", False, Limits(), []).cell
    except SandboxError as error:
        pytest.skip(f"no isolation on this machine: {error}")
    yield cell
    cell.close()


@pytest.fixture(scope="module")
def recorded(cell: Cell) -> list[list[bytes]]:
    """For each program, the bodies that its guest sent while the tests ran."""
    return [record(cell, program) for program in PROGRAMS]


def record(cell: Cell, program: str) -> list[bytes]:
    style = CheckStyle(ROW)
    execution = cell.start(program, Limits(), names=style.wanted)
    bodies: list[bytes] = []
    receive = execution._receive_body

    def keep() -> bytearray:
        body = receive()
        bodies.append(bytes(body))
        return body

    execution._receive_body = keep  # type: ignore[method-assign]
    run_tests(style, execution, Scorecard(style.test_names))
    execution.finish()
    return bodies


class Replayed(Asking):
    """The judge's half of a conversation in which the other half is played from bytes."""

    def __init__(self, bodies: list[bytes]) -> None:
        super().__init__({})
        self._bodies, self._nonce = iter(bodies), 0

    def _send(self, value: Any) -> None:
        if isinstance(value, list):
            self._nonce = value[0]

    def _receive(self) -> Any:
        body = next(self._bodies, None)
        if body is None:
            raise ProgramEnded
        try:
            frame = frames.unpack(body)
        except frames.FrameError as error:
            raise self._violation(str(error)) from None
        if isinstance(frame, list) and frame and type(frame[0]) is int:
            frame[0] = self._nonce  # a real program knows the one that it was asked with
        return frame

    def _violation(self, message: str) -> Violation:
        return Violation(message)


STYLE = CheckStyle(ROW)
PATIENCE = Patience(SECONDS_EACH)


def replay(recorded: list[list[bytes]], seed: int) -> float:
    """Damage one conversation and let the tests have it; its cost in CPU seconds."""
    rng = random.Random(seed)
    bodies = list(rng.choice(recorded))
    others = [body for conversation in recorded for body in conversation]
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(bodies))
        bodies[at] = damaged(bodies[at], others, rng)
    if rng.random() < 0.2:
        rng.shuffle(bodies)
    return judged_wrong(bodies)


def judged_wrong(bodies: list[bytes]) -> float:
    """Run the tests on a conversation, which must not pass; their cost in CPU seconds."""
    card = Scorecard(STYLE.test_names)
    since = time.process_time()
    try:
        with PATIENCE:
            whole = run_tests(STYLE, Replayed(bodies), card)
    except (
        JudgeTimeout
    ):  # an endless range that the test walks through: the judge has a limit for that
        return 0.0
    assert whole is not None or not all(f and f.outcome == "passed" for f in card.findings)
    return time.process_time() - since


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**64))
def test_damaged_frames_are_refused_or_wrong(recorded: list[list[bytes]], seed: int) -> None:
    assert replay(recorded, seed) < SECONDS_EACH


@pytest.mark.slow
def test_many_damaged_frames_in_bounded_memory(recorded: list[list[bytes]]) -> None:
    for seed in range(500):
        replay(recorded, seed)
    before, until = peak_bytes(), time.monotonic() + 60
    seed = 500
    while time.monotonic() < until:
        assert replay(recorded, seed) < SECONDS_EACH, seed
        seed += 1
    assert seed > 2000
    # Each conversation is forgotten: what 500 took is enough for all the others, but for an unlucky large one.
    assert peak_bytes() - before < 200 * 2**20


@pytest.mark.parametrize("node", range(len(HOSTILE_NODES)))
def test_each_hostile_node_as_an_answer(node: int) -> None:
    hostile = HOSTILE_NODES[node]
    ready = b'["ready",{"f":{"h":{"id":0,"type":"function","module":"","callable":true}}}]'
    for reply in (
        [0, "value", hostile],
        [0, "error", hostile],
        [0, "error", ERROR | {"args": [hostile], "of": hostile}],
        [0, "uses", "call", hostile, [], {}],
        [0, "uses", "getattr", 0, [hostile], {"key": hostile}],
    ):
        assert judged_wrong([ready, *([json.dumps(reply).encode()] * 40)]) < SECONDS_EACH


def test_each_hostile_node_as_a_global_or_an_error() -> None:
    for hostile in HOSTILE_NODES:
        for frame in (
            ["ready", {"f": hostile}],
            ["ready", hostile],
            ["error", hostile, "KeyError", "why"],
            ["error", [hostile], hostile, "why"],
            ["error", ["KeyError", hostile], "KeyError", hostile],
            ["syntax", [hostile], "SyntaxError", "why"],
            ["error", hostile],
            ["error", {"borrowed": hostile}],
            ["error", ERROR | {"args": [hostile]}],
            hostile,
        ):
            assert judged_wrong([json.dumps(frame).encode()]) < SECONDS_EACH


# --- the same from real processes ------------------------------------------------------------------------

# The program damages the honest answers of its own guest: it has the nonce, the socket and the time.
SABOTEUR = (
    textwrap.dedent(
        """
        import json, os, random, sys
        from itertools import islice
        from codealign.sandbox import frames
        SEED, HOSTILE, OTHERS = {seed}, {hostile}, {others}
        rng = random.Random(SEED)
        honest = frames.send
        def f(x):
            frames.send = send if rng.random() < 0.7 else honest
            return [x, {{'a': (1, 2)}}, 'text']
        def send(fd, value):
            body = damaged(json.dumps(value).encode(), OTHERS, rng)
            frame = len(body).to_bytes(4, 'big') + body
            what = rng.random()
            if what < 0.1:
                frame = frame * 2
            elif what < 0.2:
                frame = (len(body) + rng.choice([-1, 1, 100, 2**31])).to_bytes(5, 'big')[-4:] + body
            elif what < 0.25:
                frame = bytes(4)
            elif what < 0.3:
                frame = frame[: rng.randrange(len(frame))]
            for at in range(0, len(frame), 50_000):
                os.write(fd, frame[at : at + 50_000])
            if what > 0.9:
                os._exit(0)
        """
    )
).strip()


# What a test walks through for ever is left out: the judge bears with that for 20 s, each time.
FOR_SABOTEURS = [
    node for node in HOSTILE_NODES if len(json.dumps(node)) < 3000 and '"r"' not in json.dumps(node)
]


def saboteur(seed: int, others: list[bytes]) -> str:
    import inspect

    source = SABOTEUR.format(
        seed=seed, hostile=repr(FOR_SABOTEURS), others=repr(others[:10])
    ).replace("\nrng =", "\nHOSTILE_NODES = HOSTILE\nrng =", 1)
    tools = [nested, damaged_json, _graft, _places, damaged_bytes, damaged]
    future = "from __future__ import annotations\n"
    return future + source + "\n" + "\n".join(inspect.getsource(tool) for tool in tools)


@pytest.fixture(scope="module", params=[True, False], ids=["trusted", "untrusted"])
def judging(request: pytest.FixtureRequest) -> Iterator[Judge]:
    limits = LimitsConfig(cpu_s=1.0, wall_s=3.0, memory_bytes=128 * 2**20)
    config = JudgeConfig(
        engine=LocalJudge(workers=1), limits=limits, trust_tests=request.param, cache=False
    )
    with Judge(config) as judging:
        try:
            assert judging.isolation in ("S3", "S2")
        except SandboxError as error:
            pytest.skip(f"no isolation on this machine: {error}")
        yield judging


FUZZED = Problem(task_id="fuzz/1", prompt="", entry_point="f", tests=CheckTests(source=CHECK))
PLAIN = Problem(
    task_id="fuzz/2",
    prompt="",
    entry_point="f",
    tests=CheckTests(source="def check(candidate):\n    assert candidate(1) == 2"),
)


def sabotage(judging: Judge, seeds: range, recorded: list[list[bytes]]) -> list[Verdict]:
    """Verdicts on saboteurs, each followed by a right program, which has to pass."""
    others = [body for conversation in recorded for body in conversation]
    right = Candidate(PLAIN, "def f(x): return x + 1")
    candidates = [c for n in seeds for c in (Candidate(FUZZED, saboteur(n, others)), right)]
    verdicts = list(judging.verdicts(candidates))
    assert all(verdict.passed for verdict in verdicts[1::2])
    return verdicts[::2]


def no_worse_than_wrong(verdicts: list[Verdict], trusted: bool) -> None:
    allowed = WELL_BEHAVED | ({"not_judged"} if not trusted else set())
    assert {verdict.outcome for verdict in verdicts} <= allowed
    # Most damage is seen for what it is; else the saboteur of this test would have broken itself.
    assert sum(verdict.outcome == "violation" for verdict in verdicts) > len(verdicts) // 4


def test_saboteurs_never_pass_and_harm_no_neighbour(
    judging: Judge, recorded: list[list[bytes]]
) -> None:
    verdicts = sabotage(judging, range(60), recorded)
    no_worse_than_wrong(verdicts, judging.config.trust_tests)


@pytest.mark.slow
def test_many_saboteurs(judging: Judge, recorded: list[list[bytes]]) -> None:
    until, first = time.monotonic() + 60, 1000
    while time.monotonic() < until:
        verdicts = sabotage(judging, range(first, first + 100), recorded)
        no_worse_than_wrong(verdicts, judging.config.trust_tests)
        first += 100
    assert os.getpid()
