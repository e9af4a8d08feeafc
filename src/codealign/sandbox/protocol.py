"""What a judge needs of a sandbox: start a program, ask it things, learn how it ended.

`cell.Cell` is the implementation for this machine; anything with these methods serves (a pool of remote
machines, a stub in a test).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from codealign.sandbox.limits import Limits


class Ending(NamedTuple):
    """How a program's process ended and what it used."""

    reason: str
    """"" by itself, "end" because the judge was done, "cpu", "wall", "oom", "processes", "files", "output",
    "violation"."""
    signal: int
    exit_code: int
    cpu_s: float
    system_s: float
    """Of the CPU seconds those in the kernel, as far as the program's own processes waited for each other."""
    wall_s: float
    peak_bytes: int


class Execution(Protocol):
    """One program in its own process."""

    output: bytearray
    """Standard output, at most 64 kB of it (all of it, up to the limit, for a whole program)."""
    ended: bool
    """Its process was found gone while something was asked of it."""
    handing: str
    """What becomes of containers in arguments; see `asking.Asking`."""
    changed_arguments: bool
    """With `handing` "look": a call changed a container that it was given."""
    broken: str
    """Why it was cut off, when it was: "output", "violation", or what its processes used together."""

    def begin(self) -> dict[str, Any]:
        """Run the source; the asked-for globals it defines.

        Raises:
            ProgramError, ProgramExit: the source raised.
            SyntaxError: it does not compile.
            ProgramEnded: its process ended.
        """
        ...

    def ask(self, operation: str, *arguments: Any, **keywords: Any) -> Any:
        """One operation in the program, for instance `ask("call", function, 1, 2)`."""
        ...

    def covered_lines(self) -> list[int]:
        """With coverage: lines of the program that ran since this was last asked, in order. Its claim."""
        ...

    def wait_end(self) -> None:
        """For a whole program: take in its output until it has ended."""
        ...

    def finish(self) -> Ending:
        """End the process if it runs, and learn how it ended. Call exactly once."""
        ...


class Sandbox(Protocol):
    """A place where one program at a time runs."""

    level: str

    def start(
        self,
        program: str,
        limits: Limits,
        *,
        names: Sequence[str] = (),
        stdin: bytes | None = None,
        coverage: bool = False,
    ) -> Execution:
        """Start a program. With `stdin` it is a whole program reading that; else it defines `names`.
        With `coverage` it keeps count of its lines."""
        ...

    def close(self) -> None: ...
