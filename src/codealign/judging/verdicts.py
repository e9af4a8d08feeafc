"""Judging many programs: verdicts in order or as they come, identical programs once, nothing left running.

    with Judge(JudgeConfig()) as judge:
        for verdict in judge.verdicts(candidates):
            ...

Promised: one verdict a candidate, in the order of the candidates or, with `ordered=False`, as soon as each is there;
candidates are taken from the iterable only a window ahead; a judge process that dies is replaced and its program
judged once more, then `not_judged`; what was taken before the iterable failed is still handed out; leaving the
generator, Ctrl-C or the death of this process leaves no process behind.

Not promised: that a machine with another Python or other limits gives the same verdict.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from codealign.config import JudgeConfig, LocalJudge
from codealign.judging.cache import VerdictCache, cache_key, user_cache_dir
from codealign.judging.pool import Pool
from codealign.judging.runner import PYTHON, runner_version
from codealign.judging.tasks import Judges, Row, Task, problem_data
from codealign.processes import num_processes_here
from codealign.programs import reference_program
from codealign.records import Problem, Verdict, content_hash
from codealign.sandbox.limits import Limits

WINDOW_PER_WORKER = 1024
"""Candidates taken ahead of the oldest verdict that is not handed out yet: enough work for the others while one
process is busy with a program that uses up its time."""
NUM_PROBLEM_KEYS = 4096
NUM_PROGRAMS_KNOWN = 16_384
"""Distinct programs of one call whose verdicts are remembered for the next identical one."""
WEAK_LEVELS = ("S0",)
"""Where programs run as this user, and could write the cache."""


class Candidate(NamedTuple):
    """A complete program to be judged against a problem."""

    problem: Problem
    program: str
    sample_index: int = 0


@dataclass
class Tally:
    """Where the verdicts of a judge came from."""

    num_judged: int = 0
    """Programs that ran."""
    num_identical: int = 0
    """Candidates whose program, comments and layout aside, another one of the same call has."""
    num_cached: int = 0
    """Verdicts found in the cache."""
    num_retried: int = 0


class _Waiting(NamedTuple):
    candidate: Candidate
    task: Task
    cache_key: str = ""
    """Where to store the row; empty when it came from the cache, or another candidate stores it."""
    is_first: bool = False
    """It was for this one that the program ran."""


def open_pool(config: JudgeConfig, limits: Limits, expected_dir: Path | None) -> Judges:
    """The judges that `config.engine` asks for, started.

    Raises:
        SandboxError: the isolation asked for can't be had.
    """
    if isinstance(config.engine, LocalJudge):
        share = len(os.sched_getaffinity(0)) // num_processes_here()
        num_workers = config.engine.workers or max(1, share)
        return Pool(config, limits, num_workers, expected_dir)
    from codealign.judging.ray_pool import RayPool  # ray is imported by those who use it

    return RayPool(config, limits)


class Judge:
    """A pool of judge processes; a context manager that starts them when they are first needed.

    Args:
        config: workers, isolation, limits, and whether a verdict may come from an identical program.
        cache_dir: keep verdicts in this directory, and look there first (`cache.VerdictCache`); not with
            `config.cache` false, and not at level S0.

    Raises:
        SandboxError: from the first use, when the isolation asked for can't be had.
        StorageError: `cache_dir` can't be used.
    """

    def __init__(self, config: JudgeConfig | None = None, *, cache_dir: Path | None = None) -> None:
        self.config = config or JudgeConfig()
        self.limits = Limits.from_config(self.config.limits)
        self.tally = Tally()
        self._cache_dir = cache_dir if self.config.cache else None
        kept_in = cache_dir or user_cache_dir()
        self._expected_dir = kept_in / "expected" if self.config.cache else None
        self._running: _Running | None = None
        self._end: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        # Keyed by identity, and holding the problem so that the identity stays its own.
        self._problem_keys: OrderedDict[int, tuple[Problem, str]] = OrderedDict()

    @property
    def num_workers(self) -> int:
        """How many programs are judged at a time. Starts the workers if need be."""
        return self._started().pool.num_workers

    @property
    def isolation(self) -> str:
        """The level, "S3" (strongest) to "S0". Starts the workers if need be."""
        return self._started().pool.level

    @property
    def reasons(self) -> dict[str, str]:
        """Why no stronger level was taken, by level."""
        return self._started().pool.reasons

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker now. A later use starts new ones."""
        with self._lock:
            self._running, end = None, self._end
        end()

    def _started(self) -> _Running:
        with self._lock:
            if self._running is None:
                pool = open_pool(self.config, self.limits, self._expected_dir)
                is_kept = self._cache_dir is not None and pool.level not in WEAK_LEVELS
                cache = VerdictCache(self._cache_dir) if is_kept and self._cache_dir else None
                self._running = _Running(pool, cache)
                # A judge that nobody closes is closed with its last reference, or at exit.
                self._end = weakref.finalize(self, self._running.close)
            return self._running

    def verdicts(
        self,
        candidates: Iterable[Candidate],
        *,
        ordered: bool = True,
        on_verdict: Callable[[Verdict], None] | None = None,
    ) -> Iterator[Verdict]:
        """Judge candidates; one verdict each, streaming.

        Args:
            candidates: may be a slow generator: programs are judged while it makes the next ones. When it
                raises, the verdicts on what it gave come first and the exception after them.
            ordered: in the order of the candidates; else as they are ready, each with the `sample_index` of
                its candidate.
            on_verdict: called with each verdict before it is handed out.
        """
        for _, row in self.judged(candidates, ordered=ordered):
            verdict = Verdict.model_validate(row)
            if on_verdict is not None:
                on_verdict(verdict)
            yield verdict

    def judged(
        self, candidates: Iterable[Candidate], *, ordered: bool = True
    ) -> Iterator[tuple[Candidate, Row]]:
        """As `verdicts`, for callers that add columns: each candidate, the very object, with its verdict's columns."""
        running = self._started()
        desk = _Desk(self, running)
        window = WINDOW_PER_WORKER * running.pool.num_workers
        counter = (_InOrder if ordered else _AsReady)(desk.finished)
        failure: Exception | None = None
        incoming = iter(candidates)
        try:
            while True:
                try:
                    counter.add(desk.accept(next(incoming)))
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
                    break
                while item := counter.next_ready(wait=counter.num_waiting >= window):
                    yield desk.hand_out(item)
            while item := counter.next_ready(wait=True):
                yield desk.hand_out(item)
        finally:
            desk.leave(counter.rest())
        if failure is not None:
            raise failure

    def problem_key(self, problem: Problem) -> str:
        """A hash of everything of a problem that can change a verdict.

        Raises:
            DataError: it holds something that is no plain data.
        """
        known = self._problem_keys.get(id(problem))
        if known is None:
            # Through the codec, not as JSON: a tuple and a list of the same items are other inputs.
            known = (problem, content_hash(problem_data(problem)))
            with self._lock:
                self._problem_keys[id(problem)] = known
                if len(self._problem_keys) > NUM_PROBLEM_KEYS:
                    self._problem_keys.popitem(last=False)
        return known[1]


class _Running(NamedTuple):
    """What a judge holds while it is open."""

    pool: Judges
    cache: VerdictCache | None

    def close(self) -> None:
        self.pool.close()
        if self.cache is not None:
            self.cache.close()


class _InOrder:
    """Hands out what waits in the order in which it came."""

    def __init__(self, finished: SimpleQueue[Task]) -> None:
        self._finished = finished
        self._waiting: deque[_Waiting] = deque()

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    def add(self, item: _Waiting) -> None:
        self._waiting.append(item)

    def next_ready(self, *, wait: bool) -> _Waiting | None:
        """The next one; None when it is not ready (and `wait` is not asked for) or nothing is left."""
        if not self._waiting:
            return None
        while not self._waiting[0].task.is_finished:
            if not wait:
                return None
            self._finished.get()
        while not self._finished.empty():  # or they would pile up while nobody has to wait
            self._finished.get()
        return self._waiting.popleft()

    def rest(self) -> list[_Waiting]:
        return list(self._waiting)


class _AsReady:
    """Hands out what waits as it gets ready."""

    def __init__(self, finished: SimpleQueue[Task]) -> None:
        self._finished = finished
        self._waiting: dict[Task, list[_Waiting]] = {}
        self._ready: deque[_Waiting] = deque()
        self.num_waiting = 0

    def add(self, item: _Waiting) -> None:
        self.num_waiting += 1
        if item.task.is_finished and item.task not in self._waiting:
            self._ready.append(item)
        else:
            self._waiting.setdefault(item.task, []).append(item)

    def next_ready(self, *, wait: bool) -> _Waiting | None:
        """As `_InOrder.next_ready`."""
        while not self._ready:
            if not self._waiting:
                return None
            try:
                task = self._finished.get(wait)
            except Empty:
                return None
            self._ready.extend(self._waiting.pop(task, ()))
        self.num_waiting -= 1
        return self._ready.popleft()

    def rest(self) -> list[_Waiting]:
        return [*self._ready, *(item for items in self._waiting.values() for item in items)]


class _Desk:
    """Takes in the candidates of one call, and knows which programs it has taken already."""

    def __init__(self, judge: Judge, running: _Running) -> None:
        self._judge, self._pool, self._cache = judge, running.pool, running.cache
        self.finished: SimpleQueue[Task] = SimpleQueue()
        self._by_text: OrderedDict[tuple[str, str], Task] = OrderedDict()
        self._by_form: OrderedDict[str, Task] = OrderedDict()
        self._setting = [
            list(judge.limits),
            running.pool.level,
            runner_version(),
            judge.config.trust_tests,
            judge.config.coverage,
        ]
        self._columns: Row = {
            "limits": judge.limits._asdict(),
            "runner": runner_version(),
            "python": PYTHON,
        }

    def accept(self, candidate: Candidate) -> _Waiting:
        """Queue a candidate, or put it with an identical one.

        Raises:
            DataError: its problem holds something that is no plain data.
        """
        problem_key = self._judge.problem_key(candidate.problem)
        if not self._judge.config.cache:
            return self._submit(problem_key, candidate, "")
        text = problem_key, candidate.program
        known = self._by_text.get(text)
        form = ""
        if known is None:
            # Which lines ran depends on the layout, which is left out of the key otherwise.
            layout = [candidate.program] if self._judge.config.coverage else []
            form = cache_key(problem_key, candidate.program, [*self._setting, *layout])
            known = self._by_form.get(form)
        if known is not None:
            self._remember(self._by_text, text, known)
            self._judge.tally.num_identical += 1
            return _Waiting(candidate, known)
        item = self._cached(problem_key, candidate, form) or self._submit(
            problem_key, candidate, form
        )
        self._remember(self._by_text, text, item.task)
        self._remember(self._by_form, form, item.task)
        return item

    def _remember(self, known: OrderedDict, key: object, task: Task) -> None:
        known[key] = task
        if len(known) > NUM_PROGRAMS_KNOWN:
            known.popitem(last=False)

    def _cached(self, problem_key: str, candidate: Candidate, key: str) -> _Waiting | None:
        row = self._cache.get(key) if self._cache is not None else None
        if row is None:
            return None
        task = Task(problem_key, candidate.problem, candidate.program, self.finished)
        task.finish(row)
        self._judge.tally.num_cached += 1
        return _Waiting(candidate, task)

    def _submit(self, problem_key: str, candidate: Candidate, key: str) -> _Waiting:
        task = Task(problem_key, candidate.problem, candidate.program, self.finished)
        self._pool.submit(task)
        return _Waiting(candidate, task, key, is_first=True)

    def hand_out(self, item: _Waiting) -> tuple[Candidate, Row]:
        """The candidate's own row.

        Raises:
            CodealignError: no judge could be had, or the problem can't be sent to one.
        """
        row = item.task.result()
        text_hash = _text_hash(item.candidate.program)
        if item.is_first:
            row["judged_text"] = text_hash
            self._store(item)
            self._judge.tally.num_judged += 1
            self._judge.tally.num_retried += bool(row.get("retried"))
        candidate = item.candidate
        row = dict(row)
        if row.pop("judged_text", None) != text_hash:
            row["tests"] = [_without_line(test) for test in row.get("tests", ())]
        return candidate, row | self._columns | {
            "task_id": candidate.problem.task_id,
            "sample_index": candidate.sample_index,
            "program": candidate.program,
            "problem_hash": item.task.key,
            "program_hash": text_hash,
        }

    def _store(self, item: _Waiting) -> None:
        row = item.task.row
        if self._cache is not None and row is not None and row.get("isolation") == self._pool.level:
            self._cache.put(item.cache_key, row)

    def leave(self, rest: list[_Waiting]) -> None:
        """Nobody waits any more; what has been judged is kept all the same."""
        for item in rest:
            item.task.dropped = True
            if item.is_first:
                self._store(item)


def _without_line(test: Row) -> Row:
    """A test's row for the same program in another layout, where lines have other numbers."""
    return {name: value for name, value in test.items() if name != "error_line"}


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def judge(problem: Problem, program: str, config: JudgeConfig | None = None) -> Verdict:
    """Judge one program. Starts a judge process for it: for many programs use `Judge`.

    Raises:
        SandboxError: the isolation asked for can't be had.
    """
    config = config or JudgeConfig()
    only = {"workers": 1} if isinstance(config.engine, LocalJudge) else {"num_actors": 1}
    one = config.model_copy(update={"engine": config.engine.model_copy(update=only)})
    with Judge(one) as judging:
        return next(iter(judging.verdicts([Candidate(problem, program)])))


def check_references(problems: Iterable[Problem], judging: Judge) -> Iterator[Verdict]:
    """The verdict on each problem's own canonical solution; problems without one are skipped.

    A problem whose reference fails is a broken problem: leave it out, or its programs are all wrong.
    """
    yield from judging.verdicts(
        Candidate(problem, program)
        for problem in problems
        if (program := reference_program(problem)) is not None
    )
