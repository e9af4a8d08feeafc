"""Does anything pile up? Many programs, one in a hundred of them an attack, and the machine before and after.

    CODEALIGN_DATA=... python benchmarks/soak.py [--num 100000]

Right solutions (HumanEval's fast 160) and wrong programs of the audit's corpus go through one judge. Counted
before the work and after it, with the judge still up: processes, descriptors and memory of this process and everything
below it, mounts, System V objects, files in /dev/shm and the temporary directory, cgroups. CPU time per program over the
first and last part tells whether it slows down. Every solution has to pass, no attack may, and none may do the harm
that the audit's bait shows.

The counts of mounts, cgroups, files and System V objects are the machine's: other work on it shows in them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from proctree import tree, tree_cpu_s
from sources import SLOW, machine, reference_programs

from codealign.audit import TASKS, load_corpus
from codealign.audit.bait import Bait
from codealign.audit.corpus import Specimen
from codealign.config import JudgeConfig, LimitsConfig
from codealign.judging import Candidate, Judge
from codealign.records import Verdict
from codealign.sandbox import linux

ATTACK_EVERY = 100
NUM_PARTS = 10
LIMITS = LimitsConfig(cpu_s=1.0, wall_s=2.0, memory_bytes=128 * 2**20)
"""Small, so that attacks that wait or compute for ever leave time for the others."""
SEED = 0


class Count(NamedTuple):
    """What there is at one moment. Memory is private and anonymous, in MB."""

    processes: int
    descriptors: int
    memory_mb: float
    mounts: int
    system_v: int
    shm_files: int
    temporary_files: int
    cgroups: int


class Part(NamedTuple):
    """A stretch of the soak: CPU milliseconds per program, and programs per second of wall time."""

    num: int
    cpu_ms: float
    per_s: float


# --- counting ------------------------------------------------------------------------------------


def count_all() -> Count:
    places = [Path(f"/proc/{pid}") for pid in tree()]
    return Count(
        processes=len(places),
        descriptors=sum(len(os.listdir(place / "fd")) for place in places),
        memory_mb=round(sum(_private_kb(place) for place in places) / 1024, 1),
        mounts=len(Path("/proc/self/mountinfo").read_text().splitlines()),
        system_v=sum(
            len(Path(f"/proc/sysvipc/{kind}").read_text().splitlines()) - 1
            for kind in ("shm", "sem", "msg")
        ),
        shm_files=len(os.listdir("/dev/shm")),
        temporary_files=len(os.listdir(tempfile.gettempdir())),
        cgroups=sum(
            sum(name.startswith("codealign-") for name in names)
            for _, names, _ in os.walk("/sys/fs/cgroup")
        ),
    )


def _private_kb(place: Path) -> int:
    for line in (place / "smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    return 0


# --- the programs --------------------------------------------------------------------------------


class Attack(NamedTuple):
    """A wrong program, with its bait laid out."""

    specimen: Specimen
    bait: Bait
    candidate: Candidate


def lay_out(directory: Path, stack: ExitStack) -> list[Attack]:
    """Every wrong program of the corpus that needs no package that is missing here."""
    found = []
    for specimen in load_corpus().wrong:
        if specimen.missing:
            continue
        bait = stack.enter_context(Bait(specimen, directory))
        found.append(Attack(specimen, bait, Candidate(TASKS[specimen.task].problem, bait.source)))
    return found


def programs(num: int, attacks: list[Attack]) -> Iterator[Candidate]:
    """Solutions in turn, and every ATTACK_EVERY-th program the next attack (in a shuffled order)."""
    honest = [
        Candidate(problem, program)
        for problem, program in reference_programs("humaneval")
        if problem.task_id not in SLOW
    ]
    order = [attack.candidate for attack in attacks]
    random.Random(SEED).shuffle(order)
    for number in range(num):
        if number % ATTACK_EVERY == ATTACK_EVERY - 1:
            yield order[number // ATTACK_EVERY % len(order)]
        else:
            yield honest[number % len(honest)]


def is_attack(number: int) -> bool:
    return number % ATTACK_EVERY == ATTACK_EVERY - 1


# --- the soak ------------------------------------------------------------------------------------


class Soaked(NamedTuple):
    """What came of a soak."""

    before: Count
    after: Count
    parts: list[Part]
    unexpected: list[dict[str, Any]]
    """Solutions that did not pass, attacks that did or that could not be judged."""
    isolation: str


def soak(judge: Judge, attacks: list[Attack], num: int) -> Soaked:
    for _ in judge.verdicts(programs(2 * ATTACK_EVERY, attacks)):
        pass  # every worker is up and warm
    before = count_all()
    parts: list[Part] = []
    unexpected: list[dict[str, Any]] = []
    started, cpu, done = time.monotonic(), tree_cpu_s(), 0
    for number, verdict in enumerate(judge.verdicts(programs(num, attacks))):
        if not as_expected(number, verdict):
            unexpected.append({"number": number, **verdict.model_dump(exclude={"tests"})})
        if number + 1 == num * (len(parts) + 1) // NUM_PARTS:
            size, wall = number + 1 - done, time.monotonic() - started
            cpu_ms = 1000 * (tree_cpu_s() - cpu) / size
            parts.append(Part(size, round(cpu_ms, 3), round(size / wall, 1)))
            print(f"{number + 1} of {num}: {parts[-1]}", file=sys.stderr)
            started, cpu, done = time.monotonic(), tree_cpu_s(), number + 1
    return Soaked(before, count_all(), parts, unexpected, judge.isolation)


def as_expected(number: int, verdict: Verdict) -> bool:
    if is_attack(number):
        return verdict.outcome not in ("passed", "not_judged")
    return verdict.passed


def harms(attacks: list[Attack]) -> dict[str, list[str]]:
    """What the bait shows, by program; nothing is as it should be."""
    found = {attack.specimen.name: sorted(attack.bait.harms()) for attack in attacks}
    return {name: kinds for name, kinds in found.items() if kinds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options, here = parser.parse_args(), machine()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # what a worker leaves behind stays below us
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        directory.chmod(0o777)
        attacks = lay_out(directory, stack)
        with Judge(JudgeConfig(limits=LIMITS, cache=False)) as judge:
            soaked = soak(judge, attacks, options.num)
        harm = harms(attacks)
    closed = count_all()  # the bait is gone as well
    told = {
        "machine": here,
        "num": options.num,
        "num_attacks": options.num // ATTACK_EVERY,
        "num_different_attacks": min(len(attacks), options.num // ATTACK_EVERY),
        "unexpected": soaked.unexpected,
        "isolation": soaked.isolation,
        "harms": harm,
    }
    if options.json:
        counts = {"before": soaked.before, "after": soaked.after, "closed": closed}
        told |= {name: count._asdict() for name, count in counts.items()}
        told["parts"] = [part._asdict() for part in soaked.parts]
        print(json.dumps(told))
    else:
        print(here)
        print_report(told, soaked, closed)


def print_report(told: dict[str, Any], soaked: Soaked, closed: Count) -> None:
    print(
        f"{told['num']} programs at {soaked.isolation}, {told['num_attacks']} of them attacks ({told['num_different_attacks']} "
        f"different); not as expected: {len(soaked.unexpected)}; harm: {told['harms'] or 'none'}"
    )
    print(f"{'':<18}{'before':>10}{'after':>10}{'closed':>10}")
    for name, before, after, end in zip(
        Count._fields, soaked.before, soaked.after, closed, strict=True
    ):
        print(f"{name:<18}{before:>10}{after:>10}{end:>10}")
    for name, part in (("first", soaked.parts[0]), ("last", soaked.parts[-1])):
        print(f"{name} {part.num}: {part.cpu_ms:.2f} ms CPU a program, {part.per_s:.0f} a second")
    for row in soaked.unexpected:
        print(
            f"    {row['number']} {row['task_id']}: {row['outcome']} {row['detail']} {row['message']}"
        )


if __name__ == "__main__":
    main()
