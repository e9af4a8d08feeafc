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

NUM_PARTS = 10
NUM_WARM_UP = 200
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
    memory_mb: float
    """Of driver, judge processes and cells at its end."""


# --- counting ------------------------------------------------------------------------------------


def count_all() -> Count:
    places = [Path(f"/proc/{pid}") for pid in tree()]
    return Count(
        processes=len(places),
        descriptors=sum(len(os.listdir(place / "fd")) for place in places),
        memory_mb=tree_memory_mb(),
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


def tree_memory_mb() -> float:
    return round(sum(_private_kb(Path(f"/proc/{pid}")) for pid in tree()) / 1024, 1)


def _private_kb(place: Path) -> int:
    try:
        lines = (place / "smaps_rollup").read_text().splitlines()
    except (ProcessLookupError, FileNotFoundError):  # a zombie, or gone since it was listed
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Anonymous:")), 0)


# --- the programs --------------------------------------------------------------------------------


class Programs:
    """What is judged: solutions in turn, and every so-many-th program the next attack, with fresh bait.

    Args:
        directory: where the bait lies; writable by everybody.
    """

    def __init__(self, directory: Path, attack_every: int) -> None:
        self._directory, self._attack_every = directory, attack_every
        self._honest = [
            Candidate(problem, program)
            for problem, program in reference_programs("humaneval")
            if problem.task_id not in SLOW
        ]
        self.attacks = [specimen for specimen in load_corpus().wrong if not specimen.missing]
        random.Random(SEED).shuffle(self.attacks)
        self._laid_out: dict[int, Bait] = {}

    def first(self, num: int) -> Iterator[Candidate]:
        for number in range(num):
            if self.is_attack(number):
                specimen = self.attack(number)
                bait = self._laid_out[number] = Bait(specimen, self._directory)
                yield Candidate(TASKS[specimen.task].problem, bait.source)
            else:
                yield self._honest[number % len(self._honest)]

    def is_attack(self, number: int) -> bool:
        return number % self._attack_every == self._attack_every - 1

    def attack(self, number: int) -> Specimen:
        return self.attacks[number // self._attack_every % len(self.attacks)]

    def wrong_with(self, number: int, verdict: Verdict) -> str:
        """What is not as it should be; "" for a solution that passed or an attack that failed harmlessly."""
        if not self.is_attack(number):
            return "" if verdict.passed else "a solution did not pass"
        with self._laid_out.pop(number) as bait:
            harms = bait.harms()
        if harms:
            return f"{self.attack(number).name} did harm: {', '.join(sorted(harms))}"
        if verdict.outcome in ("passed", "not_judged"):
            return f"{self.attack(number).name} was {verdict.outcome}"
        return ""


# --- the soak ------------------------------------------------------------------------------------


class Soaked(NamedTuple):
    """What came of a soak."""

    before: Count
    after: Count
    parts: list[Part]
    unexpected: list[dict[str, Any]]
    """Solutions that did not pass; attacks that did, that did harm, or that could not be judged."""
    isolation: str


def soak(judge: Judge, programs: Programs, num: int) -> Soaked:
    for number, verdict in enumerate(judge.verdicts(programs.first(NUM_WARM_UP))):
        programs.wrong_with(number, verdict)  # every worker is up and warm; the bait goes
    before = count_all()
    parts: list[Part] = []
    unexpected: list[dict[str, Any]] = []
    started, cpu, done = time.monotonic(), tree_cpu_s(), 0
    for number, verdict in enumerate(judge.verdicts(programs.first(num))):
        if wrong := programs.wrong_with(number, verdict):
            told = verdict.model_dump(exclude={"tests", "program"})
            unexpected.append({"number": number, "wrong": wrong, **told})
            print(unexpected[-1], file=sys.stderr)
        if number + 1 == num * (len(parts) + 1) // NUM_PARTS:
            size, wall = number + 1 - done, time.monotonic() - started
            cpu_ms = 1000 * (tree_cpu_s() - cpu) / size
            parts.append(Part(size, round(cpu_ms, 3), round(size / wall, 1), tree_memory_mb()))
            print(f"{number + 1} of {num}: {parts[-1]}", file=sys.stderr)
            started, cpu, done = time.monotonic(), tree_cpu_s(), number + 1
    return Soaked(before, count_all(), parts, unexpected, judge.isolation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=100_000)
    parser.add_argument("--attack-every", type=int, default=100, help="every so-many-th program")
    parser.add_argument("--json", action="store_true")
    options, here = parser.parse_args(), machine()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # what a worker leaves behind stays below us
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        Path(place).chmod(0o777)
        programs = Programs(Path(place), options.attack_every)
        with Judge(JudgeConfig(limits=LIMITS, cache=False)) as judge:
            soaked = soak(judge, programs, options.num)
    closed = count_all()
    num_attacks = options.num // options.attack_every
    told = {
        "machine": here,
        "num": options.num,
        "num_attacks": num_attacks,
        "num_different_attacks": min(len(programs.attacks), num_attacks),
        "unexpected": soaked.unexpected,
        "isolation": soaked.isolation,
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
        f"different); not as expected: {len(soaked.unexpected)}"
    )
    print(f"{'':<18}{'before':>10}{'after':>10}{'closed':>10}")
    for name, before, after, end in zip(
        Count._fields, soaked.before, soaked.after, closed, strict=True
    ):
        print(f"{name:<18}{before:>10}{after:>10}{end:>10}")
    for name, part in (("first", soaked.parts[0]), ("last", soaked.parts[-1])):
        print(
            f"{name} {part.num}: {part.cpu_ms:.2f} ms CPU a program, {part.per_s:.0f} a second, {part.memory_mb:.0f} MB"
        )
    for row in soaked.unexpected:
        print(
            f"    {row['number']} {row['wrong']}: {row['outcome']} {row['detail']} {row['message']}"
        )


if __name__ == "__main__":
    main()
