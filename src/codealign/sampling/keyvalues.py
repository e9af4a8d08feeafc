"""Where the decode loop keeps keys and values: what every way has in common, and two of the three.

`SlotKeyValues` has one slot a row, and makes room in steps. Every row has its own length and starts at column 0, so a
new row can join at any step and a finished row costs nothing: the last row moves into its place. A
prompt is computed once (`prefill` does it, together with those that it shares a beginning with) and its keys and
values are copied to the slots of its samples.

`LockstepKeyValues` keeps the cache that transformers makes for the model. All rows have the same
length, so it serves what slots can't: sliding windows shorter than the text, recurrent states, attention
that reads distances from the cache's columns.

`shared_prompts` has the third, the fastest; `selfcheck` finds out which one serves a model.

Axes: N rows, P prompts, W columns, H key heads, D head width, V vocabulary.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, CacheLayerMixin

from codealign.sampling.prefill import PromptPast, compute

GROWTH = 64
"""Columns are added in steps of this."""


class Group(NamedTuple):
    """A prompt and how many rows continue it."""

    prompt_ids: tuple[int, ...]
    num_rows: int


class KeyValues(Protocol):
    """The cached past of the active rows, always rows 0 … active - 1."""

    shares_prompts: ClassVar[bool]
    """Whether a prompt is held once for all its rows, or once for each."""
    active: int

    def __init__(self, model: Any, num_slots: int) -> None: ...

    def accepts(self, prompt_length: int, taken_length: int | None) -> bool:
        """Whether a prompt may join now, after one of `taken_length` was taken in the same step."""
        ...

    def admit(self, groups: Sequence[Group]) -> torch.Tensor:
        """Append rows for the groups, of different prompts, in order; logits_NV of their first token."""
        ...

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        """Feed one token to every active row; logits_NV of the next."""
        ...

    def move(self, kept: int, target: Sequence[int], source: Sequence[int]) -> None:
        """Keep `kept` rows, after copying row source[i] over row target[i]."""
        ...


class Store:
    """One layer's keys and values, [slots, H, W, D], which grow."""

    def __init__(self, like: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.keys, self.values = (
            part.new_empty(0, part.shape[0], 0, part.shape[2]) for part in like
        )

    def reserve(self, num_slots: int, width: int) -> None:
        """Have at least so many slots and columns; what is held stays."""
        have_slots, _, have_width, _ = self.keys.shape
        if num_slots > have_slots or width > have_width:
            num_slots, width = max(num_slots, have_slots), max(in_steps(width), have_width)
            self.keys = _enlarged(self.keys, num_slots, width)
            self.values = _enlarged(self.values, num_slots, width)

    def put(self, slots: slice, past: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Write a prompt's keys and values to the first columns of `slots`."""
        for part, new in zip((self.keys, self.values), past, strict=True):
            part[slots, :, : new.shape[1]] = new

    def copy(self, to: torch.Tensor, of: torch.Tensor, width: int) -> None:
        for part in (self.keys, self.values):
            part[to, :, :width] = part[of, :, :width]


def in_steps(width: int) -> int:
    """Columns to make when so many are needed."""
    return -(-width // GROWTH) * GROWTH


def _enlarged(old: torch.Tensor, num_slots: int, width: int) -> torch.Tensor:
    # Masked columns are read too: garbage there could be NaN.
    new = old.new_zeros(num_slots, old.shape[1], width, old.shape[3])
    new[: old.shape[0], :, : old.shape[2]] = old
    return new


class SlotLayer(CacheLayerMixin):
    """One layer's slots behind the face that transformers expects of a cache layer."""

    is_sliding = False

    def __init__(self, slots: SlotKeyValues, store: Store) -> None:
        # Not the slots themselves, which hold this: a circle keeps all keys and values until Python looks for circles.
        self.slots, self.store = weakref.proxy(slots), store
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing is lazy here."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        slots, store = self.slots, self.store
        rows_N, lengths_N = slots.rows[: slots.active], slots.lengths[: slots.active]
        store.keys[rows_N, :, lengths_N] = key_states[:, :, 0]
        store.values[rows_N, :, lengths_N] = value_states[:, :, 0]
        return (
            store.keys[: slots.active, :, : slots.width],
            store.values[: slots.active, :, : slots.width],
        )

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.slots.width, 0

    def get_seq_length(self) -> int:
        return self.slots.width - 1

    def get_max_length(self) -> int:
        return -1


class SlotKeyValues:
    """Rows of different lengths in slots of their own; see the module's text."""

    shares_prompts: ClassVar[bool] = False

    def __init__(self, model: Any, num_slots: int) -> None:
        self.model = model
        self.active = self.width = self.longest = 0
        self.rows = torch.arange(num_slots, device=model.device)
        self.lengths = torch.zeros(num_slots, dtype=torch.long, device=model.device)
        """Columns that each slot holds."""
        self.columns = torch.arange(0, device=model.device)
        self.num_slots = 0
        """To have: of the most rows there were at once."""
        self.stores: list[Store] = []
        self.cache: Cache | None = None
        self.carried: PromptPast | None = None

    def accepts(self, prompt_length: int, taken_length: int | None) -> bool:
        return True

    def admit(self, groups: Sequence[Group]) -> torch.Tensor:
        self._expect(groups)
        places: dict[tuple[int, ...], slice] = {}
        for prompt_ids, num_rows in groups:
            places[prompt_ids] = slice(self.active, self.active + num_rows)
            self.active += num_rows
        logits_V: dict[tuple[int, ...], torch.Tensor] = {}
        for past in compute(self.model, list(places), self.carried):
            logits_V[past.prompt_ids] = past.logits_V
            self._join(past, places[past.prompt_ids])
            # A prompt whose samples do not all fit now is the last one; the rest follow next time.
            if past.prompt_ids == groups[-1].prompt_ids:
                self.carried = past.clone()
        self.longest = int(self.lengths[: self.active].max())
        return torch.cat([logits_V[ids].expand(num_rows, -1) for ids, num_rows in groups])

    def _expect(self, groups: Sequence[Group]) -> None:
        """Know the room that is needed before the first group joins: each enlargement copies everything."""
        num_rows = self.active + sum(group.num_rows for group in groups)
        self.num_slots = max(self.num_slots, num_rows)

    def _join(self, past: PromptPast, rows: slice) -> None:
        """Let `rows` continue a prompt."""
        if self.cache is None:
            self.stores = [Store(layer) for layer in past.layers]
            self.cache = Cache(layers=[SlotLayer(self, store) for store in self.stores])
        self.lengths[rows] = self._hold(past, rows)

    def _hold(self, past: PromptPast, rows: slice) -> int:
        """Keep a prompt for `rows`; the columns of theirs that it fills."""
        self._make_room(len(past.prompt_ids) + 1)
        for store, layer in zip(self.stores, past.layers, strict=True):
            store.put(rows, layer)
        return len(past.prompt_ids)

    def _make_room(self, width: int) -> None:
        if width > len(self.columns):
            self.columns = torch.arange(in_steps(width), device=self.model.device)
        for store in self.stores:
            store.reserve(self.num_slots, width)

    def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
        self.width = self.longest + 1
        self._make_room(self.width)
        logits_NV = self._forward(tokens_N)
        self.lengths[: self.active] += 1
        self.longest += 1
        return logits_NV

    def _forward(self, tokens_N: torch.Tensor) -> torch.Tensor:
        lengths_N = self.lengths[: self.active]
        outputs = self.model(
            input_ids=tokens_N[:, None],
            attention_mask=(self.columns[: self.width] <= lengths_N[:, None]).long(),
            position_ids=lengths_N[:, None],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return outputs.logits[:, -1]

    def move(self, kept: int, target: Sequence[int], source: Sequence[int]) -> None:
        if target:
            to, of = self.rows[list(target)], self.rows[list(source)]
            for store in self.stores:
                store.copy(to, of, self.longest)
            self.lengths[to] = self.lengths[of]
        self.active = kept
        self.longest = int(self.lengths[:kept].max()) if kept else 0


class LockstepKeyValues:
    """Rows of one length in the cache that transformers makes for this model."""

    shares_prompts: ClassVar[bool] = False

    def __init__(self, model: Any, num_slots: int) -> None:
        self.model = model
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
