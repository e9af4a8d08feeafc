"""`codealign pairs`: the pairs stage of a run, or pairs of any verdicts; either in the formats of other tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click

from codealign.cli.options import (
    Shared,
    check_output,
    print_json,
    refuse_ignored,
    section_overrides,
    shared_options,
)
from codealign.cli.stages import SECTIONS_HELP, print_stage, run_one_stage
from codealign.config import LabelledCompletions, PairsConfig, PreferenceFormat, parse_config
from codealign.errors import InputError
from codealign.records import BadRow, Labelled, Pair, Problem, Verdict, write_records

if TYPE_CHECKING:
    from codealign.pairs import LabelledResult, PairResult

EXPORTS = [name for name in get_args(PreferenceFormat) if name != "auto"]


@click.command("pairs", epilog=SECTIONS_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [KEY=VALUE]...")
@click.option("--problems", "source", metavar="SRC", help="The problems the verdicts are about.")
@click.option(
    "--verdicts", "verdicts_path", type=click.Path(path_type=Path), help="From `codealign judge`."
)
@click.option(
    "--pairs",
    "pairs_path",
    type=click.Path(path_type=Path),
    help="Preference data in any known format, to be written in another.",
)
@click.option(
    "--export", type=click.Choice(EXPORTS), metavar="FORMAT", help=f"One of {', '.join(EXPORTS)}."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Pairs; default pairs.jsonl, with --export FORMAT.jsonl.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many problems.")
@click.option("--seed", type=click.IntRange(min=0), help="Which pairs are drawn; default 0.")
@shared_options
def pairs_command(
    words: tuple[str, ...],
    source: str | None,
    verdicts_path: Path | None,
    pairs_path: Path | None,
    export: str | None,
    output: Path | None,
    limit: int | None,
    seed: int | None,
    shared: Shared,
) -> None:
    """Rank judged completions into preference pairs that TRL's DPOTrainer reads as they are.

    With --problems and --verdicts it stands alone, and key=value sets the pairs section
    (strategy.kind=nearest, max_pairs_per_problem=4 …). With --export the pairs are written in the format of
    another tool; --pairs takes them from a file.
    """
    if pairs_path is not None:
        given = {"problems": source, "verdicts": verdicts_path, "limit": limit, "seed": seed}
        refuse_ignored("--pairs has pairs already: leave these out", **given)
        _convert(pairs_path, words, Target.of(export, output), shared)
        return
    if source is None and verdicts_path is None:
        refuse_ignored("give --problems and --verdicts too", limit=limit, seed=seed)
        if export is None:
            refuse_ignored("give --problems and --verdicts, or --export, too", output=output)
            print_stage(run_one_stage("pairs", words, shared), shared)
        else:
            _export_run(words, Target.of(export, output), shared)
        return
    if source is None or verdicts_path is None:
        raise InputError(
            "--problems and --verdicts go together", where="command line", cure="give both"
        )
    overrides = section_overrides(words, "pairs")
    config = parse_config(PairsConfig, {}, overrides, where="command line")
    from codealign.pairs import build_labelled, build_pairs, completions_of

    target = Target.of(export, output)
    check_output(target.path, verdicts_path, Path(source))
    problems, verdicts = _read(source, verdicts_path, limit, shared)
    build = build_labelled if isinstance(config.strategy, LabelledCompletions) else build_pairs
    result = build(problems, completions_of(verdicts), verdicts, config, seed=seed or 0)
    written = target.write(result[0], shared)
    _print_counts(result, target, written, shared)
    if not result[0]:
        raise InputError(
            "no problem gave a pair",
            where=str(verdicts_path),
            cure="docs/pairs.md explains the reasons; check that --problems are the verdicts' own",
        )


class Target(NamedTuple):
    """Where rows go, and in which format: `None` is ours, with token ids."""

    format: str | None
    path: Path

    @classmethod
    def of(cls, export: str | None, output: Path | None) -> Target:
        """The words of the command line, with their defaults.

        Raises:
            InputError: the file's name promises another format than JSON lines.
        """
        path = output or Path(f"{export or 'pairs'}.jsonl")
        if path.suffix == ".parquet":
            raise InputError(
                "what is written is JSON lines", where=str(path), cure="name it .jsonl after -o"
            )
        return cls(export, path)

    def write(self, rows: Sequence[Pair] | Sequence[Labelled], shared: Shared) -> dict[str, Any]:
        """Write the rows, unless the run is dry, and say what for a reader of JSON."""
        if self.format is None:
            if not shared.dry_run:
                write_records(self.path, rows)
            return {}
        from codealign.interop import dataset_info, export_rows

        exported = list(export_rows(rows, self.format))
        if not shared.dry_run:
            write_records(self.path, exported)
        info = dataset_info(self.format, self.path)
        return {
            "format": self.format,
            "num_rows": len(exported),
            **({} if info is None else {"dataset_info": info}),
        }


def _convert(path: Path, words: tuple[str, ...], target: Target, shared: Shared) -> None:
    from codealign.interop import read_preferences
    from codealign.progress import Progress

    if words or target.format is None:
        raise InputError(
            f"{' '.join(words)} would be ignored with --pairs" if words else "nothing to do",
            where="command line",
            cure="--pairs FILE goes with --export FORMAT, and with no run or setting",
        )
    check_output(target.path, path)
    found = read_preferences(path)
    Progress(quiet=shared.quiet).bad_rows(found.bad)
    written = {"read_as": found.format.name, "left_out": found.left_out}
    _print_export(target, written | target.write(found.rows, shared), shared)


def _export_run(words: tuple[str, ...], target: Target, shared: Shared) -> None:
    from codealign.pipeline import read_preferences_of

    check_output(target.path)
    result = run_one_stage("pairs", words, shared)
    if result is not None:
        rows = read_preferences_of(Path(result["run_dir"]) / "pairs")
        _print_export(target, target.write(rows, shared), shared)


def _print_export(target: Target, written: dict[str, Any], shared: Shared) -> None:
    if shared.as_json:
        print_json({"export": str(target.path), **written})
        return
    would = " would go" if shared.dry_run else ""
    click.echo(
        f"{written['num_rows']} rows of the format {target.format}{would} into {target.path}"
    )
    for reason, count in written.get("left_out", {}).items():
        click.echo(f"  {count:>6} left out: {reason}")
    _print_dataset_info(written)


def _print_dataset_info(written: dict[str, Any]) -> None:
    if "dataset_info" in written:
        click.echo("LLaMA-Factory's dataset_info.json, beside that file, needs this entry:")
        click.echo(json.dumps(written["dataset_info"], indent=2))


def _read(
    source: str, path: Path, limit: int | None, shared: Shared
) -> tuple[list[Problem], list[Verdict]]:
    from codealign.problems import load_problems
    from codealign.progress import Progress
    from codealign.verdicts import read_verdicts

    bad: list[BadRow] = []
    problems, bad_problems, _ = load_problems(source, limit=limit)
    verdicts = read_verdicts(path, bad)
    Progress(quiet=shared.quiet).bad_rows([*bad_problems, *bad])
    return problems, verdicts


def _print_counts(
    result: PairResult | LabelledResult, target: Target, written: dict[str, Any], shared: Shared
) -> None:
    from codealign.pairs import LabelledResult

    counts, labelled = dict(result.counts), isinstance(result, LabelledResult)
    if shared.as_json:
        name = "num_labelled" if labelled else "num_pairs"
        facts = {name: len(result[0]), "reasons": counts}
        print_json({"pairs": str(target.path), **facts, **written})
        return
    would = " would go" if shared.dry_run else ""
    things = "labelled completions" if labelled else "pairs"
    click.echo(f"{len(result[0])} {things}{would} into {target.path}")
    for reason, count in counts.items():
        things = "verdicts of other problems" if reason == "unknown_task" else "problems"
        click.echo(f"  {count:>6} {things}: {reason}")
    _print_dataset_info(written)
