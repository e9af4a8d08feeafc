"""Honest programs pass, however unusual: what one process would accept, the judge accepts at every level.

The programs are those of the audit's corpus. Each is first held to the promise itself: in one plain Python
process it passes its task's test, so that a refusal is the judge's fault and not the program's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codealign.audit import TASKS, Specimen, load_corpus
from codealign.config import JudgeConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.records import Problem, StdioTests, Verdict

HONEST = [program for program in load_corpus().honest if not program.missing]
WEAKER_LEVELS = ("S2", "S1", "S0")


def judge_at(level: str) -> Judge:
    """A judge at a level, started; the test is skipped where this machine does not give it."""
    judge = Judge(
        JudgeConfig(
            isolation=level,  # type: ignore[arg-type]
            accept_weak_isolation=level == "S0",
            engine=LocalJudge(workers=2),
        )
    )
    try:
        assert judge.isolation
    except SandboxError as error:
        pytest.skip(f"no {level} on this machine: {error}")
    return judge


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    with judge_at("auto") as judge:
        yield judge


def refused(judge: Judge, programs: list[Specimen]) -> dict[str, tuple[str, str, str]]:
    verdicts = judge.verdicts(
        Candidate(TASKS[program.task].problem, program.source) for program in programs
    )
    return {
        program.name: (verdict.outcome, verdict.detail, verdict.message)
        for program, verdict in zip(programs, verdicts, strict=True)
        if not verdict.passed
    }


def test_there_are_many_and_each_is_different() -> None:
    assert len(HONEST) >= 60
    assert len({program.about for program in HONEST}) == len(HONEST)


def test_every_honest_program_passes(judging: Judge) -> None:
    assert refused(judging, HONEST) == {}


@pytest.mark.slow
@pytest.mark.parametrize("level", WEAKER_LEVELS)
def test_every_honest_program_passes_at_weaker_levels(level: str) -> None:
    with judge_at(level) as judge:
        assert refused(judge, HONEST) == {}


AS_A_SCRIPT_THEY_END_OTHERWISE = {
    "main_guard": "its guard exits before a test that follows it is reached",
    "solution_class": "the judge calls the method, as LeetCode does",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [program for program in HONEST if program.name not in AS_A_SCRIPT_THEY_END_OTHERWISE],
    ids=lambda program: program.name,
)
def test_one_plain_process_accepts_it_too(program: Specimen, tmp_path: Path) -> None:
    """The test follows the program in its file; the last statement, which no program replaced, leaves a mark."""
    task, script, seen = TASKS[program.task], tmp_path / "program.py", tmp_path / "seen"
    mark = f"import os; os.close(os.open({str(seen)!r}, os.O_CREAT))"
    tail = f"\n{task.check_source}\ncheck({task.name})\n{mark}\n"
    script.write_text(program.source + tail, encoding="utf-8", newline="")
    with (tmp_path / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            [sys.executable, "-B", str(script)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it left nothing behind
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        errors.seek(0)
        assert seen.exists(), errors.read()[-500:]


# --- whole programs -----------------------------------------------------------------------------

WHOLE = {
    "exit": "print(3)\nexit()\n",
    "quit in a function": "def main():\n    print(3)\n    quit(0)\nmain()\n",
    "sys.exit with a message": "import sys\nprint(3)\nsys.exit('done')\n",
    "os._exit after a flush": "import os\nprint(3, flush=True)\nos._exit(0)\n",
    "a main guard": "if __name__ == '__main__':\n    print(int(input()) + int(input()))\n",
    "arguments parsed": (
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--n', default=3)\n"
        "print(parser.parse_args().n)\n"
    ),
    "unittest.main": (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): print(3)\n"
        "unittest.main(exit=False)\n"
    ),
    "buffered and written at exit": (
        "import atexit, io, sys\nsys.stdout = buffer = io.StringIO()\n"
        "atexit.register(lambda: sys.__stdout__.write(buffer.getvalue()))\nprint(3)\n"
    ),
    "a writer of its own, never closed": "out = open(1, 'w', closefd=False)\nout.write('3\\n')\n",
    "a wrapped buffer": (
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=False)\n"
        "print(3)\n"
    ),
    "a detached buffer": "import sys\nraw = sys.stdout.detach()\nraw.write(b'3\\n')\n",
    "standard output closed at the end": "import sys\nprint(3)\nsys.stdout.close()\n",
    "standard output set to None": "import sys\nprint(3)\nsys.stdout = None\nprint(4)\n",
    "contest input and output": (
        "import io, os, sys\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
        "sys.stdout.write(str(int(input()) + int(input())))\n"
    ),
    "input through open(0)": "print(sum(map(int, open(0))))\n",
    "a thread with a big stack": (
        "import sys, threading\nsys.setrecursionlimit(10**9)\nthreading.stack_size(2**26)\n"
        "def f(n): return n if n == 0 else 1 + f(n - 1)\n"
        "def main(): print(f(30000) - 29997)\n"
        "threading.Thread(target=main).start()\n"
    ),
    "a thread that outlives the main one": (
        "import threading, time\n"
        "def late():\n    time.sleep(0.05)\n    print(3)\nthreading.Thread(target=late).start()\n"
    ),
    "a forked child that falls out": (
        "import os, sys\nif os.fork() == 0:\n    print(3)\n    sys.exit(1)\nos.wait()\n"
    ),
    "a destructor that prints": (
        "class Last:\n    def __del__(self): print(3)\nlast = Last()\nlast.itself = last\n"
    ),
    "exit hooks in order": (
        "import atexit\natexit.register(print, 4)\natexit.register(print, 3)\n"
    ),
    "a carriage return at each line end": "x = 3\r\nif x:\r\n    print(x)\r\n",
    "a byte order mark": "\ufeffprint(3)\n",
    "a main task of asyncio": (
        "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    print(3)\nasyncio.run(main())\n"
    ),
    "its own module imported": "import __main__\n__main__.x = 3\nprint(x)\n",
    "a help page": "import builtins\nassert callable(help)\nprint(3)\n",
}
EXPECTED = {"exit hooks in order": "3\n4\n"}


def whole_verdict(judging: Judge, program: str, expected: str) -> Verdict:
    problem = Problem(
        task_id="t/whole", prompt="", tests=StdioTests(inputs=["1\n2\n"], outputs=[expected])
    )
    return next(judging.verdicts([Candidate(problem, program)]))


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_program_may_end_and_write_as_in_plain_python(
    judging: Judge, name: str, tmp_path: Path
) -> None:
    program, expected = WHOLE[name], EXPECTED.get(name, "3\n")
    script, given = tmp_path / "program.py", tmp_path / "input"
    script.write_text(program, encoding="utf-8", newline="")
    given.write_text("1\n2\n")
    with given.open() as stdin:
        command = [sys.executable, "-B", str(script)]
        plain = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60)
    assert plain.stdout.split() == expected.split(), plain.stderr
    verdict = whole_verdict(judging, program, expected)
    assert verdict.passed, (verdict.outcome, verdict.detail, verdict.message, verdict.tests)
