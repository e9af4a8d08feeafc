"""A reference that follows the policy: TR-DPO (arXiv 2404.09656).

Every `every` steps the reference's weights become

    w_ref ← (1 − α)·w_ref + α·w_policy        α = 1 is the paper's hard update

The reference of a period is asked about the period's batches at its start, when its weights are in the model for that
while; then the policy's come back. No second model is held: the weights that wait do so on disk.

Promises: the policy has its weights back bit for bit; a resumed run has the references of the unbroken one.

Not promised: LoRA (the base is the reference there, and does not move), several processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from codealign.batches import Batch
from codealign.config import FollowingReference
from codealign.errors import InputError, StorageError
from codealign.policy import Policy
from codealign.reference.cache import ReferenceCache

DIRECTORY = "reference"
"""In the run directory: the weights of each period's reference, by the step at which it began."""


class Follower:
    """The references of one run, period by period.

    Args:
        policy: whose weights are followed; one process, no adapter.
        section: how often and how far.
        run_dir: keeps the references' weights.
        root: keeps what they say, as for any reference.
    """

    def __init__(
        self, policy: Policy, section: FollowingReference, run_dir: Path, root: Path
    ) -> None:
        self.policy, self.section, self.root = policy, section, root
        self.directory = run_dir / DIRECTORY

    def period(self, step: int) -> range:
        """The steps that have the reference of step `step`."""
        start = step - step % self.section.every
        return range(start, start + self.section.every)

    def begin(self, batches: Iterable[Batch]) -> ReferenceCache:
        """The first period: the policy's weights of now."""
        self._write(self._path(0))
        return self._ask(batches)

    def move(self, step: int, batches: Iterable[Batch]) -> ReferenceCache:
        """The period that begins after `step` steps: the reference moves toward the policy's weights of now."""
        with self._own_weights_waiting():
            self._load(self.period(step - 1).start, share=1 - self.section.mixup)
            self._write(self._path(step))
            return self._ask(batches)

    def resume(self, step: int, batches: Iterable[Batch]) -> ReferenceCache:
        """The reference of step `step`, whatever weights the policy has now."""
        with self._own_weights_waiting():
            self._load(self.period(step).start, share=1.0)
            return self._ask(batches)

    def forget_before(self, step: int) -> None:
        """Delete the weights that no checkpoint from `step` on needs."""
        for path in self.directory.glob("step-*.safetensors"):
            if int(path.stem.removeprefix("step-")) < self.period(step).start:
                path.unlink()

    def _ask(self, batches: Iterable[Batch]) -> ReferenceCache:
        cache = ReferenceCache(self.policy, self.root / self.policy.reference_hash())
        cache.fill(batches)
        return cache

    def _path(self, step: int) -> Path:
        return self.directory / f"step-{step}.safetensors"

    def _write(self, path: Path) -> None:
        tensors = {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in self.policy.model.named_parameters()
        }
        beside = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, beside)
            os.replace(beside, path)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"no room for a reference's weights: {error}",
                where=str(path),
                cure="free some space and run again: it continues from the checkpoint before",
            ) from error

    def _load(self, step: int, *, share: float) -> None:
        """`share` of the saved weights and the rest of the policy's own, in the policy's place."""
        path = self._path(step)
        if not path.is_file():
            raise InputError(
                f"the weights of the reference of step {step} are gone",
                where=str(path),
                cure="delete the run's checkpoints to train from the start",
            )
        self._read(path, share)

    def _read(self, path: Path, share: float) -> None:
        with safe_open(path, framework="pt") as saved, torch.no_grad():
            for name, parameter in self.policy.model.named_parameters():
                old = saved.get_tensor(name).to(parameter.device)
                # In float32: a small share of a narrow weight would be rounded away.
                mixed = share * old.float() + (1 - share) * parameter.float() if share < 1 else old
                parameter.copy_(mixed)

    @contextmanager
    def _own_weights_waiting(self) -> Iterator[None]:
        waiting = self.directory / ".policy.safetensors"
        self._write(waiting)
        try:
            yield
        finally:
            self._read(waiting, share=1.0)
            waiting.unlink()
