"""`codealign show | report`: look at what a run holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codealign.cli.options import (
    Shared,
    print_json,
    print_plan,
    refuse_ignored,
    shared_options,
    split_target,
)
from codealign.cli.stages import opened_run, resolve_run, show_plan, stored_config
from codealign.errors import InputError
from codealign.records import OUTCOMES, Completion, Pair, Record, Verdict
from codealign.rundir import Shards, read_json

KINDS: dict[str, tuple[str, type[Record]]] = {
    "completions": ("completions", Completion),
    "verdicts": ("verdicts", Verdict),
    "pairs": ("pairs", Pair),
    "base": ("eval/base/greedy", Verdict),
    "aligned": ("eval/aligned/greedy", Verdict),
}


@click.command("show")
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="RUN_DIR")
@click.argument("kind", type=click.Choice(["summary", *KINDS]), default="summary")
@click.option("--task", "task_id", help="Only this problem.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only verdicts with this outcome.")
@click.option(
    "-n", "--num", type=click.IntRange(min=1), default=3, show_default=True, help="How many."
)
@shared_options
def show_command(
    run_dir: Path, kind: str, task_id: str | None, outcome: str | None, num: int, shared: Shared
) -> None:
    """Look at a run, finished or at work: its summary, or some of its rows.

    \b
    completions, verdicts, pairs   of the training problems
    base, aligned                  greedy verdicts on the held-out problems, before and after
    """
    path = resolve_run((str(run_dir),))[1]
    if kind == "summary":
        _show_summary(path, shared)
        return
    directory, record_kind = KINDS[kind]
    if outcome is not None and record_kind is not Verdict:
        raise InputError(
            f"{kind} have no outcome", where="command line", cure="--outcome goes with verdicts"
        )
    rows = [
        row
        for row in Shards(path / directory).read(record_kind)
        if task_id in (None, getattr(row, "task_id", None))
        and outcome in (None, getattr(row, "outcome", None))
    ]
    if not rows:
        raise InputError(
            f"no {kind} there" + (" that fit" if task_id or outcome else ""),
            where=str(path),
            cure=f"`codealign run {path} --dry-run` says which stages are done",
        )
    if shared.as_json:
        print_json({"total": len(rows), kind: [row.to_row() for row in rows[:num]]})
        return
    for row in rows[:num]:
        click.echo(_as_text(row))
    if len(rows) > num:
        click.echo(f"({len(rows) - num} more; -n {len(rows)} shows all)", err=True)


def _show_summary(run_dir: Path, shared: Shared) -> None:
    summary = read_json(run_dir / "summary.json")
    if summary is None:
        show_plan((str(run_dir),), shared)
        return
    summary["run_dir"] = str(run_dir)  # it may have been moved since
    if shared.as_json:
        print_json(summary)
        return
    from rich.console import Console

    from codealign.report import render_table

    Console().print(render_table(summary))


def _as_text(row: Record) -> str:
    if isinstance(row, Pair):
        text = (
            f"── {row.task_id or 'prompt'}\n{row.prompt.rstrip()}\n"
            f"── chosen\n{row.chosen.rstrip()}\n── rejected\n{row.rejected.rstrip()}\n"
        )
        why = getattr(row, "rejected_message", "")
        return text + (f"── the test that rejected fails\n{why}\n" if why else "")
    if isinstance(row, Verdict):
        return _verdict_text(row)
    values: dict[str, Any] = row.to_row()
    return f"── {values['task_id']} #{values['sample_index']} {values['finish_reason']}\n{values['completion']}"


def _verdict_text(verdict: Verdict) -> str:
    head = (
        f"── {verdict.task_id} #{verdict.sample_index}: {verdict.outcome} {verdict.detail}".rstrip()
    )
    lines = [f"{head} ({verdict.tests_passed}/{verdict.tests_total})", verdict.program.rstrip()]
    failure = verdict.first_failure
    if failure is not None:
        for name in ("inputs", "expected", "actual", "message"):
            value = getattr(failure, name)
            lines += [f"── {name}: {value}"] if value else []
    elif verdict.message:
        lines.append(f"── {verdict.message}")
    return "\n".join(lines) + "\n"


@click.command("report")
@click.argument("words", nargs=-1, metavar="[RUN|COMPARISON]")
@click.option(
    "--svg",
    "svg_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.svg",
    help="Of a comparison: write its log-ratio curves as a picture, and no page.",
)
@shared_options
def report_command(words: tuple[str, ...], svg_path: Path | None, shared: Shared) -> None:
    """Write report.html of a run again, from what its directory holds.

    RUN is a run directory, or the run file that led to it; without it runs/kata. Of a comparison's directory
    it is comparison.html.
    """
    target, overrides = split_target(words)
    if overrides:
        raise InputError(
            "a report shows a run as it was made, settings would be ignored",
            where="command line",
            cure="leave out key=value, or use `codealign run`",
        )
    if target is not None and (target / "comparison.json").exists():
        _report_comparison(target, svg_path, shared)
        return
    refuse_ignored("give the directory of a comparison, or leave it out", svg=svg_path)
    directory = resolve_run(words)[1]
    if not directory.exists():
        raise InputError("no such directory", where=str(directory), cure="run it first")
    stored_config(directory)
    if shared.dry_run:
        path = directory / "report.html"
        print_plan(f"write {path}", shared, report=str(path))
        return
    from codealign.results import summarise_run, write_run_report

    with opened_run((str(directory),), shared) as run:
        path = write_run_report(run, summarise_run(run))
    _print_report(path, shared)


def _report_comparison(directory: Path, svg_path: Path | None, shared: Shared) -> None:
    path = svg_path or directory / "comparison.html"
    if shared.dry_run:
        print_plan(f"write {path}", shared, report=str(path))
        return
    from codealign.comparison import shown_comparison
    from codealign.report.comparing import write_comparison_page, write_curves_svg

    data = shown_comparison(directory)
    if svg_path:
        write_curves_svg(data, path)
    else:
        write_comparison_page(data, path)
    _print_report(path, shared)


def _print_report(path: Path, shared: Shared) -> None:
    if shared.as_json:
        print_json({"report": str(path)})
    else:
        click.echo(f"report: {path}")
