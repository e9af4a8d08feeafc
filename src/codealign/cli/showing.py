"""`codealign show | report`: look at what a run holds."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from codealign.config import KATA_POLICY, RunConfig
from codealign.errors import InputError
from codealign.records import OUTCOMES, Completion, Labelled, Pair, Record, Verdict, read_records
from codealign.rundir import ARTEFACTS, Shards, read_json, rollout_paths

if TYPE_CHECKING:
    from rich.text import Text

    from codealign.token_weights.spans import Decode

KINDS: dict[str, tuple[str, type[Record]]] = {
    "completions": ("completions", Completion),
    "verdicts": ("verdicts", Verdict),
    "pairs": ("pairs", Pair),
    "labelled": ("pairs/labelled", Labelled),
    "base": ("eval/base/greedy", Verdict),
    "aligned": ("eval/aligned/greedy", Verdict),
    "rollouts": ("rollouts", Verdict),
}


@click.command("show")
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="RUN_DIR")
@click.argument("kind", type=click.Choice(["summary", *KINDS]), default="summary")
@click.option("--task", "task_id", help="Only this problem.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only verdicts with this outcome.")
@click.option(
    "--iteration",
    type=click.IntRange(min=0),
    metavar="N",
    help="Rollouts of this iteration, from 0; without it the latest come first.",
)
@click.option(
    "-n", "--num", type=click.IntRange(min=1), default=3, show_default=True, help="How many."
)
@shared_options
def show_command(
    run_dir: Path,
    kind: str,
    task_id: str | None,
    outcome: str | None,
    iteration: int | None,
    num: int,
    shared: Shared,
) -> None:
    """Look at a run, finished or at work: its summary, or some of its rows.

    \b
    completions, verdicts, pairs   of the training problems
    labelled                       in the place of pairs, where a run has labelled completions
    base, aligned                  greedy verdicts on the held-out problems, before and after
    rollouts                       what the policy drew while it learnt, with rewards, where it did
    """
    config, path = resolve_run((str(run_dir),))
    if kind == "summary":
        refuse_ignored(
            "say what to show", task=task_id, outcome=outcome, iteration=iteration is not None
        )
        _show_summary(path, shared)
        return
    _refuse_other_filters(kind, outcome, iteration)
    found = _rollouts(path, iteration) if kind == "rollouts" else _rows_of_stage(path, kind, config)
    rows = [
        row
        for row in found
        if task_id in (None, getattr(row, "task_id", None))
        and outcome in (None, getattr(row, "outcome", None))
    ]
    if not rows:
        raise InputError(
            f"no {kind} there"
            + (" that fit" if (task_id, outcome, iteration) != (None, None, None) else ""),
            where=str(path),
            cure=f"`codealign run {path} --dry-run` says which stages are done",
        )
    if shared.as_json:
        print_json({"total": len(rows), kind: [row.to_row() for row in rows[:num]]})
        return
    _show_rows(rows[:num], path, config)
    if len(rows) > num:
        click.echo(f"({len(rows) - num} more; -n {len(rows)} shows all)", err=True)


def _refuse_other_filters(kind: str, outcome: str | None, iteration: int | None) -> None:
    if outcome is not None and KINDS[kind][1] is not Verdict:
        raise InputError(
            f"{kind} have no outcome", where="command line", cure="--outcome goes with verdicts"
        )
    if iteration is not None and kind != "rollouts":
        raise InputError(
            f"{kind} have no iteration", where="command line", cure="--iteration goes with rollouts"
        )


def _rows_of_stage(run_dir: Path, kind: str, config: RunConfig) -> Sequence[Record]:
    directory, record_kind = KINDS[kind]
    if kind == "pairs" and config.annotates_pairs:
        annotated = ARTEFACTS["annotate"][0]
        directory = annotated if Shards(run_dir / annotated).paths else directory
    return Shards(run_dir / directory).read(record_kind)


def _rollouts(run_dir: Path, iteration: int | None) -> Sequence[Record]:
    """Those of one iteration, or of all with the latest first."""
    paths = rollout_paths(run_dir)
    chosen = sorted(paths, reverse=True) if iteration is None else {iteration} & set(paths)
    return [row for number in chosen for row in read_records(Verdict, paths[number])]


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


def _show_rows(rows: list[Record], run_dir: Path, config: RunConfig) -> None:
    pairs = [row for row in rows if isinstance(row, Pair)]
    if pairs:
        _show_pairs(pairs, run_dir, config)
        return
    for row in rows:
        click.echo(_as_text(row))


def _as_text(row: Record) -> str:
    if isinstance(row, Labelled):
        side = "desirable" if row.label else "undesirable"
        head = f"── {row.task_id or 'prompt'}\n{row.prompt.rstrip()}\n"
        return f"{head}── {side}\n{row.completion.rstrip()}\n"
    if isinstance(row, Verdict):
        return _verdict_text(row)
    values: dict[str, Any] = row.to_row()
    return f"── {values['task_id']} #{values['sample_index']} {values['finish_reason']}\n{values['completion']}"


def _show_pairs(pairs: list[Pair], run_dir: Path, config: RunConfig) -> None:
    """Tokens with weights are in their shade; where there are no colours or no tokenizer, weights are in words."""
    from rich.console import Console

    from codealign.report.shading import legend

    console = Console()
    is_weighed = any(pair.chosen_weights or pair.rejected_weights for pair in pairs)
    decode = _decoder(run_dir, config) if is_weighed else None
    if decode is not None and console.color_system:
        console.print(legend())
    for pair in pairs:
        console.print(_pair_text(pair, decode), soft_wrap=True)


def _pair_text(pair: Pair, decode: Decode | None) -> Text:
    from rich.text import Text

    from codealign.report.shading import weighed_side

    result = Text(f"── {pair.task_id or 'prompt'}\n{pair.prompt.rstrip()}\n")
    for side in ("chosen", "rejected"):
        text, ids, weights = (getattr(pair, f"{side}{end}") for end in ("", "_ids", "_weights"))
        result += Text(f"── {side}\n")
        result += weighed_side(text, ids, weights, decode) if weights else Text(text.rstrip())
        result += Text("\n")
    message = getattr(pair, "rejected_message", "")
    return result + Text(f"── the test that rejected fails\n{message}\n" if message else "")


def _decoder(run_dir: Path, config: RunConfig) -> Decode | None:
    """The tokenizer of the run's model, without torch; None where its file or its library is not here."""
    name = config.model.model_name_or_path
    first = KATA_POLICY if name == "kata" else Path(name)
    files = [directory / "tokenizer.json" for directory in (run_dir / "model", first)]
    found = next((file for file in files if file.is_file()), None)
    if found is None or find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(found))
    return lambda ids: tokenizer.decode(list(ids), skip_special_tokens=True)


def _gathered(verdict: Verdict) -> str:
    """What a rollout says beside its verdict; nothing of other verdicts."""
    extra = verdict.model_extra or {}
    if "iteration" not in extra:
        return ""
    reward = "not scored" if extra.get("reward") is None else f"reward {extra['reward']:g}"
    return f", iteration {extra['iteration']}, {reward}"


def _verdict_text(verdict: Verdict) -> str:
    head = (
        f"── {verdict.task_id} #{verdict.sample_index}: {verdict.outcome} {verdict.detail}".rstrip()
    )
    lines = [f"{head} ({verdict.tests_passed}/{verdict.tests_total}){_gathered(verdict)}"]
    lines.append(verdict.program.rstrip())
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
@click.option(
    "--method", "methods", multiple=True, help="In the picture only this one; repeatable."
)
@click.option("--own-axes", is_flag=True, help="In the picture an axis for each method.")
@shared_options
def report_command(
    words: tuple[str, ...],
    svg_path: Path | None,
    methods: tuple[str, ...],
    own_axes: bool,
    shared: Shared,
) -> None:
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
    if svg_path is None:
        refuse_ignored(
            "they are about the picture: give --svg", method=methods, **{"own-axes": own_axes}
        )
    if target is not None and (target / "comparison.json").exists():
        _report_comparison(target, svg_path, methods, own_axes, shared)
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


def _report_comparison(
    directory: Path,
    svg_path: Path | None,
    methods: tuple[str, ...],
    own_axes: bool,
    shared: Shared,
) -> None:
    path = svg_path or directory / "comparison.html"
    if shared.dry_run:
        print_plan(f"write {path}", shared, report=str(path))
        return
    from codealign.comparison import shown_comparison
    from codealign.report.comparing import write_comparison_page, write_curves_svg

    data = shown_comparison(directory)
    if svg_path:
        write_curves_svg(data, path, methods, own_axes=own_axes)
    else:
        write_comparison_page(data, path)
    _print_report(path, shared)


def _print_report(path: Path, shared: Shared) -> None:
    if shared.as_json:
        print_json({"report": str(path)})
    else:
        click.echo(f"report: {path}")
