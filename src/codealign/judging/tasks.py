"""What goes through a pool of judges: a program and its problem in, a verdict's columns out.

A pool is anything with `Judges`: the processes of this machine (`pool`), or of a cluster (`ray_pool`). A task is
finished exactly once, whatever dies on the way; a late second answer changes nothing.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from codealign.errors import CodealignError, DataError, SandboxError
from codealign.programs import reference_program
from codealign.records import Problem
from codealign.sandbox.codec import encode, plain_or

NUM_TRIES = 2
"""How often a program is given to a judge that dies over it."""
MAX_START_FAILURES = 3
"""In a row, before a pool gives up and says why."""
LEAST_CPU_SHARE = 0.01
"""Of its wall time; a program that only waits uses less, one that a busy machine starves uses more."""

Row = dict[str, Any]


class Task:
    """One program on its way through a pool; several candidates may wait for it.

    Args:
        key: the hash of the problem, as `problem_key` gives it.
        finished: the task is put there when it has its row, or the error that took its place.
    """

    def __init__(
        self, key: str, problem: Problem, program: str, finished: SimpleQueue[Task]
    ) -> None:
        self.key, self.problem, self.program = key, problem, program
        self.row: Row | None = None
        self.error: CodealignError | None = None
        self.num_tries = 0
        self.retried = ""
        """Why it was judged a second time: "worker" or "wall"."""
        self.dropped = False
        """Nobody waits any more: a judge that comes to it passes on."""
        self._finished = finished
        self._lock = threading.Lock()

    @property
    def is_finished(self) -> bool:
        return self.row is not None or self.error is not None

    def finish(self, row: Row | None, error: CodealignError | None = None) -> None:
        """Give it its row, or the reason why it has none. Only the first call counts."""
        with self._lock:
            if self.is_finished:
                return
            if row is not None and self.retried:
                row["retried"] = self.retried
            self.row, self.error = row, error
        self._finished.put(self)

    def result(self) -> Row:
        """The verdict's columns, once it is finished.

        Raises:
            CodealignError: no judge could be had, or the problem can't be sent to one.
        """
        if self.error is not None:
            raise self.error
        assert self.row is not None
        return self.row

    def wait(self) -> Row:
        """`result`, once it is there. For a task whose queue nobody else reads."""
        while not self.is_finished:
            self._finished.get()
        return self.result()

    def try_again(self, reason: str) -> bool:
        """Whether a task whose judge died may be given to another one."""
        self.retried = reason
        return self.num_tries < NUM_TRIES


class Judges(Protocol):
    """A pool of judge processes, wherever they are."""

    level: str
    """The isolation that every verdict has at least."""
    reasons: dict[str, str]
    """Why no stronger level, by level."""
    num_workers: int
    """How many programs are judged at a time."""

    def submit(self, task: Task) -> None:
        """Take a task in; from any thread."""
        ...

    def close(self) -> None:
        """End every judge now; unfinished tasks finish with an error."""
        ...


Hello = TypeVar("Hello")


def first_hello(pool: Judges, hellos: SimpleQueue[Hello | CodealignError]) -> Hello:
    """What the first judge of a new pool says of itself; without one the pool is closed again.

    Raises:
        CodealignError: none could be had.
    """
    try:
        first = hellos.get()
        if isinstance(first, CodealignError):
            raise first
        return first
    except BaseException:  # Ctrl-C too: nobody else knows of this pool yet
        pool.close()
        raise


def problem_data(problem: Problem) -> Any:
    """What a judge needs of a problem, as the codec writes it; the reference as a whole program.

    Raises:
        DataError: it holds something that is no plain data.
    """
    row = problem.model_dump(include=_JUDGED_COLUMNS)
    row |= {"canonical_solution": reference_program(problem), "solution_is_continuation": False}
    return encode(row, plain_or(_refuse_object))


_JUDGED_COLUMNS = {"task_id", "prompt", "entry_point", "tests", "trusted"}


def _refuse_object(value: Any) -> Any:
    raise DataError(
        f"a problem holds a {type(value).__name__}, which is no plain data",
        cure="tests may hold numbers, strings, containers, dates; no objects or functions",
    )


def was_starved(row: Row, cpu_s: float) -> bool:
    """Whether the wall limit ended a program that wanted to compute and was not let: our trouble."""
    if row["outcome"] != "timeout" or row["detail"] != "wall":
        return False
    return LEAST_CPU_SHARE * row["wall_s"] < row["cpu_s"] < cpu_s / 2


def judge_died(why: str) -> Row:
    """The row of a program over which two judges died."""
    message = f"the judge process twice {why}"
    return {"outcome": "not_judged", "passed": False, "detail": "worker", "message": message}


def judge_stuck() -> Row:
    """The row of a program whose answers the tests could not finish with."""
    message = "the tests themselves ran too long on its answers"
    return {"outcome": "timeout", "passed": False, "detail": "judge", "message": message}


def closed() -> SandboxError:
    return SandboxError("the judge was closed", cure="start a new one")
