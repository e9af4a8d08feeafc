"""`codealign run | sample | train`: the stages of a run file or a run directory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codealign.cli.options import Shared, print_json, shared_options, split_target
from codealign.config import RunConfig, load_run_config, parse_config
from codealign.errors import ConfigError
from codealign.processes import process_index, refuse_several
from codealign.rundir import read_json

if TYPE_CHECKING:
    from codealign.pipeline import Run

SECTIONS_HELP = """
\b
RUN is a run file (YAML) or a run directory; without it the embedded default, kata, is run.
key=value overrides a setting, e.g. train.learning_rate=1e-5 or, where the name is in one
section only, learning_rate=1e-5. Sections: model, problems, sample, judge, pairs, token_weights, train, eval.
"""


def resolve_run(words: tuple[str, ...]) -> tuple[RunConfig, Path]:
    """The configuration and the run directory that the words of a command line mean."""
    target, overrides = split_target(words)
    if target is not None and not target.exists():
        below = Path("runs") / target
        cure = f"did you mean {below}?" if below.is_dir() else "check the path"
        raise ConfigError("no such run file or run directory", where=str(target), cure=cure)
    if target is not None and target.is_dir():
        stored = stored_config(target)
        return parse_config(RunConfig, stored, overrides, where=str(target / "config.json")), target
    config = load_run_config(target, overrides)
    return config, Path(config.run_dir or f"runs/{config.name}")


def stored_config(directory: Path) -> dict[str, Any]:
    """What a run directory says it was asked.

    Raises:
        ConfigError: it is not a run directory.
    """
    try:
        stored = read_json(directory / "config.json")
    except OSError as error:
        raise ConfigError(
            f"can't be read: {error.strerror}", where=str(directory), cure="give one you may read"
        ) from None
    if stored is None:
        raise ConfigError(
            "not a run directory: it has no config.json",
            where=str(directory),
            cure="give a run file, or the directory an earlier run printed",
        )
    return stored


@contextmanager
def opened_run(
    words: tuple[str, ...],
    shared: Shared,
    *,
    in_several_processes: bool = False,
    reuse: Path | None = None,
) -> Iterator[Run]:
    """A locked run with its configuration written down and its log open.

    Args:
        reuse: a directory of other runs, as for `RunDir`.

    Raises:
        InputError: several processes were launched, and the verb is not one for several.
    """
    if not in_several_processes:
        refuse_several()
    from codealign.pipeline import Run
    from codealign.progress import Progress
    from codealign.rundir import RunDir, write_json

    config, path = resolve_run(words)
    with RunDir(path, reuse).locked() as rundir:
        write_json(path / "config.json", config.model_dump(mode="json"))
        progress = Progress(path / "run.log", quiet=shared.quiet)
        run = Run(config, rundir, progress)
        with progress.of_logging(), closing(run):
            yield run


def run_one_stage(name: str, words: tuple[str, ...], shared: Shared) -> dict[str, Any] | None:
    """Do one stage of a run and say what it left; None after a dry run."""
    from codealign.pipeline import STAGE_FUNCTIONS

    if shared.dry_run:
        show_plan(words, shared, only=name)
        return None
    with opened_run(words, shared, in_several_processes=name == "train") as run:
        run.check_leakage()
        STAGE_FUNCTIONS[name](run)
        record = run.stage(name).record
        return {"run_dir": str(run.path), "stage": name, **record}


def show_plan(words: tuple[str, ...], shared: Shared, only: str | None = None) -> None:
    """Say which stages are done and which would run, and touch nothing."""
    from codealign.pipeline import plan

    config, path = resolve_run(words)
    rows = plan(config, path, only)
    if shared.as_json:
        print_json({"run_dir": str(path), "stages": rows})
        return
    click.echo(f"run directory: {path}")
    for row in rows:
        click.echo(f"  {row['stage']:<14}{row['state']}")


def print_stage(result: dict[str, Any] | None, shared: Shared) -> None:
    if result is None:
        return
    if shared.as_json:
        print_json(result)
        return
    facts = ", ".join(
        f"{k} {v}" for k, v in result.items() if k not in ("run_dir", "stage", "key", "done")
    )
    click.echo(f"{result['stage']}: done ({facts}) in {result['run_dir']}")


@click.command("run", epilog=SECTIONS_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [KEY=VALUE]...")
@click.option(
    "--reuse",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Copy stages that a run somewhere below DIR has done with the same settings.",
)
@shared_options
def run_command(words: tuple[str, ...], reuse: Path | None, shared: Shared) -> None:
    """Every stage in order, skipping what is done.

    sample → judge → pairs → eval/base → train → eval/aligned → report. Killed at any moment, the same
    command continues.
    """
    if shared.dry_run:
        show_plan(words, shared)
        return
    from codealign.pipeline import run_all
    from codealign.report import render_table
    from codealign.results import conclude

    with opened_run(words, shared, reuse=reuse) as run:
        run_all(run)
        summary = conclude(run)
        report_path = run.path / "report.html"
    if shared.as_json:
        print_json(summary)
        return
    from rich.console import Console

    Console().print(render_table(summary))
    click.echo(f"report: {report_path}")


@click.command("sample", epilog=SECTIONS_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [KEY=VALUE]...")
@shared_options
def sample_command(words: tuple[str, ...], shared: Shared) -> None:
    """Draw completions of the training problems from the base policy."""
    print_stage(run_one_stage("sample", words, shared), shared)


@click.command("train", epilog=SECTIONS_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [KEY=VALUE]...")
@shared_options
def train_command(words: tuple[str, ...], shared: Shared) -> None:
    """Align the policy on the pairs of a run.

    Works in several processes: accelerate launch -m codealign train RUN.
    """
    if process_index() > 0:
        if not shared.dry_run:
            _join_training(words)
        return
    print_stage(run_one_stage("train", words, shared), shared)


def _join_training(words: tuple[str, ...]) -> None:
    """Train along, without a lock and without a word: the first process holds and says everything."""
    from codealign.pipeline import Run, join_training
    from codealign.progress import Progress
    from codealign.rundir import RunDir

    logging.getLogger("codealign").setLevel(logging.CRITICAL)
    config, path = resolve_run(words)
    with closing(Run(config, RunDir(path), Progress(quiet=True))) as run:
        join_training(run)
