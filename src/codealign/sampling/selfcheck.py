"""Which way of keeping keys and values serves a model: found out on the model itself.

The logits of every way must be those of plain forwards over a few random tokens. The first that passes is taken:

    shared prompts   each prompt held once, read once a step for all its rows (`shared_prompts`; CPUs)
    slots            each row holds its prompt and its tail (`keyvalues`)
    lock step        rows of one length in the cache that transformers makes for the model (`keyvalues`)

Not promised: that the check notices what only shows beyond its few tokens; sliding windows are therefore
read from the model's configuration.
"""

from __future__ import annotations

import logging
from typing import Any

import torch

from codealign.errors import ModelError
from codealign.logprobs import shortest_window
from codealign.sampling.keyvalues import Group, KeyValues, LockstepKeyValues, SlotKeyValues
from codealign.sampling.shared_prompts import SharedKeyValues

log = logging.getLogger("codealign.sampling")


def pick_keyvalues(model: Any, longest: int) -> type[KeyValues]:
    """The fastest way that gives this model's own logits; the log says why the faster ones do not.

    Args:
        model: a causal language model, in eval mode.
        longest: tokens of prompt and completion that will be needed at most.

    Raises:
        ModelError: none does.
    """
    name = type(model).__name__
    window = shortest_window(model.config)
    if window is not None and window < longest:
        log.info("sampling in lock step: a sliding window of %d tokens is in reach", window)
    else:
        fault = fault_of(SharedKeyValues, model)
        if not fault:
            return SharedKeyValues
        log.info("sampling with a copy of the prompt in every row: %s: %s", name, fault)
        fault = fault_of(SlotKeyValues, model)
        if not fault:
            return SlotKeyValues
        log.warning("sampling in lock step: %s needs rows of one length: %s", name, fault)
    fault = fault_of(LockstepKeyValues, model, lengths=(5, 5))
    if fault:
        raise ModelError(
            f"decoding with a key-value cache does not give this model's own logits: {fault}",
            where=name,
            cure="use the vllm or openai engine (sample.engine.kind) for this model",
        )
    return LockstepKeyValues


@torch.no_grad()
def fault_of(kind: type[KeyValues], model: Any, lengths: tuple[int, int] = (7, 3)) -> str:
    """What is wrong with `kind` for two prompts of these lengths; "" when its logits are a plain forward's."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.get_input_embeddings().num_embeddings

    def draw(count: int) -> list[int]:
        return torch.randint(vocabulary, (count,), generator=generator).tolist()

    long, short = draw(lengths[0]), draw(lengths[1])
    texts = [long + draw(2), long + draw(2), short + draw(2)]
    try:
        past = kind(model, len(texts))
        cached = [past.admit([Group(tuple(long), 2), Group(tuple(short), 1)])]
        for step in (-2, -1):
            cached.append(past.step(torch.tensor([t[step] for t in texts], device=model.device)))
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        return str(error)
    for row, text in enumerate(texts):
        plain_TV = model(input_ids=torch.tensor([text], device=model.device)).logits[0, -3:].float()
        got_TV = torch.stack([logits_NV[row] for logits_NV in cached]).float()
        off, largest = float((got_TV - plain_TV).abs().max()), float(plain_TV.abs().max())
        # Written so that NaN fails.
        if not off <= (1e-3 if model.dtype == torch.float32 else 0.05) * largest:
            return f"logits differ by {off:.2g} where the largest is {largest:.2g}"
    return ""
