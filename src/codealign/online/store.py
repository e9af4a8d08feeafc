"""The rollouts of each iteration in the run directory: to be read by people, and for a run that continues.

    rollouts/iteration-00003.jsonl          a verdict a rollout, with its text, its tokens and its reward
    rollouts/iteration-00003.safetensors    log-probs, advantages, values of its tokens; only while a run may go back there
    rollouts/iteration-00003.json           what the iteration came to; the last to come, so that one without it is not whole

A policy that has moved on can't draw its old rollouts again: a run that continues in the middle of an iteration has
them from here, bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from codealign.batches import EncodedRollout
from codealign.errors import StorageError
from codealign.online.gathering import Drawn
from codealign.records import Verdict, read_records, write_records
from codealign.rundir import read_json, write_json

DIRECTORY = "rollouts"
COLUMNS = EncodedRollout._fields[2:]
NOT_KEPT = {"tests", "limits"}
"""Columns of a verdict that would take most of the room."""


class Iteration(NamedTuple):
    """What an iteration gathered. `rows` are what a policy gradient learns from; for an objective of pairs that reads a
    reference, what that says of the completions in pairs; none for others."""

    drawn: list[Drawn]
    rows: list[EncodedRollout]
    facts: dict[str, Any]
    has_lost_columns: bool = False
    """There were rows, and they are gone."""


class RolloutStore:
    """The rollouts of one run.

    Args:
        key: of everything that decides them; those of another key are deleted.
        writes: False in every process but one, which only reads.
    """

    def __init__(self, run_dir: Path, key: str, *, writes: bool = True) -> None:
        self.directory, self.writes = run_dir / DIRECTORY, writes
        if writes and (read_json(self.directory / "key.json") or {}).get("key") != key:
            self.forget_after(-1)
            write_json(self.directory / "key.json", {"key": key})

    def write(self, number: int, iteration: Iteration) -> None:
        """Keep a whole iteration."""
        if not self.writes:
            return
        if iteration.rows:
            self._write_columns(number, iteration.rows)
        write_records(
            self._path(number, "jsonl"),
            [
                {
                    **{k: v for k, v in each.verdict.to_row().items() if k not in NOT_KEPT},
                    "iteration": number,
                    "reward": each.reward,
                }
                for each in iteration.drawn
            ],
        )
        write_json(self._path(number, "json"), {**iteration.facts, "num_rows": len(iteration.rows)})

    def read(self, number: int) -> Iteration | None:
        """What `write` kept; None where there is nothing whole."""
        facts = read_json(self._path(number, "json"))
        if facts is None:
            return None
        drawn = [
            Drawn(verdict, (verdict.model_extra or {})["reward"])
            for verdict in read_records(Verdict, self._path(number, "jsonl"))
        ]
        rows, num_rows = self._read_columns(number), facts.pop("num_rows")
        return Iteration(drawn, rows, facts, has_lost_columns=len(rows) < num_rows)

    def forget_after(self, number: int) -> None:
        """Delete every iteration after `number`."""
        for path in self._files("iteration-*"):
            if _number(path) > number:
                path.unlink()

    def forget_columns_before(self, number: int) -> None:
        """Delete the tokens' columns of iterations to which no run goes back."""
        for path in self._files("iteration-*.safetensors"):
            if _number(path) < number:
                path.unlink()

    def _files(self, pattern: str) -> list[Path]:
        """Those that this process may delete."""
        return list(self.directory.glob(pattern)) if self.writes else []

    def _path(self, number: int, suffix: str) -> Path:
        return self.directory / f"iteration-{number:05d}.{suffix}"

    def _write_columns(self, number: int, rows: Sequence[EncodedRollout]) -> None:
        tensors: dict[str, Tensor] = {
            "prompt_lengths": torch.tensor([len(row.prompt_ids) for row in rows]),
            "lengths": torch.tensor([len(row.completion_ids) for row in rows]),
            "ids": torch.tensor(
                [i for row in rows for i in (*row.prompt_ids, *row.completion_ids)]
            ),
        }
        for name in COLUMNS:
            columns = [getattr(row, name) for row in rows]
            if None not in columns:
                numbers = [number for column in columns for number in column]
                # Advantages are sums in float64, log-probs are exact in it.
                tensors[name] = torch.tensor(numbers, dtype=torch.float64)
        path = self._path(number, "safetensors")
        beside = path.with_name(f".{path.name}.partial")
        try:
            save_file(tensors, beside)
            os.replace(beside, path)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"no room for rollouts: {error}",
                where=str(path),
                cure="free some space and run again: it continues from the last checkpoint",
            ) from error

    def _read_columns(self, number: int) -> list[EncodedRollout]:
        path = self._path(number, "safetensors")
        if not path.exists():
            return []
        tensors = load_file(path)
        lengths = tensors["lengths"].tolist()
        whole = [a + b for a, b in zip(tensors["prompt_lengths"].tolist(), lengths, strict=True)]
        ids = _split(tensors["ids"], whole)
        columns = {
            name: _split(tensors[name], lengths) if name in tensors else [None] * len(lengths)
            for name in COLUMNS
        }
        return [
            EncodedRollout(each[: len(each) - length], each[len(each) - length :], *numbers)
            for each, length, *numbers in zip(ids, lengths, *columns.values(), strict=True)
        ]


def _split(flat: Tensor, lengths: Sequence[int]) -> list[tuple[Any, ...]]:
    return [tuple(part.tolist()) for part in flat.split(list(lengths))]


def _number(path: Path) -> int:
    return int(path.name.removeprefix("iteration-").split(".")[0])
