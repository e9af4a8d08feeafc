"""The ladder of isolation: what each level means, which one this machine gives, and proof from inside.

    S3   namespaces, read-only root, own uid, no capabilities, seccomp, rlimits, memory and pids cgroup
    S2   the same without the cgroup: the sum of memory over a program's processes is not held
    S1   for containers without namespaces; not built yet, and never claimed
    S0   a process with rlimits; the judge is still apart, so verdicts stay honest, but nothing protects
         this machine. Never taken unless accepted by name

A level counts only when the probes, run inside a cell of it, were all stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from codealign.errors import SandboxError
from codealign.sandbox import seccomp
from codealign.sandbox.cell import PROGRAM_GUEST, Cell, LaunchRefused
from codealign.sandbox.limits import Limits
from codealign.sandbox.probes import Probe, run_probes

LEVELS = ("S3", "S2", "S1", "S0")
"""Strongest first."""


class LevelReport(NamedTuple):
    """Whether this machine gives a level, and why or why not."""

    level: str
    available: bool
    reason: str
    probes: list[Probe]


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
    require_platform(level)
    cell.launch()
    if level != "S0":
        held = [probe for probe in run_probes(cell) if not probe.stopped]
        if held:
            cell.close()
            told = ", ".join(f"{probe.name} {probe.detail}" for probe in held)
            raise LaunchRefused(f"a probe from inside was not stopped: {told}")
    return cell


def require_platform(level: str) -> None:
    """Raise LaunchRefused for a level that this code or this kind of machine can't give."""
    if level not in LEVELS or level == "S1":
        raise LaunchRefused("not built yet: Landlock and seccomp without namespaces")
    if sys.platform != "linux":
        raise LaunchRefused("a Linux kernel is needed")
    if level != "S0" and not seccomp.supported():
        raise LaunchRefused("system calls are known for x86_64 and aarch64 only")


def isolation_levels(limits: Limits | None = None) -> list[LevelReport]:
    """What this machine gives, strongest first, each level tried and probed (about a second)."""
    return [_report(level, limits or Limits()) for level in LEVELS]


def _report(level: str, limits: Limits) -> LevelReport:
    try:
        require_platform(level)
        cell = Cell(level, limits)
        cell.launch()
    except LaunchRefused as error:
        return LevelReport(level, False, str(error), [])
    probes = run_probes(cell) if level != "S0" else []
    cell.close()
    if level == "S0":
        reason = "limits only, this machine is not protected; taken only when accepted by name"
        return LevelReport(level, True, reason, probes)
    stopped = [probe for probe in probes if probe.stopped]
    reason = f"{len(stopped)} of {len(probes)} probes from inside were stopped"
    return LevelReport(level, len(stopped) == len(probes), reason, probes)


def refusal(isolation: str, reasons: dict[str, str]) -> SandboxError:
    told = "; ".join(f"{level}: {reason}" for level, reason in reasons.items())
    if isolation == "auto":
        what = f"this machine gives no isolation that protects it ({told})"
        cure = (
            "allow user namespaces (in Docker: --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined), or accept none with judge.accept_weak_isolation=true"
        )
    elif isolation == "S0":
        what = "S0 does not protect this machine"
        cure = "add judge.accept_weak_isolation=true to accept that"
    else:
        what = f"isolation {isolation} can't be had here ({told})"
        cure = "judge.isolation=auto takes the strongest level there is; `codealign env` lists them"
    return SandboxError(what, where="judge.isolation", cure=cure)
