"""From completions to verdicts: cut each to its program, judge it, carry its columns along.

A completion of a problem nobody gave is a DataError, not a failed program. Verdicts come in the order
of the completions, or as they are ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

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
