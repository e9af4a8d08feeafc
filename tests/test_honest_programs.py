"""Honest programs pass, however unusual: what one process would accept, the judge accepts at every level.

The programs are those of the audit's corpus. Each is first held to the promise itself: in one plain Python
process it passes its task's test, so that a refusal is the judge's fault and not the program's.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from codealign.audit import TASKS, Specimen, load_corpus
from codealign.config import JudgeConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.problems import load_problems
from codealign.programs import parse, reference_program
from codealign.records import Problem, StdioTests, Verdict

DATA = os.environ.get("CODEALIGN_DATA", "")
needs_data = pytest.mark.skipif(
    not Path(DATA, "humaneval").is_dir(), reason="CODEALIGN_DATA is unset or has no humaneval"
)
HONEST = [program for program in load_corpus().honest if not program.missing]
SEQUENCES = load_corpus().sequences
WEAKER_LEVELS = ("S2", "S1", "S0")
REFUSED_AT_S1 = {
    "default_pools": "a lock of multiprocessing",
    "multiprocessing_kinds": "locks of multiprocessing",
    "named_shared_memory": "/dev/shm",
    "sockets": "a socket by name",
}


def judge_at(level: str, num_workers: int = 2) -> Judge:
    """A judge at a level, started; the test is skipped where this machine does not give it."""
    judge = Judge(
        JudgeConfig(
            isolation=level,  # type: ignore[arg-type]
            accept_weak_isolation=level == "S0",
            engine=LocalJudge(workers=num_workers),
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
    """At S1 all but those that need what it has not (see its gaps in `levels`)."""
    with judge_at(level) as judge:
        assert {*refused(judge, HONEST)} == ({*REFUSED_AT_S1} if level == "S1" else set())


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


# --- sequences ----------------------------------------------------------------------------------


STEPS_BROKEN_AT_S1 = {"access_times/2_uses"}
"""The scratch directory is emptied there, not made anew: that it has been read is one bit for the next program."""


def broken_steps(judge: Judge) -> list[tuple[str, str, str, str]]:
    """Steps of sequences that did not end as their role says; a helper may end as it likes."""
    steps = [step for sequence in SEQUENCES for step in sequence.steps]
    verdicts = judge.verdicts(Candidate(TASKS[step.task].problem, step.source) for step in steps)
    return [
        (step.name, verdict.outcome, verdict.detail, verdict.message)
        for step, verdict in zip(steps, verdicts, strict=True)
        if step.kind != "helps" and verdict.passed != step.should_pass
    ]


def test_no_program_reaches_the_next() -> None:
    assert len(SEQUENCES) >= 12
    with judge_at("auto", num_workers=1) as judge:
        assert broken_steps(judge) == []


@pytest.mark.slow
@pytest.mark.parametrize("level", ["S2", "S1"])
def test_no_program_reaches_the_next_at_weaker_levels(level: str) -> None:
    with judge_at(level, num_workers=1) as judge:
        # The known gap is a bit that a clock tells, and does not always get across.
        known = STEPS_BROKEN_AT_S1 if level == "S1" else set()
        assert {step for step, *_ in broken_steps(judge)} <= known


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


# --- reference solutions in other clothes -------------------------------------------------------

PRIVATE = """
_space = {{"__name__": __name__}}
exec({source!r}, _space)
globals().update({{name: value for name, value in _space.items() if name[:2] != "__"}})
_inner = _space[{entry!r}]
"""
"""The solution in a name space of its own, so that its recursion does not go through what wraps it."""

CLOTHES = {
    "as it is": "{plain}",
    "a byte order mark": "\ufeff{plain}",
    "a future import": "from __future__ import annotations\n{plain}",
    "a main guard": "{plain}\nif __name__ == '__main__':\n    import sys\n    sys.exit(print({entry}))\n",
    "decorated": (
        "{plain}\nimport functools\n_plain = {entry}\n"
        "@functools.wraps(_plain)\ndef {entry}(*args, **kwargs):\n"
        "    try:\n        result = _plain(*args, **kwargs)\n"
        "    except Exception as error:\n        raise error from None\n"
        "    else:\n        return result\n    finally:\n        print('called')\n"
    ),
    "a static method": (
        "{private}\nclass Holder:\n    held = staticmethod(_inner)\n{entry} = Holder().held\n"
    ),
    "a method of Solution": (
        "{private}\ndel {entry}\nclass Solution:\n"
        "    def {entry}(self, *args, **kwargs):\n        return _inner(*args, **kwargs)\n"
    ),
    "a callable object": (
        "{private}\nclass Caller:\n    __slots__ = ()\n"
        "    def __call__(self, *args, **kwargs):\n        return _inner(*args, **kwargs)\n"
        "{entry} = Caller()\n"
    ),
    "a partial": "{private}\nimport functools\n{entry} = functools.partial(_inner)\n",
    "packed": (
        "import base64, zlib\n"
        "exec(compile(zlib.decompress(base64.b85decode({packed!r})), 'packed', 'exec'), globals())\n"
    ),
    "a module in a file": (
        "with open('clothed_module.py', 'w', encoding='utf-8', newline='') as file:\n"
        "    file.write({source!r})\nfrom clothed_module import *\nfrom clothed_module import {entry}\n"
    ),
    "in a thread": (
        "{private}\nimport threading\ndef {entry}(*args, **kwargs):\n    box = []\n"
        "    def work():\n        try: box.append((_inner(*args, **kwargs), None))\n"
        "        except BaseException as error: box.append((None, error))\n"
        "    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()\n"
        "    result, error = box[0]\n    if error is not None: raise error\n    return result\n"
    ),
    "in a pool of threads": (
        "{private}\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "def {entry}(*args, **kwargs):\n    with ThreadPoolExecutor() as pool:\n"
        "        return pool.submit(_inner, *args, **kwargs).result()\n"
    ),
    "in an event loop": (
        "{private}\nimport asyncio\ndef {entry}(*args, **kwargs):\n"
        "    async def main():\n        await asyncio.sleep(0)\n        return _inner(*args, **kwargs)\n"
        "    return asyncio.run(main())\n"
    ),
    "through a generator": (
        "{private}\ndef _results(args, kwargs):\n    yield _inner(*args, **kwargs)\n"
        "def {entry}(*args, **kwargs):\n    return next(_results(args, kwargs))\n"
    ),
    "with output redirected": (
        "{private}\nimport contextlib, io\ndef {entry}(*args, **kwargs):\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n        print(args)\n"
        "        return _inner(*args, **kwargs)\n"
    ),
}


def clothed(source: str, entry: str, cloth: str) -> str:
    return CLOTHES[cloth].format(
        plain=source,
        source=source,
        entry=entry,
        private=PRIVATE.format(source=source, entry=entry),
        packed=base64.b85encode(zlib.compress(source.encode())),
    )


def others(source: str) -> dict[str, str]:
    """Clothes that are made of the text itself."""
    tree = parse(source)
    assert tree is not None
    return {
        "carriage returns": source.replace("\n", "\r\n"),
        "parsed and written anew": ast.unparse(tree),
    }


def sampled_problems(name: str) -> list[Problem]:
    """All of HumanEval, every sixth of MBPP."""
    return load_problems(name).problems[:: {"humaneval": 1, "mbpp": 6}[name]]


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_a_reference_solution_passes_in_any_clothes(judging: Judge, name: str) -> None:
    dressed: list[tuple[str, Candidate]] = []
    for problem in sampled_problems(name):
        source, entry = reference_program(problem), problem.entry_point
        assert source is not None
        assert entry is not None
        texts = {cloth: clothed(source, entry, cloth) for cloth in CLOTHES} | others(source)
        dressed += [(cloth, Candidate(problem, text)) for cloth, text in texts.items()]
    verdicts = judging.verdicts(candidate for _, candidate in dressed)
    refused = [
        (candidate.problem.task_id, cloth, verdict.outcome, verdict.detail, verdict.message)
        for (cloth, candidate), verdict in zip(dressed, verdicts, strict=True)
        if not verdict.passed
    ]
    assert refused == []
