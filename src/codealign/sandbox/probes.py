"""Proof of a level from inside: try what a cell must stop, and see it stopped.

Run at the start of every cell, before any program; a level whose probes are not all stopped is refused, and
so is one in which an ordinary program does not run (then the stops would prove nothing).

What they don't cover: kernel bugs, timing and cache channels, what is summed over processes while it runs
(tests/test_levels.py does), and what `levels.GAPS` names.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from codealign.sandbox.cell import Cell, CellExecution, LaunchRefused
from codealign.sandbox.limits import Limits
from codealign.sandbox.remote import ProgramEnded, ProgramError, ProgramExit
from codealign.sandbox.syscalls import NUMBERS

_PROBE_LIMITS = Limits(cpu_s=2.0, wall_s=8.0)
_CONTROL = "run_as_usual"
ONLY_S1 = ("leave_the_group",)
"""With namespaces a program may: the end of its pid namespace ends all of it."""


class Probe(NamedTuple):
    """One thing tried from inside a cell."""

    name: str
    stopped: bool
    detail: str


def run_probes(cell: Cell) -> list[Probe]:
    """Try everything once in a warm cell.

    Raises:
        LaunchRefused: not even an ordinary program runs there.
        CellDied: the cell did not live through it.
    """
    with _targets() as targets:
        tries = _tries(cell, targets)
        inside = _Inside(cell, [_CONTROL, *tries])
        try:
            control = inside.attempt(_CONTROL, ())
            if control.stopped:
                raise LaunchRefused(f"an ordinary program does not run there: {control.detail}")
            return [inside.attempt(name, arguments) for name, arguments in tries.items()]
        finally:
            inside.leave()


def _tries(cell: Cell, targets: _Targets) -> dict[str, tuple[Any, ...]]:
    """Names of functions in attempts.py with their arguments. The one that may end the process that tries it
    comes last, since that costs a new one."""
    # The judge, or the zygote where the judge is process 1 (of a container): inside, 1 is the program itself.
    judge = os.getpid() if os.getpid() > 1 else cell.pid
    tries: dict[str, tuple[Any, ...]] = {
        "write_outside": (targets.directory + "/written",),
        "read_planted": (targets.planted,),
        "change_planted": (targets.planted,),
        "cut_planted": (targets.planted,),
        "link_planted": (targets.planted,),
        "list_outside": (targets.directory,),
        "write_into_the_library": (),
        "read_of_process": (judge,),
        "find_open_descriptors": (),
        "connect_loopback": (targets.port,),
        "listen_on_a_port": (),
        "open_raw_socket": (),
        "connect_abstract": (targets.abstract_name,),
        "connect_named": (targets.named,),
        "signal_outside": (judge,),
        "signal_parent": (),
        "limit_outside": (judge,),
        "slow_down_outside": (judge,),
        "leave_the_group": (),
        "run_a_shell": (),
        "allocate_past": (cell.limits.memory_bytes + 64 * 2**20,),
        "share_memory": (),
        "share_messages": (),
        "become_root": (),
        "mount_here": (),
        "trace_a_process": (),
        "make_a_namespace": (),
        "keep_a_key": (NUMBERS["keyctl"],),
        "set_up_a_ring": (NUMBERS["io_uring_setup"],),
        "load_into_the_kernel": (NUMBERS["bpf"],),
        "fork_past": (cell.limits.max_processes,),
    }
    if cell.level != "S1":
        for name in ONLY_S1:
            del tries[name]
    return tries


class _Inside:
    """A program in the cell that attempts one thing after another; a new one when an attempt ended it."""

    def __init__(self, cell: Cell, names: list[str]) -> None:
        self._source = _read_attempts()
        self._cell, self._names = cell, names
        self._execution: CellExecution | None = None
        self._functions: dict[str, Any] = {}

    def attempt(self, name: str, arguments: tuple[Any, ...]) -> Probe:
        try:
            if self._execution is None:
                self._execution = self._cell.start(self._source, _PROBE_LIMITS, names=self._names)
                self._functions = self._execution.begin()
            result = self._functions[name](*arguments)
            return Probe(name, False, f"gave {str(result)[:80]}")
        except (ProgramError, ProgramExit) as error:
            return Probe(name, True, f"{error.type_name}: {error}"[:120])
        except ProgramEnded:
            return Probe(name, True, f"the process was ended ({self.leave()})")

    def leave(self) -> str:
        """End the program; how it had ended."""
        execution, self._execution = self._execution, None
        if execution is None:
            return ""
        ending = execution.finish()
        return ending.reason or f"signal {ending.signal}"


def _read_attempts() -> str:
    return Path(__file__).with_name("attempts.py").read_text(encoding="utf-8")


class _Targets(NamedTuple):
    """Things outside that a program must not reach."""

    directory: str
    planted: str
    named: str
    """A socket in the file system that anybody may connect to."""
    abstract_name: str
    port: int


@contextmanager
def _targets() -> Iterator[_Targets]:
    abstract_name = f"codealign-{os.getpid()}-{os.urandom(4).hex()}"
    with (
        tempfile.TemporaryDirectory(prefix="codealign-") as directory,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        # Open to everybody, so that it is not the mode that stops a program.
        os.chmod(directory, 0o777)
        targets = _Targets(
            directory,
            planted=directory + "/planted",
            named=directory + "/named",
            abstract_name=abstract_name,
            port=server.getsockname()[1],
        )
        Path(targets.planted).write_text("planted", encoding="utf-8")
        os.chmod(targets.planted, 0o666)
        abstract.bind("\0" + abstract_name)
        abstract.listen()
        named.bind(targets.named)
        os.chmod(targets.named, 0o777)
        named.listen()
        yield targets
