"""The judge process: one cell, one program at a time, questions and answers over two pipes.

Started by `pool.Worker` in a clean interpreter. It holds tests and expected values and trusts its problems;
it never holds a program's objects, only plain data made from its answers.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from codealign.errors import SandboxError
from codealign.judging.referee import Referee, limit_own_memory, not_judged, patience
from codealign.sandbox import frames, linux
from codealign.sandbox.cell import Cell, CellDied, LaunchRefused, numpy_dirs
from codealign.sandbox.codec import decode, plain_only
from codealign.sandbox.levels import open_cell
from codealign.sandbox.limits import Limits

MEMORY_BYTES = 2**30
"""Of the judge: four times what a program may hold and send; `list(range(10**9))` in a test ends there."""
MAX_REQUEST_BYTES = 2**30
NUM_TRIES = 2
TEST_GUEST = "codealign.judging.tester"


def main(arguments: list[str]) -> None:
    sys.path.extend(arguments)  # where numpy is, for tests that use it
    requests, fd_out = take_pipes()
    if sys.platform == "linux":
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to act on
    signal.signal(signal.SIGTERM, leave)
    setting = frames.read(requests, MAX_REQUEST_BYTES)
    if setting is None:
        return
    if setting["cpus"]:
        os.sched_setaffinity(0, setting["cpus"])
    limits = Limits(**setting["limits"])
    try:
        opened = open_cell(
            setting["isolation"], setting["accept_weak_isolation"], limits, numpy_dirs()
        )
    except SandboxError as error:
        frames.send(fd_out, {"refused": [error.what, error.where, error.cure]})
        return
    frames.send(fd_out, {"level": opened.cell.level, "reasons": opened.reasons})
    limit_own_memory(MEMORY_BYTES)
    patience.is_deadly = True
    is_safe = setting["expected_dir"] and opened.cell.level != "S0"  # there programs could write it
    referee = Referee(
        opened.cell,
        limits,
        Path(setting["expected_dir"]) if is_safe else None,
        open_test_cell=lambda: open_test_cell(opened.cell),
        trust_tests=setting["trust_tests"],
        coverage=setting["coverage"],
    )
    try:
        serve(requests, fd_out, referee)
    finally:
        referee.close()


def open_test_cell(cell: Cell) -> Cell:
    """A cell like the programs' own, for tests that nobody trusts."""
    accepted = cell.level == "S0"  # was accepted by name for the programs
    return open_cell(cell.level, accepted, cell.limits, cell.packages, TEST_GUEST).cell


def leave(signum: int, frame: Any) -> None:
    """The driver's way to end a busy judge: up the stack, so that the cell is tidied away."""
    raise SystemExit


def take_pipes() -> tuple[IO[bytes], int]:
    """Move the driver's pipes out of the way: tests may print, and must not be heard."""
    requests, fd_out = os.fdopen(os.dup(0), "rb"), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, fd_out


def serve(requests: IO[bytes], fd_out: int, referee: Referee) -> None:
    """Until the driver hangs up: learn problems, judge programs. The next request may be there already."""
    while (request := frames.read(requests, MAX_REQUEST_BYTES)) is not None:
        for key in request.get("forget", ()):
            referee.forget(key)
        if "problem" in request:
            referee.learn(request["key"], decode(request["problem"], plain_only))
        row = judge_with_retry(referee, request["key"], request["program"])
        row["isolation"] = referee.cell.level
        frames.send(fd_out, row)


def judge_with_retry(referee: Referee, key: str, program: str) -> dict[str, Any]:
    """A dead cell is ours: a new one, and the program once more; then `not_judged`."""
    reason = ""
    for number in range(NUM_TRIES):
        try:
            row = referee.judge(key, program)
        except (CellDied, LaunchRefused, SandboxError) as error:
            reason = str(error)
            continue
        return row | {"retried": "sandbox"} if number else row
    return not_judged("sandbox", f"the sandbox failed twice on this program: {reason}")
