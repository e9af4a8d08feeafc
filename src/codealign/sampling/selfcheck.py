"""Which way of keeping keys and values serves a model: found out on the model itself.

The logits of every way must be those of plain forwards over a few random tokens. The first that passes is taken:

    shared prompts   each prompt held once, read once a step for all its rows (`shared_prompts`; CPUs)
    slots            each row holds its prompt and its tail (`keyvalues`)
    lock step        rows of one length in the cache that transformers makes for the model (`keyvalues`)

Some of the tokens are prompts that extend one another, so that the first two also fail where a prompt's past is not the
beginning of a longer one's (`prefill`); lock step computes each prompt by itself.

Not promised: that the check notices what only shows beyond its few tokens; sliding windows are therefore
read from the model's configuration.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import torch

from codealign.errors import ModelError
from codealign.logprobs import shortest_window
from codealign.sampling.keyvalues import Group, KeyValues, LockstepKeyValues, SlotKeyValues
from codealign.sampling.prefill import FORWARD_TOKENS
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
    fault = fault_of(LockstepKeyValues, model, one_length=True)
    if fault:
        raise ModelError(
            f"decoding with a key-value cache does not give this model's own logits: {fault}",
            where=name,
            cure="use the vllm or openai engine (sample.engine.kind) for this model",
        )
    return LockstepKeyValues


@torch.no_grad()
def fault_of(kind: type[KeyValues], model: Any, *, one_length: bool = False) -> str:
    """What is wrong with `kind` for a few prompts; "" when its logits are a plain forward's.

    Args:
        one_length: the prompts are of one length and come together.
    """
    draw = _Draw(model)
    rows: list[_Row] = []
    try:
        past = kind(model, 8)
        for groups in _of_one_length(draw) if one_length else _of_all_lengths(draw):
            texts = [list(group.prompt_ids) for group in groups for _ in range(group.num_rows)]
            logits_NV = past.admit(groups)
            rows += [
                _Row(text, [logits_V]) for text, logits_V in zip(texts, logits_NV, strict=True)
            ]
            for _ in range(2):
                tokens_N = torch.tensor(draw(len(rows)), device=model.device)
                for row, token, logits_V in zip(
                    rows, tokens_N.tolist(), past.step(tokens_N), strict=True
                ):
                    row.text.append(token)
                    row.logits.append(logits_V)
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        return str(error)
    return next(filter(None, (_difference(model, row) for row in rows)), "")


class _Draw:
    def __init__(self, model: Any) -> None:
        self.generator = torch.Generator().manual_seed(0)
        self.vocabulary = model.get_input_embeddings().num_embeddings

    def __call__(self, count: int) -> list[int]:
        return torch.randint(self.vocabulary, (count,), generator=self.generator).tolist()


class _Row(NamedTuple):
    """A text and the logits after each of its last tokens."""

    text: list[int]
    logits: list[torch.Tensor]


def _of_one_length(draw: _Draw) -> list[list[Group]]:
    return [[Group(tuple(draw(5)), 2), Group(tuple(draw(5)), 1)]]


def _of_all_lengths(draw: _Draw) -> list[list[Group]]:
    """A prompt, a short one, and a beginning; then two that are computed after the first one's past."""
    prompt, short = tuple(draw(FORWARD_TOKENS + 1)), tuple(draw(3))
    one, other = (*prompt, *draw(2)), (*prompt[:-1], *draw(4))
    return [
        [Group(short, 1), Group(prompt[:9], 1), Group(prompt, 2)],
        [Group(one, 1), Group(other, 1)],
    ]


def _difference(model: Any, row: _Row) -> str:
    text = torch.tensor([row.text], device=model.device)
    plain_TV = model(input_ids=text).logits[0, -len(row.logits) :].float()
    got_TV = torch.stack(row.logits).float()
    off, largest = float((got_TV - plain_TV).abs().max()), float(plain_TV.abs().max())
    # Written so that NaN fails.
    if not off <= (1e-3 if model.dtype == torch.float32 else 0.05) * largest:
        return f"logits differ by {off:.2g} where the largest is {largest:.2g}"
    return ""
