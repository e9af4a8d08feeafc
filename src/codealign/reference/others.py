"""Another model as a reference, and never two models in memory: the policy's weights wait on disk meanwhile.

Promises: the policy has its weights back, bit for bit, whatever happens; the other model is gone from memory
before they come. Both models must read the same token ids: another vocabulary is refused.

Not promised: speed. The other model is loaded each time, to be sure of its weights, also where the cache
knows everything that it would say.
"""

from __future__ import annotations

import contextlib
import gc
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from codealign.batches import Batch
from codealign.config import ModelConfig
from codealign.errors import ModelError, StorageError
from codealign.policy import Policy, load_policy
from codealign.reference.cache import ReferenceCache


def other_reference(
    model: ModelConfig, policy: Policy, batches: Iterable[Batch], root: Path
) -> ReferenceCache:
    """What another model says of `batches`, computed where the cache does not know it.

    Call it before `policy.distribute` or `policy.shard`.

    Args:
        model: the reference. It is loaded on the policy's device, alone.
        policy: whose ids the batches hold.
        root: of all references: `reference_dir()`.

    Raises:
        ModelError: it can't be loaded, or has another vocabulary.
        StorageError: no room for the policy's weights, or for the log-probs, in `root`.
    """
    with _weights_on_disk(policy, root):
        directory = _fill_alone(model, policy, batches, root)
        gc.collect()  # models are full of cycles, and this one must be gone
    return ReferenceCache(None, directory)


def _fill_alone(model: ModelConfig, policy: Policy, batches: Iterable[Batch], root: Path) -> Path:
    reference = load_policy(model, device=policy.device)
    _check_vocabulary(policy, reference)
    directory = root / reference.reference_hash()
    ReferenceCache(reference, directory).fill(batches)
    return directory


def _check_vocabulary(policy: Policy, reference: Policy) -> None:
    ours, theirs = (each.tokenizer.get_vocab() for each in (policy, reference))
    # What no model has a row for (Qwen's tokenizers have such tokens) is in no batch.
    ours = {token: i for token, i in ours.items() if i < policy.vocab_size}
    differing = sorted((i, token) for token, i in ours.items() if theirs.get(token) != i)
    if not differing and max(ours.values()) < reference.vocab_size:
        return
    reason = (
        f"token {differing[0][0]} is {differing[0][1]!r} to the policy alone, and {len(differing) - 1} more differ"
        if differing
        else f"it has {reference.vocab_size} tokens, the policy {len(ours)}"
    )
    raise ModelError(
        f"this reference reads token ids otherwise than the policy: {reason}",
        where=reference.name,
        cure="choose a reference of the same family, with the policy's own tokenizer",
    )


@contextlib.contextmanager
def _weights_on_disk(policy: Policy, directory: Path) -> Iterator[None]:
    """Inside, the policy's parameters are empty; a file that no kill leaves behind has their values."""
    parameters = dict(policy.model.named_parameters())
    devices = {name: parameter.device for name, parameter in parameters.items()}
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            # Unbuffered: nothing is left to be written, and to fail again, when it is closed.
            file = stack.enter_context(tempfile.TemporaryFile(dir=directory, buffering=0))
            torch.save({name: parameter.data for name, parameter in parameters.items()}, file)
        except (OSError, RuntimeError) as error:  # RuntimeError: what a full disk is to torch.save
            raise StorageError(
                f"no room for the policy's weights while another reference is computed: {error}",
                where=str(directory),
                cure="free some space, or choose another directory for the references",
            ) from error
        for parameter in parameters.values():
            parameter.data = parameter.data.new_empty(0)
        try:
            yield
        finally:
            file.seek(0)
            saved = torch.load(file, map_location="cpu", weights_only=True)
            for name, parameter in parameters.items():
                parameter.data = saved.pop(name).to(devices[name])
