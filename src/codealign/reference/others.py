"""Another model as a reference, and never two models in memory: the policy's weights wait on disk meanwhile.

Promises: the policy has its weights back, bit for bit, whatever happens; the other model is gone from memory
before they come. The other model reads a pair's text with its own tokenizer and chat template, so its token ids are
its own, and what comes of a pair are log-probs of whole sides. Nothing is computed twice: what it says is kept as what
the first reference says is, under the hash of its weights.

Not promised: speed where everything is known. The other model is loaded each time, since its weights alone tell which
store is its. A path or a file's date would tell sooner, and wrongly after an edit.
"""

from __future__ import annotations

import contextlib
import gc
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from codealign.batches import EncodedPair, TokenIds
from codealign.config import ModelConfig, ReferenceConfig
from codealign.errors import StorageError
from codealign.policy import Policy, load_policy
from codealign.records import Message
from codealign.reference.cache import ReferenceCache
from codealign.reference.sums import TOKENS_PER_FORWARD, PairLogps, summed_logps


class PairText(NamedTuple):
    """A pair as text, for any tokenizer.

    `prompt` is the problem's, in no chat template: a text, or messages. A side that has not `ended` was cut, by a length limit or a stop string: its
    model wrote no EOS, and none is added.
    """

    prompt: str | Sequence[Message]
    chosen: str
    rejected: str
    chosen_ended: bool = True
    rejected_ended: bool = True


def other_reference_logps(
    model: ReferenceConfig,
    texts: Sequence[PairText],
    policy: Policy | None,
    root: Path,
    *,
    max_tokens: int = TOKENS_PER_FORWARD,
) -> list[PairLogps | None]:
    """What another model says of pairs, computed where its store does not know it.

    Call it before `policy.distribute` or `policy.shard`.

    Args:
        model: the reference. It is loaded alone, on the policy's device.
        policy: whose weights make room meanwhile. None: no policy is loaded.
        root: of all references: `reference_dir()`.
        max_tokens: of a forward.

    Returns:
        Of each pair in order; None where a side has no token, or is longer with its prompt than the model's window.

    Raises:
        ModelError: it can't be loaded.
        DataError: a prompt of several messages, and it has no chat template for them.
        StorageError: no room for the policy's weights, or for the log-probs, in `root`.
    """
    device = None if policy is None else policy.device
    with contextlib.nullcontext() if policy is None else _weights_on_disk(policy, root):
        found = _ask(model, texts, device, root, max_tokens)
        gc.collect()  # models are full of cycles, and this one must be gone
    return found


def _ask(
    model: ReferenceConfig,
    texts: Sequence[PairText],
    device: torch.device | None,
    root: Path,
    max_tokens: int,
) -> list[PairLogps | None]:
    reference = load_policy(ModelConfig(**model.model_dump()), device=device)
    encoded = [_encode(reference, text) for text in texts]
    window = math.inf if reference.max_positions is None else reference.max_positions
    fitting = [i for i, pair in enumerate(encoded) if all(pair[:3]) and pair.num_tokens <= window]
    cache = ReferenceCache(reference, root / reference.reference_hash())
    logps = summed_logps(cache, [encoded[i] for i in fitting], max_tokens)
    known = dict(zip(fitting, logps, strict=True))
    return [known.get(i) for i in range(len(texts))]


def _encode(reference: Policy, text: PairText) -> EncodedPair:
    prompt_ids, chosen_ids = _encode_side(reference, text.prompt, text.chosen, text.chosen_ended)
    _, rejected_ids = _encode_side(reference, text.prompt, text.rejected, text.rejected_ended)
    return EncodedPair(prompt_ids, chosen_ids, rejected_ids)


def _encode_side(
    reference: Policy, prompt: str | Sequence[Message], completion: str, ended: bool
) -> tuple[TokenIds, TokenIds]:
    encoded = reference.encode_pair_text(prompt, completion)
    ids = encoded.completion_ids if ended else encoded.completion_ids[:-1]
    return tuple(encoded.prompt_ids), tuple(ids)


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
