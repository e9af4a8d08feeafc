"""Where our verdict on a program and somebody else's differ, and why as far as both say it themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from codealign.records import Verdict

RULES: dict[str, str] = {
    "their clock": "their limit is wall time, and the program was not done in it",
    "their guard": "their guard took a function away that the program uses",
    "our cpu limit": "our limit is CPU time: ten times the reference solution's, one second at least",
    "our wall limit": "the program waits, and our limit of wall time is another than theirs",
    "our helpers": "only a helper that the test uses is changed; here the test has the problem's own",
    "our memory limit": "our limit on memory, answers or output; theirs is larger, or none",
}


class Compared(NamedTuple):
    """A program's verdict here and its result there ("passed", "timed out", "failed: …")."""

    task_id: str
    key: str
    verdict: Verdict
    theirs: str


class Difference(NamedTuple):
    """Passed on one side only."""

    task_id: str
    key: str
    passed_here: bool
    ours: str
    theirs: str
    why: str
    """A name of RULES; "" when none applies."""


def differences(compared: Iterable[Compared]) -> list[Difference]:
    return [
        Difference(
            task_id,
            key,
            verdict.passed,
            f"{verdict.outcome} {verdict.detail} {verdict.message}".strip(),
            theirs,
            explain(verdict, theirs),
        )
        for task_id, key, verdict, theirs in compared
        if verdict.passed != (theirs == "passed")
    ]


def explain(verdict: Verdict, theirs: str) -> str:
    """The rule of RULES that tells why the two differ; "" when none does."""
    if verdict.passed:
        if theirs == "timed out":
            return "their clock"
        return "their guard" if "NoneType' object is not callable" in theirs else ""
    match verdict.outcome, verdict.detail:
        case "timeout", "wall":
            return "our wall limit"
        case "timeout", _:
            return "our cpu limit"
        case (("memory" | "output_limit"), _):
            return "our memory limit"
    return ""


def print_differences(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        print(f"{row['task_id']} {row['key']}: {RULES.get(row['why'], 'UNEXPLAINED')}")
        print(f"    here: {row['ours'][:110]}\n    there: {row['theirs'][:110]}")
