"""A cell as the judge holds it: launch, start a program, talk to it, learn how it ended.

One cell runs one program at a time; a worker has one cell. If the zygote dies (the out-of-memory killer
may take it) or stops answering, the next `start` launches a new one.

Not promised: thread safety.
"""

from __future__ import annotations

import _socket
import json
import math
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from codealign.sandbox import (
    boot,
    cgroups,
    control,
    folder,
    frames,
    ids,
    remote,
    restricted,
    usage,
)
from codealign.sandbox.asking import Asking
from codealign.sandbox.limits import Limits
from codealign.sandbox.protocol import Ending

PROGRAM_GUEST = "codealign.sandbox.guest"
LAUNCH_TIMEOUT_S = 20.0
GRACE_S = 10.0
"""How much longer than its wall limit a program may keep us waiting before the cell counts as dead."""
MAX_PROGRAM_BYTES = 64 * 2**20
"""All answers of one program together."""
KEPT_OUTPUT_BYTES = 64 * 2**10
_READ_BYTES = 64 * 2**10  # a buffer above malloc's mmap threshold costs three system calls a read
END_TIMEOUT_S = 2.0
"""How long a zygote that must end its program itself (S1, S0) may take for that."""


class CellDied(Exception):
    """The zygote is gone or silent: ours, the program is to be judged again."""


class LaunchRefused(Exception):
    """The kernel refused a step of this level; the message names it."""


def numpy_dirs() -> list[str]:
    """Directories of numpy (and the libraries it carries), to be shown in a cell; none without it."""
    from importlib.util import find_spec

    spec = find_spec("numpy")
    if spec is None or not spec.submodule_search_locations:
        return []
    place = spec.submodule_search_locations[0]
    return [path for path in (place, place + ".libs") if os.path.isdir(path)]


class Place(NamedTuple):
    """Directories of a cell that has no file system of its own."""

    directory: str
    scratch_dir: str
    packages_dir: str


def make_place(packages: Sequence[str], own_id: int) -> Place:
    """A directory for scratch, of the cell's own user if it has one, and one of links to packages."""
    directory = tempfile.mkdtemp(prefix=folder.prefix_of(os.getpid()), dir=folder.PARENT)
    place = Place(directory, directory + "/scratch", directory + "/packages")
    os.chmod(directory, 0o711)
    os.mkdir(place.scratch_dir, folder.MODE)
    os.mkdir(place.packages_dir)
    for path in packages:
        os.symlink(path, f"{place.packages_dir}/{os.path.basename(path)}")
    if own_id:
        os.chown(place.scratch_dir, own_id, own_id)
    return place


class Cell:
    """The local implementation of `protocol.Sandbox`, at every level.

    Args:
        level: what to build; nothing weaker is built instead.
        limits: memory, process, file and output limits of every program in this cell.
        packages: directories to show as importable packages.
        guest: the module whose `main` each program's process runs; it must come with all it imports,
            for its files can't be seen from inside.

    Raises:
        LaunchRefused: from the first `launch`, when the level can't be had.
    """

    def __init__(
        self,
        level: str,
        limits: Limits,
        packages: Sequence[str] = (),
        guest: str = PROGRAM_GUEST,
    ) -> None:
        self.level, self.limits, self.packages = level, limits, list(packages)
        self.guest = guest
        self._cgroups: cgroups.CellCgroups | None = None
        self._control: socket.socket | None = None
        self._place: Place | None = None
        self._own_id = ids.Claim(0, None)
        self.pid = 0
        """The zygote's process id as seen from here; 0 while there is none."""
        self.num_jobs = self._num_oom_kills = 0
        """Programs started since the launch, and kills of theirs by the out-of-memory killer."""
        self.was_out_of_memory = False

    # --- launching --------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the zygote and wait until it is warm (about 0.1 s)."""
        self.num_jobs = self._num_oom_kills = 0
        try:
            self._make_surroundings()
            self._start_zygote()
        except LaunchRefused:
            self.close()
            raise
        except (OSError, cgroups.NoCgroups) as error:
            self.close()
            raise LaunchRefused(str(error)) from None

    def _make_surroundings(self) -> None:
        """What is made outside before the cell, and removed by `close`."""
        if self.level != "S0":
            self._own_id = ids.claim()
        if self.level in ("S1", "S0"):
            self._place = make_place(self.packages, self._own_id.number)
        if self.level == "S3":
            self._cgroups = cgroups.make(self.limits.memory_bytes, self.limits.max_processes)

    def _start_zygote(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._launcher(theirs.fileno())
        hello = self._hear(LAUNCH_TIMEOUT_S)
        if "pid" in hello:
            self.pid = hello["pid"]
            hello = self._hear(LAUNCH_TIMEOUT_S)
        if "ready" not in hello:
            raise LaunchRefused(hello.get("error", "the launcher ended without a word"))

    def _launcher(self, control_fd: int) -> None:
        plan = {
            "level": self.level,
            "control_fd": control_fd,
            "cgroup_procs": self._cgroups.procs_files if self._cgroups else [],
            "own_id": self._own_id.number,
            "num_other_tasks": self._num_other_tasks(),
            "packages": self.packages,
            "scratch_dir": self._place.scratch_dir if self._place else "",
            "packages_dir": self._place.packages_dir if self._place else "",
            "limits": self.limits._asdict(),
            "guest": self.guest,
        }
        result = subprocess.run(
            boot.command("codealign.sandbox.launcher", json.dumps(plan)),
            env=boot.environment(),
            pass_fds=(control_fd,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if result.returncode not in (0, 1):
            raise LaunchRefused(result.stderr.decode(errors="replace")[-500:])

    def _num_other_tasks(self) -> int:
        """Tasks that are no program's but count against its limit, where the uid is the user's own."""
        if self.level != "S1" or self._own_id.number:
            return 0
        return restricted.tasks_of_this_user() + restricted.NUM_SPARE_TASKS

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        assert self._control is not None
        self._control.settimeout(timeout_s)
        try:
            message = self._control.recv(65536)
        except TimeoutError:
            return {"error": f"no word for {timeout_s:.0f} s"}
        except ConnectionError as error:
            return {"error": str(error)}
        return json.loads(message) if message else {}

    def close(self) -> None:
        """Hang up (the zygote exits, the kernel ends the rest) and remove the cgroups."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self.pid:
            _end(self.pid, END_TIMEOUT_S if self._place else 0.0)
            self.pid = 0
        if self._place is not None and self._own_id.number:
            ids.end_processes(self._own_id.number)
        if self._cgroups is not None:
            cgroups.remove(self._cgroups)
            self._cgroups = None
        if self._place is not None:
            folder.remove(self._place.directory)
            self._place = None
        self._own_id.release()

    # --- programs ---------------------------------------------------------------------------

    def start(
        self,
        program: str,
        limits: Limits,
        *,
        names: Sequence[str] = (),
        stdin: bytes | None = None,
        coverage: bool = False,
    ) -> CellExecution:
        """Start a program; see `protocol.Sandbox.start`.

        Raises:
            CellDied: the zygote does not take the job.
        """
        start = {
            "source": program,
            "names": list(names),
            "main": stdin is not None,
            "coverage": coverage,
        }
        return self.run(start, limits, stdin)

    def run(
        self, start: dict[str, Any], limits: Limits, stdin: bytes | None = None
    ) -> CellExecution:
        """Start a process of this cell's guest, whose first frame will be `start`.

        Raises:
            CellDied: the zygote does not take the job.
        """
        if self._control is None:
            self.launch()
        self.num_jobs += 1
        return CellExecution(self, self.num_jobs, start, limits, stdin)

    def send_job(self, number: int, limits: Limits, fds: tuple[int, int, int]) -> None:
        assert self._control is not None
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, control.DESCRIPTORS.pack(*fds))
        try:
            job = control.JOB.pack(number, limits.cpu_s, limits.wall_s)
            self._control.sendmsg([job], [rights])
        except OSError as error:
            self.close()
            raise CellDied(f"the zygote does not take a job: {error}") from None

    def end_job(self) -> None:
        assert self._control is not None
        try:
            self._control.send(control.END)
        except OSError:
            return  # the zygote is gone: waiting for its report will say so

    def hear_ending(self, number: int, timeout_s: float) -> Ending | None:
        """The zygote's report on job `number`; None when it died (the cell is closed then)."""
        assert self._control is not None
        self._control.settimeout(timeout_s)
        try:
            message = self._control.recv(control.MAX_BYTES)
        except (TimeoutError, ConnectionError):
            message = b""
        if len(message) == control.REPORT.size:
            reported, reason, *numbers = control.REPORT.unpack(message)
            if reported == number:
                return Ending(control.REASONS[reason], *numbers)
        self.close_after_death()
        return None

    def close_after_death(self) -> None:
        """Close, but keep what is known of the cause for whoever asks."""
        self.was_out_of_memory = self.new_oom_kills() > 0
        self.close()

    def watch(self, limits: Limits) -> usage.Watch:
        """To look at all processes of the program that runs now, from outside."""
        cpu_file = self._cgroups.cpu_file if self._cgroups else None
        return usage.Watch(
            limits,
            self.pid,
            cpu_file and partial(cgroups.cpu_seconds, cpu_file),
            self._place.scratch_dir if self._place else "",
        )

    def new_oom_kills(self) -> int:
        """Kills by the out-of-memory killer since this was last asked; 0 without a cgroup."""
        if self._cgroups is None:
            return 0
        total = cgroups.oom_kills(self._cgroups)
        new, self._num_oom_kills = total - self._num_oom_kills, total
        return new


def _end(pid: int, patience_s: float) -> None:
    """End a zygote that we hung up on. Without a pid namespace it needs a moment to end its program first.

    The launcher has exited, so the zygote is ours to wait for when we are a subreaper, else init's.
    """
    try:
        if patience_s:
            pidfd = os.pidfd_open(pid)
            select.select([pidfd], [], [], patience_s)
            os.close(pidfd)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError, PermissionError):
        return


class CellExecution(Asking):
    """The local implementation of `protocol.Execution`."""

    def __init__(
        self, cell: Cell, number: int, start: dict[str, Any], limits: Limits, stdin: bytes | None
    ) -> None:
        super().__init__(start)
        self._cell, self._number, self._limits = cell, number, limits
        started = time.monotonic()
        self._deadline = started + limits.longest_s + GRACE_S
        self._next_look = started + usage.FIRST_LOOK_S
        self._watch: usage.Watch | None = None
        self._num_early_oom_kills = 0
        self._answer_by = math.inf
        self.output = bytearray()
        self._kept = KEPT_OUTPUT_BYTES if stdin is None else limits.output_bytes
        self._num_output_bytes = self._num_answer_bytes = 0
        self.broken = ""  # why we stopped it: "output", "violation", "wall"
        self.ended = False
        self._buffer = bytearray()
        self._job, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._output_fd, output = os.pipe()
        stdin_fd = _stdin_file(stdin)
        try:
            cell.send_job(number, limits, (theirs.fileno(), stdin_fd, output))
        except CellDied:
            self._hang_up()
            raise
        finally:
            theirs.close()
            os.close(stdin_fd)
            os.close(output)
        self._poll = select.poll()
        self._poll.register(self._job, select.POLLIN)
        self._poll.register(self._output_fd, select.POLLIN)

    def _violation(self, message: str) -> remote.Violation:
        self.broken = "violation"
        return remote.Violation(message)

    # --- carried unread, between two cells ---------------------------------------------------

    def open(self, patience_s: float = math.inf) -> bytearray:
        """Send the first frame; the body of the one that answers it.

        Args:
            patience_s: longer than this from now it is not waited for: it is ended with reason "wall".

        Raises:
            ProgramEnded: its process ended, or it broke a rule.
            SyntaxError: the first frame is too large to be sent.
        """
        self._answer_by = time.monotonic() + patience_s
        self._send_start()
        return self._receive_body()

    def exchange(self, body: bytearray, patience_s: float = math.inf) -> bytearray:
        """Send the body of a frame as it is; the body of the one that answers it. See `open`."""
        self._answer_by = time.monotonic() + patience_s
        self._send_frame(len(body).to_bytes(4, "big") + body)
        return self._receive_body()

    # --- the two streams --------------------------------------------------------------------

    def _send(self, value: Any) -> None:
        frame = frames.pack(value)
        if len(frame) > frames.MAX_FRAME_BYTES:
            raise remote.CannotCross(f"arguments of {len(frame)} bytes can't be sent to a program")
        self._send_frame(frame)

    def _send_frame(self, frame: bytes) -> None:
        if self.ended or self.broken:
            raise remote.ProgramEnded
        data = memoryview(frame)
        while data:
            try:
                data = data[self._job.send(data, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError:
                self.ended = True
                raise remote.ProgramEnded from None

    def _receive(self) -> Any:
        try:
            return frames.unpack(self._receive_body())
        except frames.FrameError as error:
            raise self._violation(str(error)) from None

    def _receive_body(self) -> bytearray:
        """The next frame, with standard output drained meanwhile."""
        buffer = self._buffer
        length = None
        while length is None or len(buffer) < 4 + length:
            self._wait(select.POLLIN)
            try:
                chunk = self._job.recv(_READ_BYTES)
            except ConnectionResetError:  # it ended with a question of ours unread
                chunk = b""
            if not chunk:
                self.ended = True
                raise remote.ProgramEnded
            buffer += chunk
            self._count_answer(len(chunk))
            if length is None and len(buffer) >= 4:
                length = self._length(buffer)
        if len(buffer) > 4 + length:
            raise self._violation("a frame sent ahead")
        body = buffer[4:]
        buffer.clear()
        return body

    def _length(self, buffer: bytearray) -> int:
        try:
            length = frames.body_length(buffer)
            if not length:
                raise frames.FrameError("an empty frame")
            return length
        except frames.FrameError as error:
            raise self._violation(str(error)) from None

    def _count_answer(self, num_bytes: int) -> None:
        self._num_answer_bytes += num_bytes
        if self._num_answer_bytes > MAX_PROGRAM_BYTES:
            self.broken = "output"
            raise remote.ProgramEnded

    def _wait(self, event: int) -> None:
        """Until the job socket is ready; drains standard output; the cell is dead past the deadline."""
        job_fd = self._job.fileno()
        if event != select.POLLIN:
            self._poll.modify(job_fd, event)
        while True:
            now = time.monotonic()
            if now >= self._next_look:
                self._look()
            until = min(self._deadline, self._answer_by)
            if now >= until:
                raise self._waited_enough()
            wait_s = min(until, self._next_look) - now
            for fd, seen in self._poll.poll(1000 * max(wait_s, 0)):
                if fd == job_fd:
                    self._poll.modify(job_fd, select.POLLIN)
                    return
                self._drain(seen)

    def _waited_enough(self) -> BaseException:
        if time.monotonic() < self._deadline:
            self.broken = "wall"
            return remote.ProgramEnded()
        self._cell.close()
        return CellDied("no end of the program past its wall limit")

    def _look(self) -> None:
        """End a program whose processes use too much together; see `usage`."""
        if self._watch is None:
            self._watch = self._cell.watch(self._limits)
            # An earlier program's children may have died of it: alone it says nothing of this one.
            self._num_early_oom_kills = self._cell.new_oom_kills()
        self.broken = self._watch.look() or ("oom" if self._cell.new_oom_kills() else "")
        self._next_look = self._watch.next_look
        if self.broken:
            raise remote.ProgramEnded

    def _drain(self, seen: int) -> None:
        chunk = os.read(self._output_fd, _READ_BYTES)
        if not chunk:
            self._poll.unregister(self._output_fd)
            return
        self._num_output_bytes += len(chunk)
        room = self._kept - len(self.output)
        self.output += chunk[: max(room, 0)]
        if self._num_output_bytes > self._limits.output_bytes:
            self.broken = "output"
            raise remote.ProgramEnded

    def wait_end(self) -> None:
        try:
            while not (self.ended or self.broken):
                self._receive()
        except remote.ProgramEnded:
            pass
        if not self.broken:
            self._drain_rest()

    def _drain_rest(self) -> None:
        """What is still in the pipe once nobody writes any more (or nobody we wait for)."""
        os.set_blocking(self._output_fd, False)
        while True:
            try:
                before = self._num_output_bytes
                self._drain(0)
            except (BlockingIOError, KeyError, remote.ProgramEnded):
                return
            if self._num_output_bytes == before:
                return

    def finish(self) -> Ending:
        if not self.ended:
            self._cell.end_job()
        ending = self._cell.hear_ending(self._number, self._limits.longest_s + GRACE_S)
        self._hang_up()
        if ending is None:
            # Whoever looked first has the kill: the look while it ran, or the one after the zygote's death.
            if self._cell.was_out_of_memory or self.broken == "oom":
                return Ending("oom", signal.SIGKILL, 0, 0.0, 0.0, 0.0, self._limits.memory_bytes)
            raise CellDied("the zygote died")
        if self._watch is not None:
            ending = ending._replace(cpu_s=max(ending.cpu_s, self._watch.cpu_s))
        if self.broken:
            return ending._replace(reason=self.broken)
        killed = ending.signal == signal.SIGKILL and not ending.reason
        if killed and (self._num_early_oom_kills or self._cell.new_oom_kills()):
            return ending._replace(reason="oom")
        return ending

    def _hang_up(self) -> None:
        self._job.close()
        os.close(self._output_fd)


def _stdin_file(text: bytes | None) -> int:
    """A descriptor to read standard input from."""
    if text is None:
        return os.open("/dev/null", os.O_RDONLY)
    fd = os.memfd_create("stdin")
    with open(fd, "wb", closefd=False) as file:
        file.write(text)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
