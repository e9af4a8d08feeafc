"""`codealign env`: what this machine gives, and what a bug report should hold."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from typing import Any

import click

from codealign.cli.options import Shared, print_json, shared_options

LIBRARIES = ("torch", "transformers", "accelerate", "peft", "datasets", "tokenizers", "vllm", "trl")


@click.command("env")
@shared_options
def env_command(shared: Shared) -> None:
    """What this machine gives: isolation level with its proofs, cores, memory, libraries."""
    facts = environment()
    if shared.as_json:
        print_json(facts)
        return
    for name in (
        "codealign",
        "python",
        "kernel",
        "cpu_cores",
        "memory_gib",
        "accelerator",
        "data_dir",
        "verdict_cache",
    ):
        click.echo(f"{name:<14}{facts[name]}")
    show_isolation(facts)
    for name, version in facts["libraries"].items():
        click.echo(f"{name:<14}{version or 'not installed'}")


def show_isolation(facts: dict[str, Any]) -> None:
    """The level that "auto" takes, what decides it, and a table of each probe's outcome at each level."""
    click.echo(f"{'isolation':<14}{facts['isolation']}")
    for name, value in facts["host"].items():
        click.echo(f"  {name.replace('_', ' '):<22}{value or 'none'}")
    for name, value in facts["limits"].items():
        click.echo(f"  {'limits.' + name:<22}{value}")
    levels = facts["isolation_levels"]
    for level in levels:
        available = "yes" if level["available"] else "no "
        click.echo(f"  {level['level']}  {available}  {level['reason']}")
        for gap in level["gaps"]:
            click.echo(f"           not held: {gap}")
    probed = [level for level in levels if level["probes"]]
    if probed:
        show_probes(probed)


def show_probes(levels: list[dict[str, Any]]) -> None:
    outcomes: dict[str, dict[str, str]] = {}
    for level in levels:
        for probe in level["probes"]:
            told = "stopped" if probe["stopped"] else probe["detail"]
            outcomes.setdefault(probe["name"], {})[level["level"]] = told
    click.echo("  tried from inside".ljust(28) + "".join(f"{row['level']:<10}" for row in levels))
    for name, by_level in outcomes.items():
        cells = (f"{by_level.get(level['level'], 'allowed'):<10}" for level in levels)
        click.echo(f"    {name:<24}" + "".join(cells).rstrip())


def environment() -> dict[str, Any]:
    """Facts about this machine, as plain JSON values; sizes in GiB."""
    from codealign.config import LimitsConfig
    from codealign.judging.cache import cache_facts
    from codealign.sandbox import Limits, describe_host, isolation_levels

    cache = cache_facts()
    levels = [
        level._asdict() | {"probes": [probe._asdict() for probe in level.probes]}
        for level in isolation_levels()
    ]
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "codealign": importlib.metadata.version("codealign"),
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(pages * page_bytes / 2**30, 1),
        "accelerator": _accelerator(),
        "data_dir": os.environ.get("CODEALIGN_DATA") or "CODEALIGN_DATA is not set",
        "verdict_cache": f"{cache.path}: {cache.num_verdicts} verdicts, {cache.size_bytes / 2**20:.1f} MiB",
        "isolation": next((level["level"] for level in levels if level["available"]), "none"),
        "isolation_levels": levels,
        "host": describe_host()._asdict(),
        "limits": Limits.from_config(LimitsConfig())._asdict(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "unknown: torch is not installed"
    import torch

    if not torch.cuda.is_available():
        return "none"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
