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
    click.echo(f"{'isolation':<14}{facts['isolation']}")
    for level in facts["isolation_levels"]:
        click.echo(
            f"  {level['level']}  {'yes' if level['available'] else 'no '}  {level['reason']}"
        )
    for name, version in facts["libraries"].items():
        click.echo(f"{name:<14}{version or 'not installed'}")


def environment() -> dict[str, Any]:
    """Facts about this machine, as plain JSON values; sizes in GiB."""
    from codealign.judging.cache import cache_facts
    from codealign.sandbox import isolation_levels

    cache = cache_facts()
    levels = [
        {"level": level.level, "available": level.available, "reason": level.reason}
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
