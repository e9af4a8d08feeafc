"""Judge processes of this machine, all served by one thread.

The thread starts the processes, keeps each supplied, and hears them; it never waits for one while another is
idle. A process that dies or is stuck is replaced; the program it was on is judged once more, then `not_judged`;
programs that waited in its pipe go to others and have lost nothing. A program that the wall limit ended because
the machine was too busy for it is judged once more with every other process idle.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import sys
import threading
import time
from collections import deque
from pathlib import Path
from queue import SimpleQueue

from codealign.config import JudgeConfig
from codealign.errors import CodealignError, DataError, SandboxError
from codealign.judging.process import CLOSE_TIMEOUT_S, JudgeDied, JudgeProcess
from codealign.judging.tasks import (
    MAX_START_FAILURES,
    Row,
    Task,
    closed,
    first_hello,
    judge_died,
    judge_stuck,
    was_starved,
)
from codealign.sandbox.limits import Limits


class Pool:
    """The local implementation of `tasks.Judges`.

    Raises:
        SandboxError: the first process could not get the isolation asked for.
    """

    def __init__(
        self,
        config: JudgeConfig,
        limits: Limits,
        num_workers: int,
        expected_dir: Path | None = None,
    ) -> None:
        self._config, self._limits, self._expected_dir = config, limits, expected_dir
        self.num_workers = num_workers
        self._inbox: deque[Task] = deque()
        self._alone: deque[Task] = deque()
        self._on_its_own: Task | None = None
        """The task for which every other process stands idle."""
        self._cpus = cpus_to_share(num_workers)
        self._team: list[JudgeProcess] = []
        self._by_fd: dict[int, JudgeProcess] = {}
        self._num_start_failures = 0
        self._hello: SimpleQueue[JudgeProcess | CodealignError] = SimpleQueue()
        self._alarm = Alarm()
        self._poll = select.poll()
        self._poll.register(self._alarm.fd, select.POLLIN)
        self._is_closing = self._is_closed = self._is_hungry = False
        self._thread = threading.Thread(target=self._live, name="codealign-judge", daemon=True)
        self._thread.start()
        first = first_hello(self, self._hello)
        self.level, self.reasons = first.level, first.reasons

    def submit(self, task: Task) -> None:
        self._inbox.append(task)
        if self._is_hungry:
            self._alarm.ring()
        if self._is_closed:
            self._fail_everything(closed())

    def close(self) -> None:
        """End every process: idle ones at once, busy ones after CLOSE_TIMEOUT_S at the latest."""
        self._is_closing = True
        self._alarm.ring()
        if threading.current_thread() is not self._thread:  # the collector may run anywhere
            self._thread.join()

    # --- the thread -------------------------------------------------------------------------

    def _live(self) -> None:
        error: CodealignError = closed()
        try:
            for _ in range(self.num_workers):
                self._hire()
            while not self._is_closing:
                self._distribute()
                self._listen()
        except OSError as failure:
            error = SandboxError(f"judge processes can't be had: {failure}", cure="see `ulimit -a`")
        finally:
            self._is_closed = True
            self._dismiss(list(self._team), CLOSE_TIMEOUT_S)
            self._fail_everything(error)
            self._hello.put(error)
            self._alarm.close()

    def _hire(self) -> None:
        free = {*self._cpus} - {process.cpu for process in self._team}
        cpu = min(free) if free else None
        process = JudgeProcess(self._config, self._limits, self._expected_dir, cpu)
        self._team.append(process)
        self._by_fd[process.out_fd] = self._by_fd[process.in_fd] = process
        self._poll.register(process.out_fd, select.POLLIN)
        self._watch_unsent(process)

    def _watch_unsent(self, process: JudgeProcess) -> None:
        """Hear when the pipe to a process takes more, as long as there is more."""
        self._poll.register(process.in_fd, select.POLLOUT if process.has_unsent else 0)

    def _distribute(self) -> None:
        """Give out what there is to do: one task to each idle process, then one to wait in each pipe."""
        if not (self._inbox or self._alone) or self._on_its_own is not None:
            return
        if not self._team:
            self._hire()
        if self._alone:
            self._give_alone()
            return
        for process in self._team:
            if not process.tasks:
                self._supply(process)
        for process in self._team:
            self._supply(process)

    def _give_alone(self) -> None:
        """Once nothing else runs, the next of the programs that a busy machine kept from finishing."""
        ready = [process for process in self._team if process.is_ready]
        if ready and not any(process.tasks for process in ready):
            self._on_its_own = self._alone.popleft()
            self._give(ready[0], self._on_its_own)

    def _supply(self, process: JudgeProcess) -> None:
        """One task from the queue, if the process has room and there is one that somebody waits for."""
        while self._inbox and process.has_room:
            task = self._inbox.popleft()
            if task.dropped:
                task.finish(None, closed())
            elif self._give(process, task):
                return

    def _give(self, process: JudgeProcess, task: Task) -> bool:
        try:
            process.give(task)
        except DataError as error:
            task.finish(None, error)
            return False
        if process.has_unsent:
            self._watch_unsent(process)
        return True

    def _listen(self) -> None:
        """Sleep until a process speaks, takes more or is stuck, or somebody submits or closes."""
        self._is_hungry = not self._team or any(process.has_room for process in self._team)
        for fd, _ in self._poll.poll(self._patience_ms()):
            if fd == self._alarm.fd:
                self._alarm.hush()
            elif (process := self._by_fd.get(fd)) is not None:
                self._attend(process, fd)
        self._is_hungry = False
        now = time.monotonic()
        for process in [each for each in self._team if each.deadline < now]:
            self._lose(process, "did not answer in time")

    def _patience_ms(self) -> float | None:
        """Until the next process counts as stuck; 0 when there is something to do at once."""
        if self._is_closing or (self._is_hungry and self._inbox and not self._on_its_own):
            return 0
        deadline = min((process.deadline for process in self._team), default=math.inf)
        return None if deadline == math.inf else max(0.0, 1000 * (deadline - time.monotonic())) + 1

    def _attend(self, process: JudgeProcess, fd: int) -> None:
        if fd == process.in_fd:
            process.push()
            self._watch_unsent(process)
            return
        try:
            for row in process.hear():
                self._take(process, row)
        except JudgeDied as death:
            self._lose(process, str(death))
        except SandboxError as refusal:
            self._dismiss([process])
            self._start_failed(refusal, is_final=True)

    def _take(self, process: JudgeProcess, row: Row) -> None:
        """A hello, or the verdict on the process's first task."""
        if not process.is_ready:
            process.greeted(row)
            self._num_start_failures = 0
            self._hello.put(process)
            return
        task = process.answered()
        if task is self._on_its_own:
            self._on_its_own = None
        elif was_starved(row, self._limits.cpu_s) and not task.retried:
            task.retried = "wall"
            self._alone.append(task)
            return
        task.finish(row)

    # --- when a process ends ----------------------------------------------------------------

    def _lose(self, process: JudgeProcess, why: str) -> None:
        """Replace a dead or stuck process; what it had goes back to the front of the queue."""
        self._dismiss([process])
        if not process.is_ready:
            self._start_failed(SandboxError(f"a judge process {why}", cure="run `codealign env`"))
            return
        waiting = list(process.tasks)
        if waiting and waiting[0] is self._on_its_own:
            self._on_its_own = None
        if waiting and process.was_stuck:  # on this program's answers, and would be again
            waiting.pop(0).finish(judge_stuck())
        elif waiting and not waiting[0].try_again("worker"):
            waiting.pop(0).finish(judge_died(why))
        self._inbox.extendleft(reversed(waiting))
        self._hire()

    def _start_failed(self, error: SandboxError, *, is_final: bool = False) -> None:
        """Try again a few times; with nobody left, say why to whoever waits."""
        self._num_start_failures += 1
        if not is_final and self._num_start_failures < MAX_START_FAILURES:
            self._hire()
        elif not self._team:
            self._num_start_failures = 0
            self._hello.put(error)
            self._fail_everything(error)

    def _dismiss(self, leaving: list[JudgeProcess], within_s: float = 0.0) -> None:
        for process in leaving:
            self._team.remove(process)
            for fd in (process.out_fd, process.in_fd):
                del self._by_fd[fd]
                self._poll.unregister(fd)
            process.hang_up()
        deadline = time.monotonic() + within_s
        for process in leaving:
            process.end(max(0.0, deadline - time.monotonic()))
        if self._is_closed:  # what the processes had is nobody's any more
            self._inbox.extend(task for process in leaving for task in process.tasks)

    def _fail_everything(self, error: CodealignError) -> None:
        for queue in (self._inbox, self._alone):
            while queue:
                try:
                    queue.popleft().finish(None, error)
                except IndexError:  # another thread fails them as well
                    return


def cpus_to_share(num_workers: int) -> set[int]:
    """The CPUs to keep one process each on; none where there are more or fewer than processes.

    A judge and its cell take turns and never run at once, but the kernel wakes each on whatever CPU is idle, far
    from what the other one wrote: two on two CPUs were 1.5 times as fast as one, and are 1.75 times as
    fast when each keeps to its own.
    """
    if sys.platform != "linux":
        return set()
    cpus = os.sched_getaffinity(0)
    return cpus if 1 < len(cpus) == num_workers else set()


class Alarm:
    """Wakes a thread that sleeps in a poll."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.fd, self._out = os.pipe()
        os.set_blocking(self._out, False)
        self._is_open = True

    def ring(self) -> None:
        with self._lock:
            if self._is_open:
                with contextlib.suppress(BlockingIOError):  # it has been rung often enough
                    os.write(self._out, b"!")

    def hush(self) -> None:
        os.read(self.fd, 4096)

    def close(self) -> None:
        with self._lock:
            self._is_open = False
            os.close(self.fd)
            os.close(self._out)
