"""Where the decode loop keeps keys and values: slots for most models, lock step for the others.

`SlotKeyValues` preallocates one slot a row. Every row has its own length and starts at column 0, so a
new row can join at any step and a finished row costs nothing: the last row moves into its place. A
prompt is computed once and its keys and values are copied to the slots of its samples.

`LockstepKeyValues` keeps the cache that transformers makes for the model. All rows have the same
length, so it serves what slots can't: sliding windows shorter than the text, recurrent states, attention
that reads distances from the cache's columns.

`pick_keyvalues` chooses by a self-check on the model itself: cached logits must equal those of one plain
forward. Not promised: that the check notices what only shows beyond its few tokens; sliding windows
are therefore read from the model's configuration.

Axes: N rows, P prompts, T prompt tokens, W columns, H key heads, D head width, V vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, CacheLayerMixin

from codealign.errors import ModelError
from codealign.logprobs import shortest_window

log = logging.getLogger("codealign.sampling")

GROWTH = 64
"""Columns are added in steps of this, so that buffers are rarely copied."""


class Group(NamedTuple):
    """A prompt and how many rows continue it."""

    prompt_ids: tuple[int, ...]
    num_rows: int


class KeyValues(Protocol):
    """The cached past of the active rows, always rows 0 … active - 1."""

    active: int

    def accepts(self, prompt_length: int, taken_length: int | None) -> bool:
        """Whether a prompt may join now, after one of `taken_length` was taken in the same step."""
        ...

    def admit(self, groups: Sequence[Group]) -> torch.Tensor:
        """Append rows for the groups, in order; logits_NV of their first token."""
        ...

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        """Feed one token to every active row; logits_NV of the next."""
        ...

    def move(self, kept: int, target: Sequence[int], source: Sequence[int]) -> None:
        """Keep `kept` rows, after copying row source[i] over row target[i]."""
        ...


class Prefilled(NamedTuple):
    """Prompts' past, left-padded: keys and values [P, H, T, D] a layer, and the next token's logits."""

    layers: list[tuple[torch.Tensor, torch.Tensor]]
    lengths: list[int]
    logits_PV: torch.Tensor


def prefill(model: Any, prompts: Sequence[tuple[int, ...]]) -> Prefilled:
    """One left-padded forward over distinct prompts."""
    width = max(len(prompt) for prompt in prompts)
    # The pad id is masked; 0 is in every vocabulary.
    ids_PT = torch.tensor(
        [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device
    )
    starts_P = torch.tensor([width - len(prompt) for prompt in prompts], device=model.device)
    columns_T = torch.arange(width, device=model.device)
    positions_PT = columns_T[None, :] - starts_P[:, None]
    padded = min(map(len, prompts)) < width
    cache = DynamicCache()
    outputs = model(
        input_ids=ids_PT,
        attention_mask=(positions_PT >= 0).long() if padded else None,
        position_ids=positions_PT.clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    layers: list[Any] = [(layer.keys, layer.values) for layer in cast(list[Any], cache.layers)]
    return Prefilled(layers, [len(prompt) for prompt in prompts], outputs.logits[:, -1])


class SlotLayer(CacheLayerMixin):
    """One layer's slots, [slots, H, W, D], behind the face transformers expects of a cache layer."""

    is_sliding = False
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, slots: SlotKeyValues) -> None:
        self.slots = slots
        self.is_initialized = False

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys = self._buffer(key_states)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.values = self._buffer(value_states)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.is_initialized = True

    def _buffer(self, like: torch.Tensor) -> torch.Tensor:
        shape = (self.slots.num_slots, like.shape[1], self.slots.capacity, like.shape[3])
        return like.new_zeros(shape)  # masked columns are read too: garbage there could be NaN

    def grow(self) -> None:
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = self._buffer(old)
            new[:, :, : old.shape[2]] = old
            setattr(self, name, new)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        slots = self.slots
        rows_N, lengths_N = slots.rows[: slots.active], slots.lengths[: slots.active]
        self.keys[rows_N, :, lengths_N] = key_states[:, :, 0]
        self.values[rows_N, :, lengths_N] = value_states[:, :, 0]
        return (
            self.keys[: slots.active, :, : slots.width],
            self.values[: slots.active, :, : slots.width],
        )

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.slots.width, 0

    def get_seq_length(self) -> int:
        return self.slots.width - 1

    def get_max_length(self) -> int:
        return -1


class SlotKeyValues:
    """Rows of different lengths in preallocated slots; see the module's text."""

    def __init__(self, model: Any, num_slots: int) -> None:
        self.model, self.num_slots = model, num_slots
        self.active = self.capacity = self.width = 0
        self.rows = torch.arange(num_slots, device=model.device)
        self.lengths = torch.zeros(num_slots, dtype=torch.long, device=model.device)
        self.columns = torch.arange(0, device=model.device)
        self.longest = 0
        self.layers: list[SlotLayer] = []
        self.cache: Cache | None = None
        self.carried: tuple[tuple[int, ...], Prefilled] | None = None

    def accepts(self, prompt_length: int, taken_length: int | None) -> bool:
        return True

    def admit(self, groups: Sequence[Group]) -> torch.Tensor:
        blocks = [self._carry_on(groups[0])] if self._carries(groups[0]) else []
        fresh = groups[len(blocks) :]
        if fresh:
            past = prefill(self.model, [group.prompt_ids for group in fresh])
            for index, group in enumerate(fresh):
                blocks.append(self._place(past, index, group.num_rows))
            # A prompt whose samples do not all fit now is the last one; the rest follow next time.
            self.carried = (fresh[-1].prompt_ids, _one_prompt(past, len(fresh) - 1))
        return torch.cat(blocks)

    def _carries(self, group: Group) -> bool:
        return self.carried is not None and self.carried[0] == group.prompt_ids

    def _carry_on(self, group: Group) -> torch.Tensor:
        assert self.carried is not None
        return self._place(self.carried[1], 0, group.num_rows)

    def _place(self, past: Prefilled, index: int, num_rows: int) -> torch.Tensor:
        length = past.lengths[index]
        self._make_room(length + 1, past)
        place = slice(self.active, self.active + num_rows)
        for layer, (keys, values) in zip(self.layers, past.layers, strict=True):
            layer.keys[place, :, :length] = keys[index, :, keys.shape[2] - length :]
            layer.values[place, :, :length] = values[index, :, values.shape[2] - length :]
        self.lengths[place] = length
        self.longest = max(self.longest, length)
        self.active += num_rows
        return past.logits_PV[index].expand(num_rows, -1)

    def _make_room(self, width: int, past: Prefilled | None = None) -> None:
        if width <= self.capacity:
            return
        self.capacity = (max(width, self.capacity * 3 // 2) + GROWTH - 1) // GROWTH * GROWTH
        self.columns = torch.arange(self.capacity, device=self.model.device)
        if self.cache is None and past is not None:
            self.layers = [SlotLayer(self) for _ in past.layers]
            for layer, (keys, values) in zip(self.layers, past.layers, strict=True):
                layer.lazy_initialization(keys, values)
            self.cache = Cache(layers=list(self.layers))
        else:
            for layer in self.layers:
                layer.grow()

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        self.width = self.longest + 1
        self._make_room(self.width)
        lengths_N = self.lengths[: self.active]
        outputs = self.model(
            input_ids=tokens_N[:, None],
            attention_mask=(self.columns[: self.width] <= lengths_N[:, None]).long(),
            position_ids=lengths_N[:, None],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        lengths_N += 1
        self.longest += 1
        return outputs.logits[:, -1]

    def move(self, kept: int, target: Sequence[int], source: Sequence[int]) -> None:
        if target:
            to, of = self.rows[list(target)], self.rows[list(source)]
            for layer in self.layers:
                layer.keys[to, :, : self.longest] = layer.keys[of, :, : self.longest]
                layer.values[to, :, : self.longest] = layer.values[of, :, : self.longest]
            self.lengths[to] = self.lengths[of]
        self.active = kept
        self.longest = int(self.lengths[:kept].max()) if kept else 0


def _one_prompt(past: Prefilled, index: int) -> Prefilled:
    length = past.lengths[index]
    layers = [
        (
            keys[index : index + 1, :, -length:].clone(),
            values[index : index + 1, :, -length:].clone(),
        )
        for keys, values in past.layers
    ]
    return Prefilled(layers, [length], past.logits_PV[index : index + 1].clone())


class LockstepKeyValues:
    """Rows of one length in the cache that transformers makes for this model."""

    def __init__(self, model: Any, num_slots: int) -> None:
        self.model, self.num_slots = model, num_slots
        self.active = self.length = 0
        self.cache: Any = None

    def accepts(self, prompt_length: int, taken_length: int | None) -> bool:
        return self.active == 0 and taken_length in (None, prompt_length)

    def admit(self, groups: Sequence[Group]) -> torch.Tensor:
        self.cache = DynamicCache(config=self.model.config)
        ids_PT = torch.tensor([group.prompt_ids for group in groups], device=self.model.device)
        self.length = ids_PT.shape[1]
        outputs = self.model(
            input_ids=ids_PT, past_key_values=self.cache, use_cache=True, logits_to_keep=1
        )
        repeats_P = torch.tensor([group.num_rows for group in groups], device=self.model.device)
        rows_N = torch.arange(len(groups), device=self.model.device).repeat_interleave(repeats_P)
        self.cache.reorder_cache(rows_N)
        self.active = len(rows_N)
        return outputs.logits[rows_N, -1]

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        outputs = self.model(
            input_ids=tokens_N[:, None],
            position_ids=torch.full_like(tokens_N[:, None], self.length),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.length += 1
        return outputs.logits[:, -1]

    def move(self, kept: int, target: Sequence[int], source: Sequence[int]) -> None:
        self.active = kept
        if not kept:
            self.cache = None
            return
        rows = list(range(kept))
        for to, of in zip(target, source, strict=True):
            rows[to] = of
        self.cache.reorder_cache(torch.tensor(rows, device=self.model.device))


def pick_keyvalues(model: Any, longest: int) -> type[SlotKeyValues] | type[LockstepKeyValues]:
    """Slots where they give this model's own logits, else lock step (logged), else an error.

    Args:
        model: a causal language model, in eval mode.
        longest: tokens of prompt and completion that will be needed at most.
    """
    window = shortest_window(model.config)
    if window is not None and window < longest:
        log.info("sampling in lock step: a sliding window of %d tokens is in reach", window)
    elif agrees_with_plain_forward(model, SlotKeyValues, ragged=True):
        return SlotKeyValues
    else:
        log.warning("sampling in lock step: %s needs rows of one length", type(model).__name__)
    if not agrees_with_plain_forward(model, LockstepKeyValues, ragged=False):
        raise ModelError(
            "decoding with a key-value cache does not give this model's own logits",
            where=type(model).__name__,
            cure="use the vllm or openai engine (sample.engine.kind) for this model",
        )
    return LockstepKeyValues


@torch.no_grad()
def agrees_with_plain_forward(model: Any, kind: type[Any], ragged: bool) -> bool:
    """Whether `kind` gives the logits of plain forwards over a few tokens of several rows."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.get_input_embeddings().num_embeddings
    lengths = (7, 3) if ragged else (5, 5)
    texts = [torch.randint(vocabulary, (length + 2,), generator=generator) for length in lengths]
    groups = [Group(tuple(text[:-2].tolist()), 1) for text in texts]
    past = kind(model, len(texts))
    try:
        cached = [past.admit(groups)]
        for step in (-2, -1):
            cached.append(past.step(torch.stack([text[step] for text in texts]).to(model.device)))
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        log.info("%s can't hold the past of %s: %s", kind.__name__, type(model).__name__, error)
        return False
    for row, text in enumerate(texts):
        plain_TV = model(input_ids=text[None].to(model.device)).logits[0, -3:].float()
        got_TV = torch.stack([logits_NV[row] for logits_NV in cached]).float()
        tolerance = (1e-3 if model.dtype == torch.float32 else 0.05) * float(plain_TV.abs().max())
        if not torch.allclose(got_TV, plain_TV, rtol=0.0, atol=tolerance):
            return False
    return True
