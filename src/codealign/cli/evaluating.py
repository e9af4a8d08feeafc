"""`codealign eval`: the eval stages of a run, a model on any problems, or a file of verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from codealign.cli.stages import SECTIONS_HELP, opened_run, show_plan
from codealign.config import RunConfig, parse_config
from codealign.errors import InputError


@click.command("eval", epilog=SECTIONS_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [KEY=VALUE]...")
@click.option("--problems", "source", metavar="SRC", help="Problems to evaluate a model on.")
@click.option("--model", metavar="DIR|ID", help="A model directory or Hub id, or kata.")
@click.option(
    "--verdicts", "verdicts_path", type=click.Path(path_type=Path), help="From `codealign judge`."
)
@click.option("-k", "ks", default=None, metavar="1,10,100", help="Which pass@k.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many problems.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Keep the model's verdicts there."
)
@shared_options
def eval_command(
    words: tuple[str, ...],
    source: str | None,
    model: str | None,
    verdicts_path: Path | None,
    ks: str | None,
    limit: int | None,
    output: Path | None,
    shared: Shared,
) -> None:
    """pass@k with confidence intervals.

    \b
    codealign eval RUN                                the run's held-out problems, before and after
    codealign eval --problems humaneval --model DIR   greedy and sampled pass@k of a model
    codealign eval --verdicts FILE -k 1,10,100        of verdicts that are there already
    """
    wanted = _parse_ks(ks)
    if verdicts_path is not None:
        given = {"problems": source, "model": model, "limit": limit, "output": output}
        refuse_ignored("the verdicts are judged already: leave it out", **given)
        if words:
            raise InputError(
                f"{' '.join(words)} would be ignored: --verdicts is scored as it is",
                where="command line",
                cure="leave it out",
            )
        _print_summary(_of_verdicts(verdicts_path, wanted), shared)
    elif model is not None or source is not None:
        if model is None or source is None:
            raise InputError(
                "--problems and --model go together", where="command line", cure="give both"
            )
        overrides = section_overrides(words)
        config = parse_config(RunConfig, _model_run(model, wanted), overrides, where="command line")
        _of_model(config, source, limit, output, shared)
    else:
        cure = "a run has eval.k=[1,8], problems.num_heldout=… and its own directory"
        refuse_ignored(cure, k=ks, limit=limit, output=output)
        _of_run(words, shared)


def _parse_ks(text: str | None) -> list[int]:
    if text is None:
        return []
    try:
        ks = [int(part) for part in text.split(",")]
    except ValueError:
        ks = [0]
    if min(ks) < 1:
        raise InputError(
            f"-k {text!r} is not a list of positive integers",
            where="command line",
            cure="write -k 1,10,100",
        )
    return ks


def _model_run(model: str, ks: list[int]) -> dict[str, Any]:
    eval_section = {"k": ks, "num_samples": max(8, *ks)} if ks else {}
    return {"model": {"model_name_or_path": model}, "eval": eval_section}


def _of_verdicts(path: Path, ks: list[int]) -> dict[str, Any]:
    from codealign.passk import summarise
    from codealign.progress import Progress
    from codealign.records import BadRow
    from codealign.verdicts import read_verdicts

    bad: list[BadRow] = []
    verdicts = read_verdicts(path, bad)
    Progress().bad_rows(bad)
    return summarise(verdicts, ks or [1])


def _of_model(
    config: RunConfig, source: str, limit: int | None, output: Path | None, shared: Shared
) -> None:
    from codealign.problems import load_problems
    from codealign.progress import Progress

    if output is not None:
        check_output(output, Path(source))
    problems, bad, _ = load_problems(source, limit=limit)
    progress = Progress(quiet=shared.quiet)
    progress.bad_rows(bad)
    total = len(problems) * (config.eval.num_samples + 1)
    if shared.dry_run:
        text = f"draw and judge {total} completions: of each of {len(problems)} problems "
        text += f"1 greedy and {config.eval.num_samples} sampled"
        print_plan(text, shared, num_problems=len(problems), num_programs=total)
        return
    from codealign.evaluation import evaluate
    from codealign.judging import Judge
    from codealign.judging.cache import user_cache_dir
    from codealign.policy import load_policy
    from codealign.records import write_records

    policy = load_policy(config.model)
    judging = Judge(config.judge, cache_dir=user_cache_dir())
    with judging as judge, progress.stage("eval", total, "programs") as advance:
        evaluation = evaluate(
            policy, problems, config.eval, judge, seed=config.seed, on_verdict=lambda _: advance()
        )
    if output is not None:
        write_records(output, [*evaluation.greedy, *evaluation.sampled])
    _print_summary(evaluation.summary, shared, config.eval.confidence)


def _of_run(words: tuple[str, ...], shared: Shared) -> None:
    if shared.dry_run:
        show_plan(words, shared)
        return
    from codealign.pipeline import eval_stages
    from codealign.results import scores

    with opened_run(words, shared) as run:
        run.check_leakage()
        eval_stages(run)
        result, config = scores(run), run.config.eval
    if shared.as_json:
        print_json(result)
        return
    for name, values in result.items():
        for metric, value in values.items():
            click.echo(_line(f"{name:<9}{metric.replace('_', ' ')}", value, config.confidence))


def _print_summary(summary: dict[str, Any], shared: Shared, confidence: float = 0.95) -> None:
    if shared.as_json:
        print_json(summary)
        return
    if "greedy_pass@1" in summary:
        click.echo(_line("greedy pass@1", summary["greedy_pass@1"], confidence))
    for k, value in summary["pass@k"].items():
        click.echo(_line(f"pass@{k}", value, confidence))
    outcomes = ", ".join(f"{name} {count}" for name, count in summary["outcomes"].items())
    click.echo(f"{summary['num_problems']} problems, {summary['num_samples']} samples: {outcomes}")


def _line(name: str, value: dict[str, float], confidence: float) -> str:
    interval = f"{confidence:.0%} interval {value['low']:.1%} to {value['high']:.1%}"
    return f"{name:<24}{value['value']:7.1%}   {interval}"
