"""Decoding in which a prompt's keys and values are held once, and read once a step for all its rows.

A row attends to its prompt and to its own tail. Softmax over [prompt keys ∪ tail keys] is the merge of two
softmaxes (as in `codealign.attention`, for training): with outputs a, b and log-sum-exps A, B of the two parts,

    o = b + (a − b)·σ(A − B).

Part a is one call for all rows: the queries of a prompt's rows, of all query heads that share a key head, make
one matrix that meets the prompt's keys once. Part b is one call over slots that hold tails alone.

On CPUs only: the kernel that gives A and B is PyTorch's flash attention for CPUs. Not promised: soft-capped scores,
attention sinks, position biases, models that don't attend through transformers' `AttentionInterface`. They
raise or give other logits, and `selfcheck` takes slots for them.

Axes: N rows, P prompts, M places (the most rows that a prompt has), H query heads, G key heads, R = H / G,
W columns, D head width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import peft
import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from codealign.sampling.keyvalues import Group, SlotKeyValues, Store
from codealign.sampling.prefill import PromptPast

SHARED = "codealign_shared_prompts"

_ATTEND = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class Seating(NamedTuple):
    """Which row continues which prompt; changes when rows come and go."""

    prompt_N: Tensor
    place_N: Tensor
    row_PM: Tensor
    """The row on each place; row 0 on empty places, whose results nobody reads."""
    mask_P11W: Tensor
    """0 on a prompt's columns, -inf beyond them."""

    @classmethod
    def of(cls, prompt_N: Tensor, lengths_P: Tensor, dtype: torch.dtype) -> Seating:
        counts_P = prompt_N.bincount(minlength=len(lengths_P))
        order_N = prompt_N.argsort(stable=True)
        first_P = counts_P.cumsum(0) - counts_P
        place_N = torch.empty_like(prompt_N)
        place_N[order_N] = torch.arange(len(prompt_N)) - first_P[prompt_N[order_N]]
        row_PM = prompt_N.new_zeros(len(lengths_P), int(counts_P.max()))
        row_PM[prompt_N, place_N] = torch.arange(len(prompt_N))
        return cls(prompt_N, place_N, row_PM, _mask(lengths_P, int(lengths_P.max()), dtype))


class Shared(NamedTuple):
    """What attention is told of a step, by a keyword of the model's forward."""

    seating: Seating
    prompts: list[Store]
    """Of each layer; slot p holds prompt p."""
    tail_mask_N11W: Tensor


class SharedKeyValues(SlotKeyValues):
    """Slots that hold tails alone, and the prompts beside them; see the module's text."""

    shares_prompts: ClassVar[bool] = True

    def __init__(self, model: Any, num_slots: int) -> None:
        if model.device.type != "cpu":
            raise ValueError(f"prompts are shared on CPUs only, not on {model.device.type}")
        super().__init__(model, num_slots)
        self.prompt_ids: list[tuple[int, ...]] = []
        """Of the prompts held: those that rows continue."""
        self.prompts: list[Store] = []
        self.num_prompts = 0
        """To have room for: of the most prompts there were at once."""
        self.prompt_of = torch.zeros(num_slots, dtype=torch.long)
        self.seating: Seating | None = None
        self.mask_dtype = torch.promote_types(model.dtype, torch.float32)

    def _expect(self, groups: Sequence[Group]) -> None:
        super()._expect(groups)
        held = {*self.prompt_ids, *(group.prompt_ids for group in groups)}
        self.num_prompts = max(self.num_prompts, len(held))

    def _hold(self, past: PromptPast, rows: slice) -> int:
        if past.prompt_ids not in self.prompt_ids:
            self._add_prompt(past)
        self._make_room(1)
        self.prompt_of[rows] = self.prompt_ids.index(past.prompt_ids)
        self.seating = None
        return 0

    def _add_prompt(self, past: PromptPast) -> None:
        self.prompts = self.prompts or [Store(layer) for layer in past.layers]
        slot, length = len(self.prompt_ids), len(past.prompt_ids)
        for store, layer in zip(self.prompts, past.layers, strict=True):
            store.reserve(self.num_prompts, length)
            store.put(slice(slot, slot + 1), layer)
        self.prompt_ids.append(past.prompt_ids)

    def _forward(self, tokens_N: Tensor) -> Tensor:
        rows = slice(0, self.active)
        if self.seating is None:
            lengths_P = torch.tensor([len(ids) for ids in self.prompt_ids])
            self.seating = Seating.of(self.prompt_of[rows], lengths_P, self.mask_dtype)
            self.prompt_lengths_N = lengths_P[self.prompt_of[rows]]
        tail_mask = _mask(self.lengths[rows] + 1, self.width, self.mask_dtype)
        with _attending_by(self.model, SHARED):
            outputs = self.model(
                input_ids=tokens_N[:, None],
                # A mask that is made already, which nobody reads: transformers makes none.
                attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool),
                position_ids=(self.prompt_lengths_N + self.lengths[rows])[:, None],
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
                shared_prompts=Shared(self.seating, self.prompts, tail_mask),
            )
        return outputs.logits[:, -1]

    def move(self, kept: int, target: Sequence[int], source: Sequence[int]) -> None:
        super().move(kept, target, source)
        self.prompt_of[list(target)] = self.prompt_of[list(source)]
        self._drop_prompts()
        self.seating = None

    def _drop_prompts(self) -> None:
        """Forget the prompts that no row continues; the last ones move into their places."""
        alive = self.prompt_of[: self.active].unique().tolist()
        places = [place for place in range(len(alive)) if place not in alive]
        late = [prompt for prompt in alive if prompt >= len(alive)]
        for place, prompt in zip(places, late, strict=True):
            self.prompt_ids[place] = self.prompt_ids[prompt]
            self.prompt_of[self.prompt_of == prompt] = place
            for store in self.prompts:
                store.copy(
                    torch.tensor([place]), torch.tensor([prompt]), len(self.prompt_ids[place])
                )
        del self.prompt_ids[len(alive) :]


def _mask(lengths: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """[N, 1, 1, width], 0 on each row's first columns and -inf beyond its length."""
    beyond = torch.arange(width) >= lengths[:, None]
    return torch.zeros(beyond.shape, dtype=dtype).masked_fill_(beyond, -torch.inf)[:, None, None]


@contextmanager
def _attending_by(model: Any, implementation: str) -> Iterator[None]:
    """Only for the while: between steps the model is whoever's reads the completions."""
    inner: Any = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    given = inner.config._attn_implementation
    inner.set_attn_implementation(implementation)
    try:
        yield
    finally:
        inner.set_attn_implementation(given)


def attend_to_prompt_and_tail(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    shared_prompts: Shared,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface for one token a row: query [N, H, 1, D], the tails' key and value
    [N, G, W, D], out [N, 1, H, D].

    Raises:
        ValueError: the model asks for more than softmax over all columns.
    """
    for name in ("softcap", "s_aux", "position_bias"):
        if others.get(name) is not None:
            raise ValueError(f"its attention has {name}")
    seating, prompts, tail_mask = shared_prompts
    prompt = prompts[int(module.layer_idx)]  # pyright: ignore[reportArgumentType]
    num_rows, num_heads, _, width = query.shape
    num_groups = key.shape[1]
    repeats = num_heads // num_groups
    (num_prompts, num_places), prompt_width = seating.row_PM.shape, seating.mask_P11W.shape[-1]

    query_NGRD = query.reshape(num_rows, num_groups, repeats, width)
    b_NGRD, b_lse_NGR = _ATTEND(
        query_NGRD, key, value, attn_mask=tail_mask.expand(-1, -1, repeats, -1), scale=scaling
    )
    queries_PGQD = query_NGRD[seating.row_PM].transpose(1, 2).flatten(2, 3)
    a_PGQD, a_lse_PGQ = _ATTEND(
        queries_PGQD,
        prompt.keys[:num_prompts, :, :prompt_width],
        prompt.values[:num_prompts, :, :prompt_width],
        attn_mask=seating.mask_P11W.expand(-1, -1, num_places * repeats, -1),
        scale=scaling,
    )
    shape = (num_places, repeats)
    a_NGRD = a_PGQD.unflatten(2, shape)[seating.prompt_N, :, seating.place_N]
    a_lse_NGR = a_lse_PGQ.unflatten(2, shape)[seating.prompt_N, :, seating.place_N]
    share_NGR1 = (a_lse_NGR - b_lse_NGR).sigmoid().to(value.dtype).unsqueeze(-1)
    out_NGRD = torch.lerp(b_NGRD, a_NGRD, share_NGR1)
    return out_NGRD.reshape(num_rows, 1, num_heads, width), None


AttentionInterface.register(SHARED, attend_to_prompt_and_tail)
AttentionMaskInterface.register(SHARED, sdpa_mask)
