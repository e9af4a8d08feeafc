"""Checkpoints: `checkpoint-N` directories in the layout of transformers, whole or not there.

    model.safetensors … (or the adapter), tokenizer, README.md    loads with transformers or PEFT
    optimizer.pt                                                  the update's state
    rng_state.pth                                                 torch's generators
    trainer_state.json                                            the loop's state

A checkpoint is written beside its place and renamed into it, and renamed away before it is deleted, so a
killed run leaves no half of one under its name. What it leaves beside is cleared by the next run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from codealign.errors import StorageError
from codealign.rundir import read_json, write_json


class Saved(NamedTuple):
    """A checkpoint on disk."""

    step: int
    path: Path


class Checkpoints:
    """The checkpoints of one run directory, the newest `limit` of them and those asked to be kept."""

    def __init__(self, run_dir: Path, limit: int) -> None:
        self.run_dir, self.limit = run_dir, limit

    def path(self, step: int) -> Path:
        return self.run_dir / f"checkpoint-{step}"

    def all(self) -> list[Saved]:
        """Whole checkpoints, oldest first."""
        found = []
        for path in self.run_dir.glob("checkpoint-*"):
            number = path.name.removeprefix("checkpoint-")
            if number.isdecimal():
                found.append(Saved(int(number), path))
        return sorted(found)

    def latest(self) -> Saved | None:
        return max(self.all(), default=None)

    def save(self, step: int, write: Callable[[Path], None], keep: Collection[int] = ()) -> None:
        """Write checkpoint `step`, then delete the oldest beyond the limit, but none in `keep`."""
        beside = self.run_dir / f".checkpoint-{step}.partial"
        try:
            self.clear_halves()
            beside.mkdir(parents=True)
            write(beside)
            self._delete(step)
            beside.rename(self.path(step))
            self._delete_old(keep)
        except OSError as error:
            raise StorageError(
                f"could not write a checkpoint: {error.strerror or error}",
                where=str(beside),
                cure="free some space and run again: it continues from the checkpoint before",
            ) from error

    def clear_halves(self) -> None:
        """Delete what a killed run was writing or deleting."""
        for path in self.run_dir.glob(".checkpoint-*"):
            shutil.rmtree(path)

    def _delete_old(self, keep: Collection[int]) -> None:
        for saved in self.all()[: -self.limit]:
            if saved.step not in keep:
                self._delete(saved.step)

    def _delete(self, step: int) -> None:
        path = self.path(step)
        if path.exists():
            shutil.rmtree(path.rename(self.run_dir / f".checkpoint-{step}.deleted"))


def write_state(directory: Path, update: dict[str, Any], state: dict[str, Any]) -> None:
    """Write what a checkpoint holds beside the model.

    Raises:
        StorageError: it can't be written.
    """
    try:
        torch.save(update, directory / "optimizer.pt")
        torch.save(_generators(), directory / "rng_state.pth")
    except RuntimeError as error:  # what a full disk is to torch.save
        raise StorageError(
            f"could not write a checkpoint: {error}",
            where=str(directory),
            cure="free some space and run again: it continues from the checkpoint before",
        ) from error
    write_json(directory / "trainer_state.json", state)


def read_update_state(directory: Path) -> dict[str, Any]:
    """The update's state, on the CPU."""
    return torch.load(directory / "optimizer.pt", map_location="cpu", weights_only=True)


def read_loop_state(directory: Path) -> dict[str, Any]:
    """The loop's state.

    Raises:
        StorageError: it is not there, so the directory is not a checkpoint of ours.
    """
    path = directory / "trainer_state.json"
    state = read_json(path)
    if state is None:
        raise StorageError(
            "the checkpoint has no state of the loop",
            where=str(path),
            cure="delete this checkpoint and run again",
        )
    return state


def restore_generators(directory: Path) -> None:
    """Put torch's random generators where they were."""
    saved = torch.load(directory / "rng_state.pth", map_location="cpu", weights_only=True)
    torch.set_rng_state(saved["cpu"])
    if torch.cuda.is_available() and saved["cuda"] is not None:
        torch.cuda.set_rng_state(saved["cuda"])


def _generators() -> dict[str, Any]:
    # Of this process's own GPU: there may be more or fewer of them where the run continues.
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}
