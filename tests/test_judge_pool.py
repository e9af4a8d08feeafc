"""The pool: order, duplicates, what is handed out when things fail, and what is left when it ends.

Where a judge process has to die at a given moment, a scripted one stands in for it: it speaks the same frames, does what
each program's text says, and writes down when it began and ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.errors import DataError, SandboxError
from codealign.judging import Candidate, Judge, process
from codealign.judging.runner import hash_of_judge, runner_version
from codealign.records import CallTests, Completion, Problem, Verdict
from codealign.sandbox import cgroups
from codealign.sandbox.boot import SOURCE_DIR
from codealign.verdicts import judge_completions, judge_repeatedly

LIMITS = LimitsConfig(cpu_s=2.0, wall_s=20.0, memory_bytes=128 * 2**20)
CONFIG = JudgeConfig(engine=LocalJudge(workers=2), limits=LIMITS)
ONE = CallTests(inputs=[[1]], outputs=[2])
PROBLEM = Problem(task_id="t/1", prompt="", entry_point="f", tests=ONE)
RIGHT = "def f(n): return 2"


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    with Judge(CONFIG) as judging:
        try:
            assert judging.isolation
        except SandboxError as error:
            pytest.skip(f"no isolation on this machine: {error}")
        yield judging


def asked(*programs: str) -> list[Candidate]:
    return [Candidate(PROBLEM, program, number) for number, program in enumerate(programs)]


def test_as_many_processes_as_cores_keep_to_one_each() -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) != 2:
        pytest.skip("for two cores")
    where = "import os, time\ntime.sleep(0.3)\ndef f(n): return sorted(os.sched_getaffinity(0))"
    nowhere = PROBLEM.model_copy(update={"tests": CallTests(inputs=[[1]], outputs=[[]])})
    programs = [Candidate(nowhere, f"{where}\n_ = {number}", number) for number in range(12)]
    told = {}
    for num_workers in (1, 2):
        config = CONFIG.model_copy(update={"engine": LocalJudge(workers=num_workers)})
        with Judge(config) as judge:
            failures = [verdict.first_failure for verdict in judge.verdicts(programs)]
        told[num_workers] = {failure.actual for failure in failures if failure is not None}
    assert told == {1: {str(sorted(cores))}, 2: {f"[{core}]" for core in cores}}


# --- order, duplicates, what made a verdict ------------------------------------------------------


def test_unordered_verdicts_do_not_wait_for_a_slow_program(judging: Judge) -> None:
    slow = "import time\ntime.sleep(1)\n" + RIGHT
    programs = [slow, *(f"def f(n): return {n}" for n in range(20))]
    numbers = [v.sample_index for v in judging.verdicts(asked(*programs), ordered=False)]
    assert sorted(numbers) == list(range(21))  # one verdict each
    # One program may wait in the pipe behind the slow one; the other process judges all the rest meanwhile.
    assert numbers.index(0) >= 19


def test_unordered_verdicts_are_those_of_their_own_candidates(judging: Judge) -> None:
    programs = [f"def f(n): return {n % 5}" for n in range(40)]
    verdicts = {v.sample_index: v for v in judging.verdicts(asked(*programs), ordered=False)}
    assert len(verdicts) == 40
    assert [n for n, verdict in verdicts.items() if verdict.program != programs[n]] == []
    assert {n for n, verdict in verdicts.items() if verdict.passed} == set(range(2, 40, 5))


RANDOM = "import os\ndef f(n):\n    raise ValueError(os.urandom(8).hex())\n"


@pytest.mark.parametrize("ordered", [True, False])
def test_programs_that_differ_in_layout_run_once_and_keep_their_own_text(
    judging: Judge, ordered: bool
) -> None:
    programs = [RANDOM, RANDOM + "# comment", RANDOM.replace("f(n)", "f( n )"), RANDOM]
    verdicts = list(judging.verdicts(asked(*programs), ordered=ordered))
    assert len({verdict.message for verdict in verdicts}) == 1
    verdicts.sort(key=lambda verdict: verdict.sample_index)
    assert [verdict.program for verdict in verdicts] == programs
    assert len({verdict.program_hash for verdict in verdicts}) == 3


def test_a_program_that_reads_its_docstring_is_not_taken_for_another(judging: Judge) -> None:
    text = 'def f(n):\n    "{}"\n    return int(f.__doc__)'
    verdicts = list(judging.verdicts(asked(text.format(2), text.format(3))))
    assert [verdict.passed for verdict in verdicts] == [True, False]


def test_without_the_cache_every_program_runs() -> None:
    with Judge(CONFIG.model_copy(update={"cache": False})) as judging:
        messages = {v.message for v in judging.verdicts(asked(*[RANDOM] * 5))}
        assert (judging.tally.num_judged, judging.tally.num_identical) == (5, 0)
    assert len(messages) == 5


def test_a_verdict_says_what_made_it(judging: Judge) -> None:
    (verdict,) = judging.verdicts(asked(RIGHT))
    assert verdict.limits == {**LIMITS.model_dump()}
    assert verdict.problem_hash == judging.problem_key(PROBLEM)
    assert verdict.python == ".".join(map(str, sys.version_info[:3]))
    assert (verdict.runner, verdict.retried) == (runner_version(), "")


def test_any_edit_of_the_judge_is_another_runner(tmp_path: Path) -> None:
    hashes = []
    for room, text in [("judging", "1"), ("judging", "2"), ("sandbox", "1")]:
        (tmp_path / room).mkdir(exist_ok=True)
        (tmp_path / room / "referee.py").write_text(text)
        hashes.append(hash_of_judge(tmp_path))
    assert len(set(hashes)) == 3
    assert hash_of_judge(tmp_path) == hashes[-1]


# --- when the caller fails, or leaves -----------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
def test_what_came_before_a_failing_iterable_is_handed_out_first(
    judging: Judge, ordered: bool
) -> None:
    def failing() -> Iterator[Candidate]:
        yield from asked(*(f"def f(n): return {n}" for n in range(10)))
        raise OSError("the model server is gone")

    heard: list[Verdict] = []
    with pytest.raises(OSError, match="server is gone"):
        heard.extend(judging.verdicts(failing(), ordered=ordered))
    assert sorted(verdict.sample_index for verdict in heard) == list(range(10))


def test_a_completion_of_an_unknown_task_stops_after_those_before_it(judging: Judge) -> None:
    rows = [
        Completion(task_id=task, completion=RIGHT, sample_index=n, note="kept")  # pyright: ignore[reportCallIssue]
        for n, task in enumerate(["t/1", "t/1", "t/2", "t/1"])
    ]
    heard: list[Verdict] = []
    with pytest.raises(DataError, match="'t/2'"):
        heard.extend(judge_completions({"t/1": PROBLEM}, rows, judging))
    assert [(v.sample_index, v.passed, v.model_extra["note"]) for v in heard] == [  # type: ignore[index]
        (0, True, "kept"),
        (1, True, "kept"),
    ]


def test_a_consumer_that_leaves_keeps_nobody_and_nothing(judging: Judge) -> None:
    slow = "import time\ntime.sleep(0.2)\ndef f(n): return {}"
    verdicts = judging.verdicts(asked(*(slow.format(n) for n in range(200))))
    next(verdicts)
    verdicts.close()  # type: ignore[attr-defined]
    started = time.monotonic()
    assert next(judging.verdicts(asked(RIGHT + " # after"))).passed
    # 200 programs on two processes would take 20 s; at most four had begun or waited in a pipe.
    assert time.monotonic() - started < 10


def test_closing_ends_the_wait_of_another_thread() -> None:
    judging = Judge(CONFIG)
    caught: list[SandboxError] = []
    has_begun = threading.Event()

    def wait() -> None:
        try:
            endless = judging.verdicts(asked("import time\ntime.sleep(100)\n" + RIGHT))
            has_begun.set()
            next(endless)
        except SandboxError as error:
            caught.append(error)

    assert judging.isolation
    thread = threading.Thread(target=wait)
    thread.start()
    has_begun.wait()
    judging.close()
    thread.join(30)
    # Either the wait was cut short, or it began after the close and started a pool of its own.
    judging.close()
    thread.join(30)
    assert not thread.is_alive()
    assert "closed" in str(caught[0])


# --- when a judge process dies ------------------------------------------------------------------

SCRIPTED = f"""
import os, sys, time
sys.path.insert(0, {SOURCE_DIR!r})
from codealign.sandbox import frames
folder = sys.argv[1]
requests = os.fdopen(0, "rb")
frames.read(requests)
if os.path.exists(folder + "/no start"):
    sys.exit()
frames.send(1, {{"level": "S3", "reasons": {{}}}})
def note(word, program):
    with open(folder + "/log", "a") as log:
        log.write(f"{{word}} {{os.getpid()}} {{time.monotonic()}} {{program}}\\n")
def is_first(program):
    try:
        os.close(os.open(folder + "/" + program, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
while (request := frames.read(requests)) is not None:
    program = request["program"]
    note("begin", program)
    what, _, count = program.partition(" ")
    row = {{"outcome": "passed", "passed": True, "detail": "", "cpu_s": 0.1, "wall_s": 1.0, "isolation": "S3"}}
    if count.startswith("always") or (count.startswith("once") and is_first(program)):
        if what == "die": os._exit(1)
        if what == "hang": time.sleep(1000)
        if what == "babble": os.write(1, bytes([255] * 4) + b" passed"); time.sleep(1000)
        if what == "starve": row |= {{"outcome": "timeout", "passed": False, "detail": "wall"}}
    if what == "slow": time.sleep(0.2)
    note("end", program)
    frames.send(1, row)
"""


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Judge processes that do what the program's text says; the directory where they write."""
    command = [sys.executable, "-S", "-c", SCRIPTED, str(tmp_path)]
    monkeypatch.setattr(process.boot, "command", lambda *arguments: command)
    return tmp_path


def log(folder: Path) -> list[tuple[str, float, str]]:
    """(begin or end, when, program) in the order of time."""
    rows = (line.split(" ", 3) for line in (folder / "log").read_text().splitlines())
    return sorted(((word, float(at), program) for word, _, at, program in rows), key=lambda r: r[1])


def test_a_program_over_which_two_processes_die_is_not_judged_and_costs_nobody_else(
    scripted: Path,
) -> None:
    programs = [f"fine {n}" for n in range(30)]
    programs[7], programs[19] = "die always", "die once"
    with Judge(CONFIG) as judging:
        verdicts = list(judging.verdicts(asked(*programs)))
        assert judging.tally.num_retried == 2
    outcomes = [(v.outcome, v.detail, v.retried) for v in verdicts]
    assert outcomes.pop(19) == ("passed", "", "worker")
    assert outcomes.pop(7) == ("not_judged", "worker", "worker")
    assert set(outcomes) == {("passed", "", "")}
    begun = Counter(program for word, _, program in log(scripted) if word == "begin")
    assert begun == Counter({**dict.fromkeys(programs, 1), "die always": 2, "die once": 2})


@pytest.mark.parametrize("what", ["hang", "babble"])
def test_a_stuck_process_is_replaced_and_its_program_judged_once_more(
    scripted: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(process, "GRACE_S", 2.0)
    quick = CONFIG.model_copy(update={"limits": LimitsConfig(cpu_s=0.01, wall_s=0.01)})
    with Judge(quick) as judging:
        programs = ["fine 1", f"{what} once", "fine 2", f"{what} always", "fine 3"]
        outcomes = [(v.outcome, v.retried) for v in judging.verdicts(asked(*programs))]
    fine = ("passed", "")
    assert outcomes == [fine, ("passed", "worker"), fine, ("not_judged", "worker"), fine]


def test_a_starved_program_is_judged_once_more_with_nothing_beside_it(scripted: Path) -> None:
    programs = [
        *(f"slow {n}" for n in range(6)),
        "starve once",
        *(f"slow {n}" for n in range(6, 12)),
    ]
    programs.append("starve always")
    with Judge(CONFIG) as judging:
        verdicts = {v.program: v for v in judging.verdicts(asked(*programs))}
    assert (verdicts["starve once"].passed, verdicts["starve once"].retried) == (True, "wall")
    always = verdicts["starve always"]
    assert (always.outcome, always.detail, always.retried) == ("timeout", "wall", "wall")
    assert {v.retried for p, v in verdicts.items() if p.startswith("slow")} == {""}
    running: set[str] = set()
    beside: list[set[str]] = []
    for word, _, program in log(scripted):
        if word == "begin":
            running.add(program)
            if program.startswith("starve"):
                beside.append(set(running))
        else:
            running.remove(program)
    assert Counter(map(len, beside[1:]))[1] >= 2  # the second try of each


def test_a_program_that_only_waits_is_no_starved_one() -> None:
    from codealign.judging.tasks import was_starved

    row = {"outcome": "timeout", "detail": "wall", "wall_s": 17.0, "cpu_s": 0.02}
    assert not was_starved(row, 5.0)  # a sleeper
    assert was_starved(row | {"cpu_s": 1.0}, 5.0)
    assert not was_starved(row | {"cpu_s": 3.0}, 5.0)
    assert not was_starved(row | {"cpu_s": 1.0, "detail": "cpu"}, 5.0)


def test_processes_that_never_start_are_an_error_with_a_cure(scripted: Path) -> None:
    (scripted / "no start").touch()
    with Judge(CONFIG) as judging:
        with pytest.raises(SandboxError, match="codealign env"):
            judging.isolation  # noqa: B018
        (scripted / "no start").unlink()
        assert judging.isolation == "S3"  # a later use tries again


def test_a_large_problem_goes_through_a_pipe_that_takes_a_little_at_a_time(scripted: Path) -> None:
    large = PROBLEM.model_copy(update={"prompt": "x" * 5_000_000})
    with Judge(CONFIG) as judging:
        candidates = [Candidate(large, f"fine {n}") for n in range(4)]
        assert [v.passed for v in judging.verdicts(candidates)] == [True] * 4


# --- oversubscription ---------------------------------------------------------------------------

BUSY = """
import time
def f(n):
    while time.process_time() < {}: pass
    return 2
"""


def test_four_times_as_many_workers_as_cores_change_no_verdict(judging: Judge) -> None:
    # Six tenths of the CPU limit, and half as much again as it: on one core or an eighth of one.
    limits = LimitsConfig(cpu_s=0.5, memory_bytes=128 * 2**20)
    num_workers = 4 * len(os.sched_getaffinity(0))
    config = JudgeConfig(engine=LocalJudge(workers=num_workers), limits=limits, cache=False)
    programs = [BUSY.format(0.3 if n % 2 else 0.75) for n in range(2 * num_workers)]
    with Judge(config) as crowded:
        outcomes = [(v.outcome, v.detail) for v in crowded.verdicts(asked(*programs))]
    assert outcomes == [("timeout", "cpu"), ("passed", "")] * num_workers


# --- the end ------------------------------------------------------------------------------------


def _family(pid: int) -> list[int]:
    """Every descendant."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _until(condition, within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _leavings(pids: list[int]) -> list[Path]:
    """Cgroups and scratch directories that these judge processes made."""
    names = [
        f"{place}/{name}" for place in [*cgroups._parents(), "/tmp"] for name in os.listdir(place)
    ]
    marks = [f"/codealign-{pid}-" for pid in pids]
    return [Path(name) for name in names if any(mark in name for mark in marks)]


def _leavings_after_a_start(pids: list[int]) -> list[Path]:
    """Empty cgroups of killed processes are swept by whoever starts next."""
    with Judge(CONFIG) as judging:
        assert judging.isolation
    return _leavings(pids)


def _is_settled(pid: int) -> bool:
    """Two judges, two zygotes, below each zygote a program and its child, and no new face for a while."""
    before = set(_family(pid))
    time.sleep(0.3)
    return len(before) == 8 and before == set(_family(pid))


@pytest.mark.parametrize("when", ["starting", "running"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_command_leaves_nothing(
    how: signal.Signals, when: str, judging: Judge, tmp_path: Path
) -> None:
    sleeping = "import os, time\nos.fork()\ntime.sleep(1000)\n"
    row = {"task_id": "t/1", "prompt": "", "entry_point": "f", "tests": ONE.model_dump()}
    (tmp_path / "problems.jsonl").write_text(json.dumps(row))
    rows = [{"task_id": "t/1", "solution": sleeping + f"x = {n}"} for n in range(4)]
    (tmp_path / "completions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = "-m codealign judge --problems problems.jsonl --completions completions.jsonl"
    words = [*command.split(), "engine.workers=2", "limits.wall_s=600"]
    driver = subprocess.Popen([sys.executable, *words], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        if when == "starting":
            assert _until(lambda: len(_family(driver.pid)) >= 3)
        else:
            assert _until(lambda: _is_settled(driver.pid))
        family = _family(driver.pid)
        driver.send_signal(how)
        code = driver.wait(30)
    finally:
        driver.kill()
    assert code == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    assert _until(lambda: not any(map(_is_running, family)))
    if how == signal.SIGKILL:
        assert _until(lambda: _leavings_after_a_start(family) == [])
    else:
        assert _leavings(family) == []
    assert not (tmp_path / "verdicts.jsonl").exists()


# --- repeats ------------------------------------------------------------------------------------


def test_repeats_find_the_program_whose_verdict_changes() -> None:
    # Eight fair throws all alike: once in 128 runs of this test for one program, so three of them (1 in 2 million).
    flaky = "import os\ndef f(n): return 2 + os.urandom(1)[0] % 2\n"
    completions = [
        Completion(task_id="t/1", completion=text, sample_index=n)
        for n, text in enumerate([RIGHT, flaky, flaky, flaky, "def f(n): return 3"])
    ]
    with Judge(CONFIG.model_copy(update={"cache": False})) as judging:
        repeats = judge_repeatedly({"t/1": PROBLEM}, completions, judging, 8)
    assert len(repeats.verdicts) == 40
    assert repeats.changed
    assert {program.sample_index for program in repeats.changed} <= {1, 2, 3}
    for program in repeats.changed:
        assert sum(program.outcomes.values()) == 8
        assert program.flipped
    assert repeats.flake_rate == len(repeats.changed) / 5
    assert repeats.summary()["num_not_judged"] == 0


# --- scratch space of killed judges --------------------------------------------------------------


def test_the_scratch_directory_of_a_killed_judge_is_removed() -> None:
    # At S0 a cell has a directory in /tmp, named by the judge process; kill -9 leaves it nobody else to remove.
    weak = CONFIG.model_copy(
        update={
            "isolation": "S0",
            "accept_weak_isolation": True,
            "engine": LocalJudge(workers=1),
        }
    )
    before = set(_family(os.getpid()))
    with Judge(weak) as judging:
        assert judging.isolation == "S0"
        (judge_pid,) = [
            pid
            for pid in set(_family(os.getpid())) - before
            if b"judging.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(_leavings([judge_pid])) == 1
        os.kill(judge_pid, signal.SIGKILL)
        assert next(judging.verdicts(asked(RIGHT))).passed
        assert _leavings([judge_pid]) == []
