"""From completions to verdicts: cut each to its program, judge it, carry its columns along.

A completion of a problem nobody gave is a DataError, not a failed program. Verdicts come in the order
of the completions, or as they are ready.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from codealign.errors import DataError, SandboxError
from codealign.judging import Candidate, Judge
from codealign.programs import Rule, extract_program
from codealign.records import BadRow, Completion, Problem, Verdict, read_records


def judge_completions(
    problems: Mapping[str, Problem],
    completions: Iterable[Completion],
    judge: Judge,
    extract: Rule = "auto",
    *,
    ordered: bool = True,
) -> Iterator[Verdict]:
    """Yield one verdict a completion, with the completion's own columns kept.

    Args:
        problems: by task id.
        completions: may be a stream; at most the judge's own window of them is held.
        extract: rule of `codealign.programs.extract_program`.
        ordered: in the order of the completions; else as they are ready.

    Raises:
        DataError: a completion names a task that `problems` lacks; after the verdicts on those before it.
    """
    in_flight: dict[int, Completion] = {}

    def candidates() -> Iterator[Candidate]:
        for completion in completions:
            problem = _problem_of(problems, completion)
            program = extract_program(problem, completion, extract)
            candidate = Candidate(problem, program, completion.sample_index)
            in_flight[id(candidate)] = completion
            yield candidate

    for candidate, row in judge.judged(candidates(), ordered=ordered):
        columns = in_flight.pop(id(candidate)).to_row()
        yield Verdict.model_validate(columns | row)


class Changed(NamedTuple):
    """A program whose verdict was not the same each time."""

    task_id: str
    sample_index: int
    outcomes: dict[str, int]
    """How often each outcome came, most frequent first; `not_judged` is left out."""

    @property
    def flipped(self) -> bool:
        """Whether it passed sometimes and sometimes not: a score depends on the day."""
        return "passed" in self.outcomes


class Repeats(NamedTuple):
    """What judging the same programs several times came to."""

    num_repeats: int
    verdicts: list[Verdict]
    changed: list[Changed]
    """In the order of the completions."""

    @property
    def num_programs(self) -> int:
        return len(self.verdicts) // self.num_repeats

    @property
    def num_unjudged(self) -> int:
        return sum(verdict.outcome == "not_judged" for verdict in self.verdicts)

    @property
    def flake_rate(self) -> float:
        """Share of the programs whose verdict changed."""
        return len(self.changed) / max(1, self.num_programs)

    def summary(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "num_programs": self.num_programs,
            "num_repeats": self.num_repeats,
            "flake_rate": self.flake_rate,
            "num_flipped": sum(program.flipped for program in self.changed),
            "num_not_judged": self.num_unjudged,
            "changed": [
                {**program._asdict(), "flipped": program.flipped} for program in self.changed
            ],
            "isolation": self.verdicts[0].isolation if self.verdicts else "",
        }


def judge_repeatedly(
    problems: Mapping[str, Problem],
    completions: Sequence[Completion],
    judge: Judge,
    num_repeats: int,
    extract: Rule = "auto",
    *,
    on_verdict: Callable[[Verdict], None] = lambda verdict: None,
) -> Repeats:
    """Judge every completion `num_repeats` times, each time in another order, and see which verdicts change.

    Args:
        judge: one with `cache` false in its configuration, or nothing would be judged twice.

    Raises:
        DataError: a completion names a task that `problems` lacks.
    """
    outcomes: dict[tuple[str, int], Counter[str]] = {
        (completion.task_id, completion.sample_index): Counter() for completion in completions
    }
    verdicts: list[Verdict] = []
    for number in range(num_repeats):
        order = Random(number).sample(completions, len(completions))
        for verdict in judge_completions(problems, order, judge, extract, ordered=False):
            verdicts.append(verdict)
            if verdict.outcome != "not_judged":
                outcomes[verdict.task_id, verdict.sample_index][verdict.outcome] += 1
            on_verdict(verdict)
    changed = [
        Changed(task_id, sample_index, dict(counts.most_common()))
        for (task_id, sample_index), counts in outcomes.items()
        if len(counts) > 1
    ]
    return Repeats(num_repeats, verdicts, changed)


def read_verdicts(path: Path | str, bad: list[BadRow] | None = None) -> list[Verdict]:
    """Verdicts as `codealign judge` wrote them; bad rows are appended to `bad` and left out.

    Raises:
        DataError: no such file, a bad row when `bad` is None, or no good row at all.
    """
    found: list[BadRow] = []
    verdicts = list(read_records(Verdict, path, None if bad is None else found))
    if not verdicts:
        raise DataError(
            "no verdicts in here: " + ("; ".join(map(str, found[:3])) or "it is empty"),
            where=str(path),
            cure="give what `codealign judge` wrote",
        )
    if bad is not None:
        bad += found
    return verdicts


def _problem_of(problems: Mapping[str, Problem], completion: Completion) -> Problem:
    try:
        return problems[completion.task_id]
    except KeyError:
        raise DataError(
            f"a completion names the task {completion.task_id!r}, which is not among the {len(problems)} problems",
            cure="give the problem set these completions were made for",
        ) from None


def refuse_too_many_unjudged(verdicts: Sequence[Verdict], max_share: float) -> None:
    """Stop when the sandbox failed too often for the rest to be trusted.

    Raises:
        SandboxError: the share of `not_judged` is above `max_share`.
    """
    unjudged = [verdict for verdict in verdicts if verdict.outcome == "not_judged"]
    if len(unjudged) > max_share * len(verdicts):
        raise SandboxError(
            f"{len(unjudged)} of {len(verdicts)} programs could not be judged, e.g. {unjudged[0].task_id}: "
            f"{unjudged[0].message}",
            cure="run again (they are retried), see `codealign env`, or raise judge.max_not_judged",
        )
