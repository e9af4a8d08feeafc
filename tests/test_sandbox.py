"""The cell: what crosses its border, what one program leaves to the next, and who may start one."""

from __future__ import annotations

import array
import datetime
import enum
import json
import os
import subprocess
import sys
import textwrap
import time
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ordinary_user import readable_sources

from codealign.errors import SandboxError
from codealign.sandbox import Cell, Limits, cgroups, folder, frames, isolation_levels, open_cell
from codealign.sandbox.cell import LaunchRefused
from codealign.sandbox.codec import TooDeep, Undecodable, decode, encode, plain_only, plain_or
from codealign.sandbox.probes import run_probes
from codealign.sandbox.proxies import Proxies
from codealign.sandbox.remote import ProgramError, Remote, ToldError, rebuild_error

LIMITS = Limits(cpu_s=2.0, wall_s=8.0, memory_bytes=128 * 2**20, file_bytes=2**20)


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    try:
        opened = open_cell("auto", False, LIMITS, [])
    except SandboxError as error:
        pytest.skip(f"no isolation on this machine: {error}")
    yield opened.cell
    opened.cell.close()


def call(cell: Cell, source: str, *arguments: Any, name: str = "f") -> Any:
    """Run `source` in its own process and call its function."""
    execution = cell.start(textwrap.dedent(source), LIMITS, names=[name])
    try:
        return execution.begin()[name](*arguments)
    finally:
        execution.finish()


# --- values across the border -------------------------------------------------------------------

Point = namedtuple("Point", "x y")
VALUES: list[Any] = [
    None,
    True,
    -(2**63),
    10**5000,
    1.5,
    float("inf"),
    -0.0,
    "a\u20ac\ud800\0",
    [1, [2, [3]]],
    (1, (2,), []),
    {1, 2},
    frozenset({"a"}),
    {(1, 2): [3], "k": {1: 2}},
    b"\0\xff",
    bytearray(b"x"),
    1 + 2j,
    range(1, 10, 3),
    slice(1, None, 2),
    deque([1, 2], maxlen=3),
    Decimal("1.10"),
    Fraction(1, 3),
    datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
    datetime.date(2020, 1, 2),
    datetime.time(1, 2),
    datetime.timedelta(1, 2, 3),
    datetime.UTC,
    datetime.timezone(datetime.timedelta(hours=1), "here"),
    Counter("aab"),
    OrderedDict(b=1, a=2),
    defaultdict(list, a=[1]),
    array.array("d", [0.5]),
    uuid.UUID(int=7),
    PurePosixPath("a/b"),
    memoryview(b"ab"),
    ...,
    int,
]


@pytest.mark.parametrize("value", VALUES, ids=[type(value).__name__ for value in VALUES])
def test_a_value_comes_back_from_a_program_as_it_went(cell: Cell, value: Any) -> None:
    back = call(cell, "def f(x): return x", value)
    assert back == value
    assert type(back) is type(value)


def test_nan_comes_back_as_nan(cell: Cell) -> None:
    back = call(cell, "def f(x): return [x, x]", float("nan"))
    assert [item != item for item in back] == [True, True]


class Color(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (Point(1, 2), (1, 2)),
        (Color.RED, 3),
        (type("Text", (str,), {})("x"), "x"),
        (type("Row", (list,), {"__iter__": lambda self: iter("lies")})([1]), [1]),
        (type("Table", (dict,), {"items": lambda self: "lies"})(a=1), {"a": 1}),
    ],
)
def test_a_subclass_crosses_as_the_value_it_is_made_of(value: Any, base: Any) -> None:
    def refuse(value: Any) -> Any:
        raise AssertionError(f"{value!r} became a handle")

    back = decode(json.loads(json.dumps(encode(value, plain_or(refuse)))), plain_only)
    assert back == base
    assert type(back) is type(base)


def test_views_cross_as_views() -> None:
    views = [{"a": 1}.keys(), {"a": 1}.items()]
    for view in views:
        back = decode(encode(view, plain_or(lambda value: 0)), plain_only)
        assert back == view


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers())
        | st.sets(st.text())
    ),
    max_leaves=20,
)


@given(plain)
@settings(max_examples=200, deadline=None)
def test_decode_undoes_encode(value: Any) -> None:
    body = frames.pack(encode(value, plain_or(lambda value: 0)))[4:]
    back = decode(frames.unpack(body), plain_only)
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from("hitsSdbBcrqDQeTamnUxEgJ")
            | st.sampled_from(["sl", "vk", "vi", "dt", "td", "tz", "Co", "od", "dd", "pp"])
            | st.sampled_from(["id", "type", "of", "class", "kinds", "name", "message", "args"])
            | st.sampled_from(["specials", "own", "bases", "module", "line", "parts", "cause"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=12,
)


@given(json_values)
@settings(max_examples=500, deadline=None)
def test_hostile_json_is_decoded_or_refused(data: Any) -> None:
    # A range or a deque is lazy, so nothing here grows; any other exception would kill the judge.
    proxies = Proxies(lambda *question: 0, lambda number: 0)
    try:
        decode(data, proxies.inside)
    except Undecodable:
        return


@pytest.mark.parametrize("data", [{"D": "1E+999999999"}, {"Q": ["0x" + "3" * 10**6, "0x7"]}])
def test_a_number_that_would_keep_the_judge_busy_is_refused(data: Any) -> None:
    with pytest.raises(Undecodable):
        decode(data, plain_only)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_hostile_bytes_are_a_frame_or_refused(body: bytes) -> None:
    try:
        frames.unpack(body)
    except frames.FrameError:
        return


def test_a_list_that_holds_itself_is_too_deep() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TooDeep):
        encode(endless, plain_or(lambda value: 0))


# --- objects that stay with the program ---------------------------------------------------------


def test_an_object_stays_with_the_program_and_equals_itself_only(cell: Cell) -> None:
    source = """
    class Node:
        def __init__(self, v): self.v, self.next = v, None
        def __eq__(self, other): return True
        __hash__ = None
    """
    execution = cell.start(textwrap.dedent(source), LIMITS, names=["Node"])
    node_class = execution.begin()["Node"]
    first, second = node_class(1), node_class(1)
    first.next = second
    assert isinstance(first, Remote)
    assert first.next.v == 1
    assert first != second
    assert first != 1
    with pytest.raises(TypeError):
        first < second  # noqa: B015
    execution.finish()


def test_an_endless_generator_is_taken_only_as_far_as_it_is_read(cell: Cell) -> None:
    source = "import itertools\ndef f(): return map(str, itertools.count())"
    execution = cell.start(source, LIMITS, names=["f"])
    numbers = iter(execution.begin()["f"]())
    assert [next(numbers) for _ in range(100)] == [str(n) for n in range(100)]
    execution.finish()


@pytest.mark.parametrize(
    "kind", [ValueError, KeyError, ZeroDivisionError, UnicodeDecodeError, OSError]
)
def test_an_exception_is_caught_as_the_builtin_it_is(kind: type[Exception]) -> None:
    kinds = [base.__name__ for base in kind.__mro__]
    error = rebuild_error(ToldError(kinds, kind.__name__, "told", 0, ()))
    assert isinstance(error, kind)
    assert isinstance(error, ProgramError)
    assert str(error) == "told"


# --- what one program leaves to the next --------------------------------------------------------

LEAVE = {
    "a file in /tmp": "open('/tmp/left', 'w').write('x')",
    "a file in the working directory": "open('left', 'w').write('x')",
    "a file in /dev/shm": "open('/dev/shm/left', 'w').write('x')",
    "a directory nobody may read": "os.chmod('/tmp', 0)",
    "a daemon": "os.fork() == 0 and (os.setsid(), os.fork() == 0 and time.sleep(60), os._exit(0))",
    "a full disk": "open('/tmp/big', 'wb').write(bytes(2**19))",
    # Its resource tracker can't be started in a cell, so making it may raise once it is made.
    "shared memory": "multiprocessing.shared_memory.SharedMemory('left', create=True, size=64)",
}
LOOK = """
import os
def f():
    seen = os.listdir('/tmp') + os.listdir('/dev/shm') + os.listdir('.')
    mode = oct(os.stat('/tmp').st_mode & 0o7777)
    try:
        os.kill(-1, 0)
        others = True
    except ProcessLookupError:
        others = False
    with open('/tmp/mine', 'wb') as file:
        file.write(bytes(2**19))
    return seen, mode, others
"""


@pytest.mark.parametrize("what", LEAVE)
def test_nothing_is_left_for_the_next_program(cell: Cell, what: str) -> None:
    source = f"""
    import os, time, multiprocessing.shared_memory
    def f():
        try: return str({LEAVE[what]})
        except BrokenPipeError: return ''
    """
    call(cell, source)
    assert call(cell, LOOK) == ([], "0o1777", False)


def test_a_cell_that_died_is_replaced(cell: Cell) -> None:
    assert call(cell, "def f(): return 1") == 1
    cell.close()
    assert call(cell, "def f(): return 2") == 2


def test_output_is_kept_and_counted(cell: Cell) -> None:
    execution = cell.start("print(input()[::-1])", LIMITS, stdin=b"abc\n")
    execution.begin()
    execution.wait_end()
    ending = execution.finish()
    assert execution.output == b"cba\n"
    assert (ending.reason, ending.signal) == ("", 0)
    assert 0 < ending.cpu_s < 1
    assert ending.peak_bytes > 2**20


# --- levels -------------------------------------------------------------------------------------


def test_every_probe_is_stopped_in_a_cell(cell: Cell) -> None:
    assert [probe for probe in run_probes(cell) if not probe.stopped] == []


def test_levels_are_reported_with_reasons() -> None:
    reports = isolation_levels(LIMITS)
    assert [report.level for report in reports] == ["S3", "S2", "S1", "S0"]
    assert all(report.reason for report in reports)


def test_weak_isolation_is_refused_unless_accepted_by_name() -> None:
    with pytest.raises(SandboxError, match="accept_weak_isolation"):
        open_cell("S0", False, LIMITS, [])
    opened = open_cell("S0", True, LIMITS, [])
    assert opened.cell.level == "S0"
    assert call(opened.cell, "def f(x): return x + 1", 1) == 2
    opened.cell.close()


def test_a_level_that_cannot_be_had_names_the_step_and_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", Path("/nowhere"))
    with pytest.raises(SandboxError, match=r"isolation S3 can't be had(.|\n)*isolation=auto"):
        open_cell("S3", False, LIMITS, [])


def test_a_launch_that_fails_says_which_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codealign.sandbox.boot._BOOT", "import sys; sys.exit('no Python here')")
    with pytest.raises(LaunchRefused, match=r"no Python here|without a word"):
        Cell("S2", LIMITS).launch()


def test_a_cell_starts_quickly(cell: Cell) -> None:
    fresh = Cell(cell.level, LIMITS)
    before = time.monotonic()
    fresh.launch()
    took_s = time.monotonic() - before
    fresh.close()
    assert took_s < 3.0  # 0.1 s alone; the rest is room for a busy machine


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to become nobody")
def test_an_ordinary_user_gets_namespaces_too(tmp_path: Path) -> None:
    source = f"""
import os, sys
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
sys.path.insert(0, {readable_sources()!r})
from codealign.sandbox import Limits, open_cell
opened = open_cell("auto", False, Limits(), [])
execution = opened.cell.start("import os\\ndef f(x): return x, os.getuid()", Limits(), names=["f"])
print(opened.cell.level, execution.begin()["f"](1), os.getuid())
execution.finish()
opened.cell.close()
"""
    python = "/usr/bin/python3"
    if not os.path.exists(python) or sys.version_info < (3, 11):
        pytest.skip("no system Python that an ordinary user may run")
    done = subprocess.run(
        [python, "-S", "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    if "can't be had" in done.stderr or "gives no isolation" in done.stderr:
        pytest.skip(f"ordinary users get no namespaces here: {done.stderr[-300:]}")
    assert done.stdout == "S2 (1, 1000) 65534\n", done.stderr


def test_emptying_stops_where_a_directory_was_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that outlives its judge (S0) moves the directory that is being emptied to a place of ours."""
    inside, elsewhere = tmp_path / "scratch" / "a", tmp_path / "elsewhere"
    inside.mkdir(parents=True)
    elsewhere.mkdir()
    (inside / "left").touch()
    (elsewhere / "precious").touch()
    remove_entries = folder._remove_entries

    def remove_and_be_moved(directory: int) -> str | None:
        found = remove_entries(directory)
        if inside.exists() and os.fstat(directory).st_ino == inside.stat().st_ino:
            inside.rename(elsewhere / "a")
        return found

    monkeypatch.setattr(folder, "_remove_entries", remove_and_be_moved)
    with pytest.raises(OSError, match="moved while it was emptied"):
        folder.empty(str(tmp_path / "scratch"))
    assert (elsewhere / "precious").exists()
