"""The ladder of isolation: what each level means, which one this machine gives, and proof from inside.

    S3   namespaces, read-only root, own uid, no capabilities, seccomp, rlimits, memory and pids cgroup
    S2   the same without the cgroup
    S1   for containers without namespaces: Landlock, seccomp, rlimits; as root an own uid
    S0   a process with rlimits; the judge is still apart, so verdicts stay honest, but nothing protects
         this machine. Never taken unless accepted by name

A level counts only when the probes, run inside a cell of it, were all stopped. What a level does not stop
though its probes were is in GAPS.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from codealign.errors import SandboxError
from codealign.sandbox import seccomp
from codealign.sandbox.cell import PROGRAM_GUEST, Cell, CellDied, LaunchRefused
from codealign.sandbox.host import advice
from codealign.sandbox.limits import Limits
from codealign.sandbox.probes import Probe, run_probes

LEVELS = ("S3", "S2", "S1", "S0")
"""Strongest first."""


_WATCHED = "looked at every 0.1 s from outside, and ended when over the limit; not held"
GAPS: dict[str, tuple[str, ...]] = {
    "S3": (),
    "S2": (f"memory and CPU time of all processes of a program together: {_WATCHED}",),
    "S1": (
        f"memory and CPU time of all processes together, and the size of scratch space: {_WATCHED}",
        f"as an ordinary user, the number of processes: {_WATCHED} below 1,024",
        "names, sizes and times of files outside can be asked for (stat); their content can't",
        "the host's name, load and uptime are visible",
        "no /tmp, /dev/shm, locks of multiprocessing or sockets by name: programs that need them fail",
        "chmod, chown, utime, setsid and setpgid succeed and change nothing",
        "below Landlock ABI 6 as an ordinary user: os.kill fails, also between own processes",
        "when the out-of-memory killer takes the zygote of an ordinary user, what its program forked runs on "
        "to its own CPU limit",
    ),
    "S0": ("everything but the verdict: files, network, other processes of the user",),
}
"""What holds less than at the level above, or not at all."""


class LevelReport(NamedTuple):
    """Whether this machine gives a level, and why or why not."""

    level: str
    available: bool
    reason: str
    probes: list[Probe]
    gaps: tuple[str, ...]


class Opened(NamedTuple):
    """A warm cell, and why nothing stronger."""

    cell: Cell
    reasons: dict[str, str]


def open_cell(
    isolation: str,
    accept_weak_isolation: bool,
    limits: Limits,
    packages: Sequence[str],
    guest: str = PROGRAM_GUEST,
) -> Opened:
    """A cell at the level asked for; with "auto", at the strongest that this machine proves.

    Args:
        guest: what runs in it; see `Cell`.

    Raises:
        SandboxError: the level can't be had, or only S0 can and it was not accepted.
    """
    tried = LEVELS if isolation == "auto" else (isolation,)
    reasons: dict[str, str] = {}
    for level in tried:
        if level == "S0" and not accept_weak_isolation:
            reasons[level] = "not accepted"
            continue
        try:
            return Opened(_proved_cell(level, limits, packages, guest), reasons)
        except LaunchRefused as error:
            reasons[level] = str(error)
    raise refusal(isolation, reasons)


def _proved_cell(level: str, limits: Limits, packages: Sequence[str], guest: str) -> Cell:
    cell = Cell(level, limits, packages, guest)
    held = [probe for probe in _probed(cell) if not probe.stopped]
    if held:
        cell.close()
        told = ", ".join(f"{probe.name} {probe.detail}" for probe in held)
        raise LaunchRefused(f"a probe from inside was not stopped: {told}")
    return cell


def _probed(cell: Cell) -> list[Probe]:
    """Launch and probe. Raises LaunchRefused, with the cell closed, when that is not possible."""
    require_platform(cell.level)
    cell.launch()
    try:
        return run_probes(cell) if cell.level != "S0" else []
    except LaunchRefused:
        cell.close()
        raise
    except CellDied as error:
        cell.close()
        raise LaunchRefused(f"the cell did not live through its probes: {error}") from None


def require_platform(level: str) -> None:
    """Raise LaunchRefused for a level that this kind of machine can't give."""
    if sys.platform != "linux":
        raise LaunchRefused("a Linux kernel is needed")
    if level != "S0" and not seccomp.supported():
        raise LaunchRefused("system calls are known for x86_64 and aarch64 only")


def isolation_levels(limits: Limits | None = None) -> list[LevelReport]:
    """What this machine gives, strongest first, each level tried and probed (about a second)."""
    return [_report(level, limits or Limits()) for level in LEVELS]


def _report(level: str, limits: Limits) -> LevelReport:
    cell = Cell(level, limits)
    try:
        probes = _probed(cell)
    except LaunchRefused as error:
        return LevelReport(level, False, str(error), [], GAPS[level])
    cell.close()
    if level == "S0":
        reason = "limits only, this machine is not protected; taken only when accepted by name"
        return LevelReport(level, True, reason, probes, GAPS[level])
    stopped = [probe for probe in probes if probe.stopped]
    reason = f"{len(stopped)} of {len(probes)} probes from inside were stopped"
    return LevelReport(level, len(stopped) == len(probes), reason, probes, GAPS[level])


def refusal(isolation: str, reasons: dict[str, str]) -> SandboxError:
    told = "; ".join(f"{level}: {reason}" for level, reason in reasons.items())
    if isolation == "S0":
        what = "S0 does not protect this machine"
        cure = "add judge.accept_weak_isolation=true to accept that"
    elif isolation == "auto":
        what = f"this machine gives no isolation that protects it ({told})"
        cure = f"{advice()}; or accept none with judge.accept_weak_isolation=true"
    else:
        what = f"isolation {isolation} can't be had here ({told})"
        cure = f"{advice()}; or take the strongest level there is, with judge.isolation=auto"
    return SandboxError(what, where="judge.isolation", cure=cure)
