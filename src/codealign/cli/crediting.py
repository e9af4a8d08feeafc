"""`codealign credit`: how well PPO's critic, VinePPO's rollouts and the group's mean know what states are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codealign.cli.options import Shared, check_output, print_json, print_plan, shared_options
from codealign.cli.stages import opened_run, resolve_run, stored_config
from codealign.errors import InputError


def _whole(minimum: int) -> click.IntRange:
    return click.IntRange(min=minimum)


@click.command("credit")
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--split", type=click.Choice(["heldout", "train"]), default="heldout", show_default=True
)
@click.option("--problems", "num_problems", type=_whole(1), default=64, show_default=True)
@click.option(
    "--samples", "num_samples", type=_whole(1), default=8, show_default=True, help="A problem."
)
@click.option(
    "--states",
    "num_states",
    type=_whole(1),
    default=512,
    show_default=True,
    help="About so many in all, of whole completions.",
)
@click.option(
    "--truth",
    "num_truth",
    type=_whole(2),
    default=64,
    show_default=True,
    help="Continuations of a state that are its truth; 256 in the paper.",
)
@click.option("-k", "ks", default="1,3,9", show_default=True, help="VinePPO's, each an estimate.")
@click.option(
    "--ranked",
    "num_ranked",
    type=_whole(0),
    default=128,
    show_default=True,
    help="States whose next steps are ranked.",
)
@click.option(
    "--actions",
    "num_actions",
    type=_whole(3),
    default=5,
    show_default=True,
    help="Next steps drawn from each of those.",
)
@click.option(
    "--segments",
    type=click.Choice(["lines", "statements"]),
    help="What a step is; without, as the run's objective says, else lines.",
)
@click.option(
    "--checkpoint", type=_whole(1), metavar="STEP", help="Weights of this step, not the last ones."
)
@click.option("--batches", "num_batches", type=_whole(2), default=256, show_default=True)
@click.option("--batch-size", type=_whole(1), default=32, show_default=True, help="Episodes.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The summary there too.")
@shared_options
def credit_command(
    run_dir: Path, ks: str, output: Path | None, shared: Shared, **options: Any
) -> None:
    """What PPO's critic, VinePPO's K rollouts and the group's mean say of states, against what states are worth.

    RUN is a run directory that was trained, or the run file that led to it. The truth of a state is the mean reward of fresh continuations which no
    estimate has seen. RUN/credit/ has the numbers, report.html the plots. Killed at any moment, the same command
    continues.
    """
    from codealign.credit import CreditSettings

    settings = CreditSettings(ks=_parse_ks(ks), **options)
    run_dir = resolve_run((str(run_dir),))[1]
    if not run_dir.is_dir():
        raise InputError("no such directory", where=str(run_dir), cure="run it first")
    stored_config(run_dir)
    if output is not None:
        check_output(output)
    if shared.dry_run:
        num = settings.num_states * (settings.num_truth + settings.num_fresh)
        print_plan(
            f"value about {settings.num_states} states by {num} continuations",
            shared,
            num_states=settings.num_states,
            num_continuations=num,
        )
        return
    from codealign.pipeline import credit_stage
    from codealign.results import summarise_run, write_run_report
    from codealign.rundir import write_json

    with opened_run((str(run_dir),), shared) as run:
        summary = credit_stage(run, settings)
        report = write_run_report(run, summarise_run(run))
    if output is not None:
        write_json(output, summary)
    if shared.as_json:
        print_json(summary)
        return
    from rich.console import Console

    from codealign.report.credit import render_credit

    Console().print(render_credit(summary))
    click.echo(f"report: {report}")


def _parse_ks(text: str) -> tuple[int, ...]:
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ks = [0]
    if ks[0] < 1:
        raise InputError(
            f"-k {text!r} is not a list of positive integers",
            where="command line",
            cure="write -k 1,3,9",
        )
    return tuple(ks)
