"""What a stage's key hashes: settings, problems, and the weights that a run starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codealign.config import KATA_POLICY, RunConfig
from codealign.records import Problem, content_hash, open_bytes
from codealign.rundir import read_json

FORMAT = 1
"""Part of every key; raised when a stage's output changes its meaning."""

SPEED_ONLY = {
    "batch_size",
    "max_tokens_per_microbatch",
    "max_cached_tokens",
    "processes",
    "concurrency",
    "timeout_s",
    "api_key_env",
    "tensor_parallel_size",
    "gpu_memory_utilization",
    "logging_steps",
    "save_steps",
    "save_total_limit",
    "report_to",
    "reference_cache",
}
"""Settings that change how fast or how visibly a stage works, never what it makes."""


def hash_of(*parts: Any) -> str:
    return content_hash([FORMAT, *parts])


def problems_hash(problems: Mapping[str, Problem]) -> str:
    return content_hash([[task_id, problem.hash] for task_id, problem in problems.items()])


MODEL_FILES = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".py"}
"""Suffixes of what decides a model's completions: weights, configuration, tokenizer, chat template, code."""


def weights_fingerprint(config: RunConfig) -> str:
    """Which model a run starts from: names, sizes and both ends of its files, and of its adapter's base.

    A Hub id is fingerprinted by name and revision: pin `model.revision` to be sure of the bits.
    """
    return fingerprint_of(config.model.model_name_or_path, config.model.revision)


def fingerprint_of(name: str, revision: str | None) -> str:
    """The same of any model."""
    directory = KATA_POLICY if name == "kata" else Path(name)
    if not directory.is_dir():
        return content_hash([name, revision])
    return content_hash(_file_facts(directory))


def _file_facts(directory: Path) -> list[Any]:
    files = sorted(path for path in directory.iterdir() if path.suffix in MODEL_FILES)
    facts: list[Any] = [[p.name, p.stat().st_size, _ends_of(p)] for p in files if p.is_file()]
    adapter = read_json(directory / "adapter_config.json") or {}
    base = Path(adapter.get("base_model_name_or_path") or "")
    return facts + (_file_facts(base) if adapter and base.is_dir() else [])


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits.

    Raises:
        DataError: it is not there, or may not be read.
    """
    digest = hashlib.sha256()
    with open_bytes(path, unpacked=False) as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _ends_of(path: Path, size: int = 1 << 20) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(size))
        file.seek(max(0, path.stat().st_size - size))
        digest.update(file.read(size))
    return digest.hexdigest()
