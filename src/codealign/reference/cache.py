"""One reference's log-probabilities: computed once per program, looked up ever after.

The key is (reference weights, prompt ids, completion ids) and nothing else, the value the per-token
log-probs and nothing else: β, learning rate, objective, adapter, pair choice and order may all change and
every program is still a hit, in this run and in any other. No second model is held: with LoRA the adapter is
switched off, in full fine-tuning the reference is the policy before its first update, so `fill` comes before
training, also when a run is resumed.

Not promised: the last bit. A matrix product may round differently in another batch, so a program that
is looked up in another batch than it was computed in has a log-ratio of about 1e-6 instead of 0, more in
bfloat16. `fill` with the batches of the first epoch makes the first steps exact, where no run before has
computed their programs in other batches.

Axes: N completions, T completion tokens.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from codealign.batches import Batch, TokenIds
from codealign.errors import CodealignError
from codealign.judging.cache import user_cache_dir
from codealign.policy import Policy
from codealign.reference.store import KEY_BYTES, LogpStore, prune


def reference_dir(given: str | None = None) -> Path:
    """Where references are kept, each in a directory named by its weights: `given`, else the user's cache."""
    return Path(given) if given is not None else user_cache_dir() / "reference"


class ReferenceCache:
    """Per-token reference log-probs of completions.

    Args:
        policy: its weights of now, without adapter, are the reference. None where they are gone: what
            `directory` holds can be looked up, and nothing else.
        directory: for these weights alone: `reference_dir() / policy.reference_hash()`. None keeps everything
            in memory.
    """

    def __init__(self, policy: Policy | None, directory: Path | None = None) -> None:
        self.policy, self._directory = policy, directory
        self._store = LogpStore(directory)

    def __len__(self) -> int:
        """Completions known."""
        return len(self._store)

    def refresh(self) -> None:
        """See what other processes have written since."""
        self._store.refresh()

    def fill(
        self, batches: Iterable[Batch], *, any_process: Callable[[bool], bool] | None = None
    ) -> None:
        """Compute what is missing for `batches`, in their own layout, and save it.

        Without an adapter this must happen before the first update. What a kill loses is what was computed in the
        last minute; what a full disk refuses stays in memory.

        Args:
            any_process: whether any process says True, for sharded models: every process then runs the model
                for its n-th batch when one of them must. None: this process decides alone.

        Raises:
            StorageError: the disk is full, or can't be written.
        """
        for batch in batches:
            keys = _keys(batch)
            missing = any(row is None for row in self._store.find(keys))
            if missing if any_process is None else any_process(missing):
                self._compute(batch, keys)
        self._store.save()
        if self._directory is not None:
            prune(self._directory.parent)

    def token_logps(self, batch: Batch) -> Tensor:
        """[N, T] log-probs (nats) of the batch's completions, 0 where padded, on the batch's device.

        With an adapter, what is missing is computed on the spot.

        Raises:
            CodealignError: missing, and the weights that would tell are gone.
        """
        keys = _keys(batch)
        rows = self._store.find(keys)
        if any(row is None for row in rows) and self.policy is not None and self.policy.has_adapter:
            self._compute(batch, keys)
            rows = self._store.find(keys)
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            raise CodealignError(
                f"reference log-probs of {len(rows) - len(known)} completions were not computed "
                "before training, or are damaged since",
                where=str(self._directory) if self._directory else None,
                cure="fill the reference cache with every batch before the first update; a run that is "
                "started again does",
            )
        return nn.utils.rnn.pad_sequence(known, batch_first=True).to(batch.weights_N.device)

    def _compute(self, batch: Batch, keys: Sequence[bytes]) -> None:
        if self.policy is None:
            raise CodealignError("a reference without its model can't be filled")
        with torch.no_grad(), self.policy.reference():
            logps_NT = self.policy.token_logps(batch).cpu()
        rows = [
            row_T[: len(ids)].clone()
            for row_T, ids in zip(logps_NT, batch.completions, strict=True)
        ]
        self._store.add(keys, rows)


def _keys(batch: Batch) -> list[bytes]:
    return [_key(prompt, completion) for prompt, completion in batch.rows()]


def _key(prompt: TokenIds, completion: TokenIds) -> bytes:
    # The prompt's length keeps (ab, c) and (a, bc) apart.
    ids = array("q", (len(prompt), *prompt, *completion))
    return hashlib.blake2b(ids.tobytes(), digest_size=KEY_BYTES).digest()
