"""One judge process as its pool holds it: the pipes to it, and the tasks it has been given.

Nothing here blocks but the end: frames go out as far as the pipe takes them and come in as far as they are there.

Not promised: thread safety. One thread uses a process; that thread starts it as well, because a judge asks the
kernel to be killed when the thread that started it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codealign.config import JudgeConfig
from codealign.errors import SandboxError
from codealign.judging.tasks import Row, Task, problem_data
from codealign.sandbox import boot, cgroups, folder, frames
from codealign.sandbox.limits import Limits

START_TIMEOUT_S = 60.0
GRACE_S = 60.0
"""How much longer than its limits a program may keep a judge before the judge counts as stuck."""
CLOSE_TIMEOUT_S = 2.0
"""For a busy judge to tidy its cell away; an idle one takes milliseconds."""
MAX_ANSWER_BYTES = 256 * 2**20
READ_BYTES = 2**16
"""What a pipe holds; a larger buffer would be mapped and unmapped for each verdict."""
NUM_PROBLEMS_KEPT = 512
NUM_AHEAD = 2
"""Tasks given to a process at a time: the next one is there when the first is done."""


class JudgeDied(Exception):
    """The process ended, is stuck, or says what no judge says; the message completes "the process …"."""


class JudgeProcess:
    """A judge process, from its start to its end.

    Args:
        cpu: keep it and its cell there; None lets the kernel choose.

    Raises:
        OSError: it can't be started.
    """

    def __init__(
        self,
        config: JudgeConfig,
        limits: Limits,
        expected_dir: Path | None,
        cpu: int | None = None,
    ) -> None:
        self.cpu = cpu
        self.tasks: deque[Task] = deque()
        """The first is being judged, the others wait in the pipe."""
        self.level = ""
        self.reasons: dict[str, str] = {}
        self.deadline = time.monotonic() + START_TIMEOUT_S
        """When it counts as stuck; infinite while there is nothing to do."""
        self._longest_s = (
            4 * limits.longest_s + GRACE_S
        )  # first try, calibration, second try, answers
        self._known: OrderedDict[str, None] = OrderedDict()
        self._unsent: deque[memoryview] = deque()
        self._heard = bytearray()
        self._process = subprocess.Popen(
            boot.command("codealign.judging.worker", *_numpy_place()),
            env=boot.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.in_fd, self.out_fd = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self.in_fd, False)
        os.set_blocking(self.out_fd, False)
        self._say(
            {
                "isolation": config.isolation,
                "accept_weak_isolation": config.accept_weak_isolation,
                "limits": limits._asdict(),
                "expected_dir": str(expected_dir or ""),
                "trust_tests": config.trust_tests,
                "coverage": config.coverage,
                "cpus": [] if cpu is None else [cpu],
            }
        )

    @property
    def is_ready(self) -> bool:
        """Whether its cell is warm and proved."""
        return bool(self.level)

    @property
    def has_room(self) -> bool:
        return self.is_ready and len(self.tasks) < NUM_AHEAD

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def greeted(self, hello: dict[str, Any]) -> None:
        """Take in the first frame.

        Raises:
            SandboxError: the isolation asked for can't be had.
        """
        if "refused" in hello:
            what, where, cure = hello["refused"]
            raise SandboxError(what, where=where, cure=cure)
        self.level, self.reasons = hello["level"], hello["reasons"]
        self.deadline = float("inf")

    def give(self, task: Task) -> None:
        """Send a task, with its problem when the process has not seen that one lately.

        Raises:
            DataError: the problem can't be sent.
        """
        request: dict[str, Any] = {"key": task.key, "program": task.program}
        if task.key not in self._known:
            request["problem"] = problem_data(task.problem)
            self._known[task.key] = None
            if len(self._known) > NUM_PROBLEMS_KEPT:
                request["forget"] = [self._known.popitem(last=False)[0]]
        self._known.move_to_end(task.key)
        self._say(request)
        self.tasks.append(task)
        if len(self.tasks) == 1:
            self._begin_first()

    def answered(self) -> Task:
        """The task that the frame just heard belongs to; the next one has begun."""
        if not self.tasks:
            raise JudgeDied("answered unasked")
        task = self.tasks.popleft()
        if self.tasks:
            self._begin_first()
        else:
            self.deadline = float("inf")
        return task

    def _begin_first(self) -> None:
        self.tasks[0].num_tries += 1
        self.deadline = time.monotonic() + self._longest_s

    def _say(self, request: Any) -> None:
        self._unsent.append(memoryview(frames.pack(request)))
        self.push()

    def push(self) -> None:
        """Send what the pipe takes. A broken pipe is heard of from the other one."""
        try:
            while self._unsent:
                data = self._unsent[0]
                sent = os.write(self.in_fd, data)
                if sent == len(data):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = data[sent:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()

    def hear(self) -> Iterator[Row]:
        """The frames that have come in whole, one by one: the one before a broken one is good.

        Raises:
            JudgeDied: it ended, or what came is not a frame.
        """
        chunk = os.read(self.out_fd, READ_BYTES)
        if not chunk:
            raise JudgeDied("ended")
        heard = self._heard
        heard += chunk
        try:
            while len(heard) >= 4:
                end = 4 + frames.body_length(heard, MAX_ANSWER_BYTES)
                if len(heard) < end:
                    return
                row = frames.unpack(heard[4:end])
                del heard[:end]
                yield row
        except frames.FrameError as error:
            raise JudgeDied(f"said something else than a verdict ({error})") from None

    @property
    def was_stuck(self) -> bool:
        """Known once it has ended: its tests ran on in C, past all patience (see `referee.Patience`)."""
        return self._process.returncode == -signal.SIGVTALRM

    def hang_up(self) -> None:
        """Ask it to tidy its cell away and end: an idle one sees its input close, a busy one gets a signal."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self.tasks or not self.is_ready:
            self._process.terminate()

    def end(self, within_s: float) -> None:
        """Wait until it has ended, and kill it when that takes longer."""
        assert self._process.stdout is not None
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        # Where it was killed, or ended before its cell was whole:
        cgroups.remove_of(self.pid)
        folder.remove_of(self.pid)


def _numpy_place() -> list[str]:
    """Where the judge finds numpy, for tests that use it: this interpreter's site directory."""
    spec = find_spec("numpy")
    return [str(Path(spec.origin).parent.parent)] if spec is not None and spec.origin else []
