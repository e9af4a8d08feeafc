"""The throw-away harness: a process that holds a target and lets it judge each program in a process of its own.

Started by `targets.Harnessed` as `python -m codealign.audit.stand TARGET`. It loads the target once. For each
request it makes a *keeper* in a pid namespace of its own (where the machine gives one), and the keeper forks a *runner*
that calls the target. Whatever the target or its program starts hangs below the keeper and dies with it.

    keeper   lays out the bait, waits for answers with a deadline, measures damage, reports, ends
    runner   calls the target; its memory, processes and CPU time are limited

    request  {"programs": [[task, specimen …] …], "timeout_s"}    a line of standard input
    reply    {"answers": [Answer …]}                              a line of standard output

Not promised: protection of this machine. A program that only isolation would stop is not stopped here; the corpus
is harmless for that reason.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

from codealign.audit.answers import Answer
from codealign.audit.bait import SECRET, SECRET_VARIABLE, Bait
from codealign.audit.corpus import Specimen
from codealign.audit.judges import CannotCarry, OutsideJudge, load_judge
from codealign.audit.tasks import TASKS
from codealign.errors import CodealignError
from codealign.sandbox import cgroups, linux

MEMORY_BYTES = 2 * 2**30
MAX_PROCESSES = 400
FILE_BYTES = 256 * 2**20
TIDY_S = 2.0
"""For a target to tidy up after its programs."""
_LONGEST_DETAIL = 300


class Job(NamedTuple):
    """Programs to be judged one after another by one process."""

    specimens: list[Specimen]
    timeout_s: float
    """Of each program."""


def main() -> None:
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    _point_at_null(0, 1)
    os.environ[SECRET_VARIABLE] = SECRET
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        judge = load_judge(sys.argv[1])
        hello: dict[str, Any] = {"ready": True}
    except CodealignError as error:
        judge, hello = (
            None,
            {"refused": [type(error).__name__, error.what, error.where, error.cure]},
        )
    print(json.dumps(hello), file=replies, flush=True)
    if judge is None:
        return
    stand = Stand(judge, (requests.fileno(), replies.fileno()))
    for line in requests:
        request = json.loads(line)
        job = Job([_specimen(row) for row in request["programs"]], request["timeout_s"])
        row = {"answers": [answer.as_json() for answer in stand.answers(job)]}
        print(json.dumps(row | {"form": judge.form}), file=replies, flush=True)


def _specimen(row: list[Any]) -> Specimen:
    specimen = Specimen(*row)
    return specimen._replace(harms=frozenset(specimen.harms), needs=tuple(specimen.needs))


class _limits:
    """A memory and pids cgroup for a keeper and all below it, where there is one to be had.

    Made for each: one that stands empty is swept away by any cell that starts in another pid namespace.
    """

    def __enter__(self) -> list[str]:
        try:
            self._made = cgroups.make(MEMORY_BYTES, MAX_PROCESSES)
        except cgroups.NoCgroups:
            self._made = None
        return self._made.procs_files if self._made else []

    def __exit__(self, *exception: object) -> None:
        if self._made:
            cgroups.remove(self._made)


# --- marks ----------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """What the reference solution of a task gets, or why the target can't be asked about the task."""

    score: float
    reason: str


class Stand:
    """A loaded target, with the mark that means `right` for each task."""

    def __init__(self, judge: OutsideJudge, private_fds: tuple[int, ...]) -> None:
        self._judge = judge
        self._private_fds = private_fds
        """Our own channel, kept from the programs: they write on every descriptor they find."""
        self._marks: dict[str, Mark] = {}
        self._has_form = False

    def answers(self, job: Job) -> list[Answer]:
        """One answer a program: right is what gets the mark of its task's reference solution."""
        marks = [self._mark(specimen.task, job.timeout_s) for specimen in job.specimens]
        if reason := next((mark.reason for mark in marks if mark.reason), ""):
            return [Answer("skipped", detail=reason)] * len(marks)
        return [
            answer._replace(passed=None if answer.score is None else answer.score >= mark.score)
            for answer, mark in zip(run(self._judge, job, self._private_fds), marks, strict=True)
        ]

    def _mark(self, task: str, timeout_s: float) -> Mark:
        if not self._has_form:
            self._find_form(timeout_s)
        if task not in self._marks:
            self._marks[task] = self._measure(task, timeout_s)
        return self._marks[task]

    def _find_form(self, timeout_s: float) -> None:
        """The first form in which the target tells a reference from a stub; else the first of all."""
        self._has_form = True
        for form in self._judge.forms:
            self._judge.form = form
            if not self._measure(FIRST_TASK, timeout_s).reason:
                return
        self._judge.form = self._judge.forms[0]

    def _measure(self, name: str, timeout_s: float) -> Mark:
        task = TASKS[name]
        right, stub = (
            run(self._judge, Job([_plain(name, source)], timeout_s), self._private_fds)[0]
            for source in (task.reference, task.stub)
        )
        if right.score is None:
            return Mark(0.0, f"no answer to the reference solution: {right.detail or right.ending}")
        if stub.score is not None and stub.score >= right.score:
            return Mark(0.0, f"blind: a stub gets {stub.score:g}, the reference {right.score:g}")
        return Mark(right.score, "")


FIRST_TASK = "add"


def _plain(task: str, source: str) -> Specimen:
    return Specimen("", "honest", "", task, "", frozenset(), (), source)


# --- the stand's side of one request --------------------------------------------------------------


def run(judge: OutsideJudge, job: Job, private_fds: tuple[int, ...]) -> list[Answer]:
    """One answer a program, from a keeper that is gone afterwards with all that it held."""
    place = Path(tempfile.mkdtemp(prefix="codealign-audit-"))
    place.chmod(0o777)
    mine = _children()
    with _limits() as procs_files:
        report_read, report_write = os.pipe()
        child = _make_keeper()
        if child.pid == 0:
            for fd in (report_read, *private_fds):
                os.close(fd)
            _keep(judge, job, procs_files, place, report_write)
        os.close(report_write)
        answers = _read_report(report_read, job, child.pidfd)
        os.close(report_read)
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        os.close(child.pidfd)
        _end_orphans(mine)
    _remove(place)
    return answers


def _remove(place: Path) -> None:
    """Also what is nested deeper than Python recurses, or locked by a program."""
    try:
        place.rmdir()
    except OSError:
        subprocess.run(["chmod", "-R", "u+rwx", str(place)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", str(place)], check=False, capture_output=True)


def _make_keeper() -> linux.Child:
    """A child in namespaces of its own; a plain one where there are none to be had."""
    try:
        return linux.clone(linux.CLONE_NEWPID | linux.CLONE_NEWNS | linux.CLONE_NEWIPC)
    except OSError:
        pid = os.fork()
        return linux.Child(pid, os.pidfd_open(pid) if pid else -1)


def _read_report(report_fd: int, job: Job, pidfd: int) -> list[Answer]:
    """The keeper's report. It keeps the time itself; one that says nothing was ended by the program."""
    deadline = time.monotonic() + job.timeout_s * len(job.specimens) + 30
    text = b""
    while time.monotonic() < deadline and not text.endswith(b"\n"):
        ready, _, _ = select.select([report_fd, pidfd], [], [], 1.0)
        chunk = os.read(report_fd, 2**20) if report_fd in ready else b""
        text += chunk
        if ready and not chunk:
            break
    if not text.endswith(b"\n"):
        return [Answer("died", detail="the harness itself was ended")] * len(job.specimens)
    return [Answer.from_json(row) for row in json.loads(text)]


def _end_orphans(mine: set[int]) -> None:
    """Without a pid namespace, what the keeper leaves comes to us: end it until nothing comes any more."""
    while orphans := _children() - mine:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _children() -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid():
            found.add(int(stat.parent.name))
    return found


# --- the keeper -----------------------------------------------------------------------------------


def _keep(
    judge: OutsideJudge, job: Job, procs_files: list[str], place: Path, report_fd: int
) -> None:
    """The life of a keeper. Never returns."""
    try:
        os.setsid()
        _have_own_places(place)
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        for path in procs_files:
            Path(path).write_text("0")
        baits = [Bait(specimen, place) for specimen in job.specimens]
        sources = [bait.source for bait in baits]
        runner, answers = _watch_runner(judge, job, sources, place, report_fd)
        answers = [
            answer._replace(harms=bait.harms()) for answer, bait in zip(answers, baits, strict=True)
        ]
        _let_go(runner)
        report = json.dumps([answer.as_json() for answer in answers]) + "\n"
        os.write(report_fd, report.encode())
    except Exception:
        traceback.print_exc()  # a defect of ours: the stand will say that the harness ended
    finally:
        os._exit(0)


def _have_own_places(place: Path) -> None:
    """In a mount namespace: /proc, so that programs find the harness and nothing else; shared memory and scratch
    space that go with the keeper."""
    if os.getpid() != 1:
        return  # no namespace was to be had
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("proc", "/proc", "proc", flags)
    for path in ("/dev/shm", str(place)):
        linux.mount("tmpfs", path, "tmpfs", flags, f"size={MEMORY_BYTES},mode=1777")


def _watch_runner(
    judge: OutsideJudge, job: Job, sources: list[str], place: Path, report_fd: int
) -> tuple[int, list[Answer]]:
    """The runner, still there, and one answer a program: its own, or what became of it."""
    said_read, said_write = os.pipe()
    password = os.urandom(8).hex()
    pid = os.fork()
    if pid == 0:
        os.close(said_read)
        os.close(report_fd)
        _be_runner(judge, job, sources, place, said_write, password)
    os.close(said_write)
    with os.fdopen(said_read, "rb", buffering=0) as said:
        answers: list[Answer] = []
        while len(answers) < len(sources):
            answer = _hear(said, password, job.timeout_s)
            answers.append(answer)
            if answer.ending in ("hung", "died"):
                break
    missing = len(sources) - len(answers)
    return pid, answers + [Answer(answers[-1].ending, detail="with an earlier one")] * missing


def _let_go(runner: int) -> None:
    """Tell a runner that damage has been measured: a target may tidy up, for a moment."""
    try:
        os.kill(runner, signal.SIGTERM)
        pidfd = os.pidfd_open(runner)
    except ProcessLookupError:
        return
    select.select([pidfd], [], [], TIDY_S)


def _hear(said, password: str, timeout_s: float) -> Answer:
    """The runner's next answer. Lines without the password are a program's, not the runner's."""
    deadline = time.monotonic() + timeout_s
    line = b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([said], [], [], left)[0]:
            break
        character = said.read(1)
        if not character:
            return Answer("died", detail="the process of the target ended")
        line += character
        if character == b"\n":
            word, _, body = line.partition(b" ")
            if word.decode(errors="replace") == password:
                return Answer.from_json(json.loads(body))
            line = b""
    return Answer("hung", detail=f"no answer in {timeout_s:g} s")


# --- the runner -----------------------------------------------------------------------------------


def _be_runner(
    judge: OutsideJudge, job: Job, sources: list[str], place: Path, said: int, password: str
) -> None:
    """Calls the target with each program and stays until it is ended. Never returns."""
    try:
        scratch = place / "scratch"
        scratch.mkdir()
        os.chdir(scratch)
        tempfile.tempdir = str(scratch)
        os.environ["TMPDIR"] = str(scratch)
        _point_at_null(0, 1, 2)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
        _limit(resource.RLIMIT_CPU, int(2 * job.timeout_s) + 1)
        num_left = len(sources)
        for specimen, source in zip(job.specimens, sources, strict=True):
            answer = _ask(judge, specimen, source)
            num_left -= 1
            if not num_left:  # not before: what the target starts would inherit it
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            os.write(said, f"{password} {json.dumps(answer.as_json())}\n".encode())
        # Still there while damage is measured: what a target would end by ending itself is not tidied up.
        signal.sigwait({signal.SIGTERM})
        judge.close()
    finally:
        os._exit(1)


def _ask(judge: OutsideJudge, specimen: Specimen, source: str) -> Answer:
    try:
        return Answer("answered", score=judge.score(TASKS[specimen.task], source))
    except CannotCarry as error:
        return Answer("skipped", detail=str(error))
    except Exception as error:  # what the target makes of the program is the finding
        return Answer("raised", detail=_text(error))
    except BaseException as error:  # it would have ended whoever called the target
        return Answer("died", detail=_text(error))


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_LONGEST_DETAIL]


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value, value if hard == resource.RLIM_INFINITY else min(value, hard)))


def _point_at_null(*fds: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


if __name__ == "__main__":
    main()
