"""`codealign judge`: the judge stage of a run, or any completions of any problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from codealign.cli.options import (
    Shared,
    check_output,
    print_json,
    print_plan,
    refuse_ignored,
    section_overrides,
    shared_options,
)
from codealign.cli.stages import SECTIONS_HELP, print_stage, run_one_stage
from codealign.config import JudgeConfig, parse_config
from codealign.errors import InputError
from codealign.records import BadRow, Completion, Problem, Verdict

if TYPE_CHECKING:
    from codealign.judging import Judge
    from codealign.judging.verdicts import Tally
    from codealign.progress import Progress
    from codealign.verdicts import Repeats

CANONICAL = "canonical"
"""In place of a completions file: the problems' own reference solutions."""


@click.command("judge", epilog=SECTIONS_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [KEY=VALUE]...")
@click.option(
    "--problems", "source", metavar="SRC", help="humaneval, mbpp, kata, a path, hub:owner/name …"
)
@click.option(
    "--completions",
    "completions_path",
    type=click.Path(path_type=Path),
    help="JSON lines with task_id and completion (or solution); .gz too. `canonical` judges the references.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Verdicts; default verdicts.jsonl."
)
@click.option(
    "--evalplus", type=click.Path(path_type=Path), help="Write the results in EvalPlus's form too."
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many problems.")
@click.option(
    "--no-cache", is_flag=True, help="Run every program, identical ones too: judge.cache=false."
)
@click.option(
    "--repeat",
    type=click.IntRange(min=2),
    metavar="N",
    help="Judge each program N times without the cache, and list those whose verdict changed.",
)
@shared_options
def judge_command(
    words: tuple[str, ...],
    source: str | None,
    completions_path: Path | None,
    output: Path | None,
    evalplus: Path | None,
    limit: int | None,
    no_cache: bool,
    repeat: int | None,
    shared: Shared,
) -> None:
    """Run programs against their tests, each in a sandbox, and say what happened.

    With --problems and --completions it stands alone, and key=value sets the judge section
    (limits.cpu_s=10, isolation=S3, extract=chat …).
    """
    words = (*words, "judge.cache=false") if no_cache or repeat else words
    if source is None and completions_path is None:
        given = {"output": output, "evalplus": evalplus, "limit": limit, "repeat": repeat}
        refuse_ignored("give --problems and --completions too", **given)
        print_stage(run_one_stage("judge", words, shared), shared)
        return
    if source is None or completions_path is None:
        raise InputError(
            "--problems and --completions go together", where="command line", cure="give both"
        )
    overrides = section_overrides(words, "judge")
    config = parse_config(JudgeConfig, {}, overrides, where="command line")
    if repeat is not None:
        refuse_ignored(
            "--repeat writes no verdicts: it counts them", output=output, evalplus=evalplus
        )
        _judge_repeatedly(source, completions_path, limit, repeat, config, shared)
        return
    wanted = Wanted(completions_path, output or Path("verdicts.jsonl"), evalplus, limit)
    _judge_file(source, wanted, config, shared)


class Wanted(NamedTuple):
    """Which completions, and where the verdicts go."""

    completions: Path
    output: Path
    evalplus: Path | None
    limit: int | None


class Given(NamedTuple):
    """What there is to judge."""

    problems: dict[str, Problem]
    completions: list[Completion]
    bad: list[BadRow]


def _judge_file(source: str, wanted: Wanted, config: JudgeConfig, shared: Shared) -> None:
    from codealign.judging import Judge
    from codealign.judging.cache import user_cache_dir
    from codealign.progress import Progress
    from codealign.verdicts import refuse_too_many_unjudged

    path, output = wanted.completions, wanted.output
    for written in filter(None, (output, wanted.evalplus)):
        check_output(written, path, Path(source))
    progress = Progress(quiet=shared.quiet)
    given = _given(source, path, wanted.limit, progress)
    if shared.dry_run:
        count = len(given.completions)
        text = f"judge {count} completions into {output}"
        print_plan(text, shared, verdicts=str(output), num_programs=count)
        return
    with progress.of_logging(), Judge(config, cache_dir=user_cache_dir()) as judge:
        verdicts = _verdicts(given, judge, config, output, progress)
        tally = replace(judge.tally)
        weak = _weak_problems(given, judge) if str(path) == CANONICAL else {}
    if wanted.evalplus is not None:
        from codealign.passk import write_evalplus_results

        write_evalplus_results(verdicts, wanted.evalplus, list(given.problems.values()))
    _print_outcomes(verdicts, given.bad, tally, output, weak, shared)
    refuse_too_many_unjudged(verdicts, config.max_not_judged)


def _weak_problems(given: Given, judge: Judge) -> dict[str, list[str]]:
    """What is wrong with the problems themselves, by task; see `judging.calibration`."""
    from codealign.judging import calibrate

    calibrations = calibrate(given.problems.values(), judge)
    return {item.task_id: item.findings for item in calibrations if item.findings}


def _given(source: str, path: Path, limit: int | None, progress: Progress) -> Given:
    """Problems and completions; what can't be used is reported."""
    from codealign.problems import load_problems

    loaded = load_problems(source, limit=limit)
    bad = list(loaded.bad)
    completions = _completions(path, loaded.problems, bad, limited=limit is not None)
    progress.bad_rows(bad)
    return Given({problem.task_id: problem for problem in loaded.problems}, completions, bad)


def _completions(
    path: Path, problems: list[Problem], bad: list[BadRow], limited: bool
) -> list[Completion]:
    """What to judge, under the problems' own task ids; rows of tasks that are not there are bad rows."""
    from codealign.problems import join_completions
    from codealign.programs import read_completions, reference_program

    if str(path) == CANONICAL:
        programs = ((problem.task_id, reference_program(problem)) for problem in problems)
        return [
            Completion.model_validate(
                {"task_id": task_id, "completion": program, "is_program": True}
            )
            for task_id, program in programs
            if program is not None
        ]
    joined = join_completions(problems, read_completions(path, bad))
    if not limited:
        counts = Counter(completion.task_id for completion in joined.unknown)
        bad += [
            BadRow(
                str(path),
                0,
                f"{count} of the task {task_id!r}, which is not among the problems",
            )
            for task_id, count in counts.items()
        ]
    if not joined.pairs:
        raise InputError(
            f"no completion belongs to any of the {len(problems)} problems",
            where=str(path),
            cure="give the problem set these completions were made for",
        )
    return [completion for _, completion in joined.pairs]


def _verdicts(
    given: Given, judge: Judge, config: JudgeConfig, output: Path, progress: Progress
) -> list[Verdict]:
    """Judge into a partial file beside `output`, which takes its name when all is there."""
    from codealign.records import write_records
    from codealign.verdicts import judge_completions

    verdicts: list[Verdict] = []

    def judged() -> Iterator[Verdict]:
        with progress.stage("judge", len(given.completions), "programs") as advance:
            for verdict in judge_completions(
                given.problems, given.completions, judge, config.extract
            ):
                verdicts.append(verdict)
                advance()
                yield verdict

    write_records(output, judged())
    return verdicts


def _print_outcomes(
    verdicts: list[Verdict],
    bad: list[BadRow],
    tally: Tally,
    output: Path,
    weak: dict[str, list[str]],
    shared: Shared,
) -> None:
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    isolation = verdicts[0].isolation if verdicts else ""
    if shared.as_json:
        print_json(
            {
                "verdicts": str(output),
                "num_programs": len(verdicts),
                "outcomes": dict(outcomes),
                **asdict(tally),
                "bad_rows": [str(row) for row in bad],
                "isolation": isolation,
                "findings": weak,
            }
        )
        return
    for task_id, findings in weak.items():
        click.echo(f"{task_id}: {'; '.join(findings)}")
    for outcome, count in outcomes.most_common():
        click.echo(f"{outcome:<14}{count:>8}  {count / len(verdicts):6.1%}")
    click.echo(
        f"{tally.num_judged} programs ran; {tally.num_identical} were identical to one of these, "
        f"{tally.num_cached} known from before (--no-cache runs them all)"
    )
    click.echo(f"isolation {isolation}; verdicts: {output}")


def _judge_repeatedly(
    source: str,
    path: Path,
    limit: int | None,
    num_repeats: int,
    config: JudgeConfig,
    shared: Shared,
) -> None:
    from codealign.judging import Judge
    from codealign.progress import Progress
    from codealign.verdicts import judge_repeatedly, refuse_too_many_unjudged

    progress = Progress(quiet=shared.quiet)
    given = _given(source, path, limit, progress)
    total = num_repeats * len(given.completions)
    if shared.dry_run:
        text = f"judge {len(given.completions)} completions {num_repeats} times"
        print_plan(text, shared, num_programs=len(given.completions), num_repeats=num_repeats)
        return
    with (
        progress.of_logging(),
        progress.stage("repeat", total, "verdicts") as advance,
        Judge(config) as judge,
    ):
        repeats = judge_repeatedly(
            given.problems,
            given.completions,
            judge,
            num_repeats,
            config.extract,
            on_verdict=lambda _: advance(),
        )
    _print_repeats(repeats, given.bad, shared)
    refuse_too_many_unjudged(repeats.verdicts, config.max_not_judged)


def _print_repeats(repeats: Repeats, bad: list[BadRow], shared: Shared) -> None:
    if shared.as_json:
        print_json(repeats.summary() | {"bad_rows": [str(row) for row in bad]})
        return
    for program in repeats.changed:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in program.outcomes.items())
        mark = "  PASSED AND DID NOT" if program.flipped else ""
        click.echo(f"{program.task_id:<20}{program.sample_index:>6}  {counts}{mark}")
    click.echo(
        f"{len(repeats.changed)} of {repeats.num_programs} programs changed their verdict "
        f"({repeats.flake_rate:.2%}) in {repeats.num_repeats} repeats; "
        f"{repeats.num_unjudged} of {len(repeats.verdicts)} verdicts were not judged"
    )
