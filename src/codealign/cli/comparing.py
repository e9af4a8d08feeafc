"""`codealign compare`: methods against each other, over seeds, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codealign.cli.options import Shared, print_json, shared_options
from codealign.errors import InfrastructureError
from codealign.processes import refuse_several

if TYPE_CHECKING:
    from codealign.comparison import Comparison, PlannedRun


@click.command("compare")
@click.argument("file", type=click.Path(path_type=Path), metavar="METHODS.yaml")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs at a time, in the place of the file's."
)
@shared_options
def compare_command(
    file: Path, overrides: tuple[str, ...], jobs: int | None, shared: Shared
) -> None:
    """One run for each method and seed on the same problems, then one table.

    What runs have in common is made once. Killed at any moment, the same command continues.
    """
    refuse_several()
    from codealign.comparison import conclude_comparison, load_comparison, run_comparison
    from codealign.progress import Progress
    from codealign.rundir import RunDir

    comparison = load_comparison(file, overrides)
    if shared.dry_run:
        _show_plan(comparison, shared)
        return
    with RunDir(comparison.path).locked():
        progress = Progress(comparison.path / "compare.log", quiet=shared.quiet)
        counter = iter(range(1, len(comparison.runs) + 1))

        def tell(planned: PlannedRun, event: str) -> None:
            number = f"{next(counter)}/{len(comparison.runs)}  " if event != "started" else ""
            progress.note(f"{number}{planned.method}, seed {planned.seed}: {event}")

        failures = run_comparison(comparison, tell, jobs)
        for name, why in failures.items():
            progress.note(f"{name}: {why}")
        if len(failures) == len(comparison.runs):
            raise InfrastructureError(
                f"every run failed; {next(iter(failures))}: {next(iter(failures.values()))}",
                where=str(comparison.path),
                cure="see run.log in each run directory, mend the cause and compare again",
            )
        summary = conclude_comparison(comparison)
    if shared.as_json:
        print_json(summary)
    else:
        from rich.console import Console

        from codealign.report.comparing import comparison_data, render_comparison

        Console().print(render_comparison(comparison_data(summary)))
        click.echo(f"comparison: {comparison.path / 'comparison.html'}")
    if failures:
        raise InfrastructureError(
            f"{len(failures)} of {len(comparison.runs)} runs failed: {', '.join(failures)}",
            where=str(comparison.path),
            cure="compare again: what is done stays done",
        )


def _show_plan(comparison: Comparison, shared: Shared) -> None:
    rows = [
        {"method": p.method, "seed": p.seed, "state": "done" if p.done else "to do"}
        for p in comparison.runs
    ]
    if shared.as_json:
        print_json({"run_dir": str(comparison.path), "runs": rows})
        return
    click.echo(f"run directory: {comparison.path}")
    for row in rows:
        click.echo(f"  {row['method']:<24} seed {row['seed']}   {row['state']}")
