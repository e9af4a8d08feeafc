"""Prompts through the model: each beginning that several of them share is computed once where that is cheaper.

Attention is causal, so the keys and values of a prompt are the first columns of those of any text that extends it, and
the logits of the token after it are those at its last position. So of the prompts that are computed together

- one that another one extends takes no computation, only its columns and its position's logits;
- the rest of one that shares its beginning with a prompt already computed is computed after that one's past.

Prompts are computed in the order of a dictionary, in which each comes right before those that extend it, and next to
those that share most with it. A trie of prompts is thus gone through depth first, with one past in hand.

Not promised: the best plan. A past that is not in hand is computed again.

Axes: P texts, T columns computed, C columns cached, H key heads, D head width, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Any, NamedTuple, cast

import torch
from transformers import DynamicCache

Ids = tuple[int, ...]

PREFILL_TOKENS = 1024
"""Tokens of prompts, padding included, that one forward makes or is given: enough for full speed, and few to hold."""

FORWARD_TOKENS = 16
"""What a forward costs beside its tokens, in tokens: less than so many are not worth another one."""


class PromptPast(NamedTuple):
    """What a prompt leaves: keys and values [H, W, D] a layer, and logits_V of the token after it."""

    prompt_ids: Ids
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    logits_V: torch.Tensor

    def clone(self) -> PromptPast:
        layers = [(keys.clone(), values.clone()) for keys, values in self.layers]
        return PromptPast(self.prompt_ids, layers, self.logits_V.clone())


def num_shared(one: Ids, other: Ids) -> int:
    """Tokens that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def extends(text: Ids, beginning: Ids) -> bool:
    return text[: len(beginning)] == beginning


def compute(model: Any, prompts: Sequence[Ids], known: PromptPast | None) -> Iterator[PromptPast]:
    """The pasts of distinct prompts, in an order of their own, a few at a time.

    Args:
        known: of a prompt computed before; used where it helps.
    """
    waiting = deque(_in_order(prompts, known))
    while waiting:
        if known is not None and waiting[0] == known.prompt_ids:
            yield known
            waiting.popleft()
            continue
        together = _Together(waiting.popleft(), known)
        while waiting and together.takes(waiting[0]):
            together.add(waiting.popleft())
        for past in prefill(model, together.prompts, known if together.shares else None):
            yield past
            known = past


def _in_order(prompts: Sequence[Ids], known: PromptPast | None) -> list[Ids]:
    """Families of prompts that share a beginning: first one that shares the known past, then by length."""
    ordered = sorted(prompts)
    families = [ordered[:1]]
    for before, prompt in pairwise(ordered):
        if num_shared(before, prompt) < FORWARD_TOKENS and not extends(prompt, before):
            families.append([])
        families[-1].append(prompt)

    def rank(family: list[Ids]) -> tuple[bool, int]:
        # Those of similar length need little padding.
        shares = known is not None and any(
            num_shared(known.prompt_ids, prompt) >= FORWARD_TOKENS for prompt in family
        )
        return not shares, max(map(len, family))

    return [prompt for family in sorted(families, key=rank) for prompt in family]


class _Together:
    """Neighbours in order that fit one forward."""

    def __init__(self, first: Ids, known: PromptPast | None) -> None:
        self.known_ids = known.prompt_ids if known is not None else ()
        self.prompts = [first]
        self.ends = [first]
        """The prompts that none of the others extends."""
        self.shares = self._num_known(first) > 0

    def _num_known(self, prompt: Ids) -> int:
        """Leading tokens that need not be computed."""
        shared = min(num_shared(self.known_ids, prompt), len(prompt) - 1)
        return shared if shared >= FORWARD_TOKENS else 0

    def takes(self, prompt: Ids) -> bool:
        last = self.prompts[-1]
        if extends(prompt, last):
            ends = [*self.ends[:-1], prompt]
        else:
            # More to share with the last one, once that is computed, than with what is known now.
            if num_shared(last, prompt) - self._num_known(prompt) >= FORWARD_TOKENS:
                return False
            ends = [*self.ends, prompt]
        shares = self._num_known(prompt) > 0
        return shares == self.shares and len(ends) * max(map(len, ends)) <= PREFILL_TOKENS

    def add(self, prompt: Ids) -> None:
        if extends(prompt, self.prompts[-1]):
            self.ends.pop()
        self.ends.append(prompt)
        self.prompts.append(prompt)


def prefill(model: Any, prompts: Sequence[Ids], known: PromptPast | None) -> list[PromptPast]:
    """One forward over distinct prompts, after as much of the known past as all of them begin with.

    Texts are padded on the left. All have so many last columns computed as the one that needs most of them.
    """
    texts = [text for text in prompts if not any(_is_longer(other, text) for other in prompts)]
    text_of = [next(i for i, text in enumerate(texts) if extends(text, p)) for p in prompts]
    width = max(map(len, texts))
    num_columns = max(
        len(texts[text]) - _num_given(prompt, known)
        for prompt, text in zip(prompts, text_of, strict=True)
    )
    starts_P = torch.tensor([width - len(text) for text in texts], device=model.device)
    positions_PT = torch.arange(width, device=model.device)[None, :] - starts_P[:, None]
    cache = DynamicCache()
    if known is not None and num_columns < width:
        _fill(cache, known, [len(text) - num_columns for text in texts])
    # Column of the computed ones whose logits a prompt needs.
    last_of = [
        num_columns - len(texts[text]) + len(prompt) - 1
        for prompt, text in zip(prompts, text_of, strict=True)
    ]
    kept = sorted(set(last_of))
    outputs = model(
        input_ids=_padded(texts, width)[:, -num_columns:].to(model.device),
        attention_mask=(positions_PT >= 0).long() if min(map(len, texts)) < width else None,
        position_ids=positions_PT[:, -num_columns:].clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1 if len(kept) == 1 else torch.tensor(kept, device=model.device),
    )
    pasts: list[PromptPast] = []
    for prompt, text, last in zip(prompts, text_of, last_of, strict=True):
        start = width - len(texts[text])
        own = slice(start, start + len(prompt))
        layers = [
            (layer.keys[text, :, own], layer.values[text, :, own])
            for layer in cast(list[Any], cache.layers)
        ]
        # Some models' code knows no such keyword, and gives the logits of all columns.
        at = last if outputs.logits.shape[1] == num_columns else kept.index(last)
        pasts.append(PromptPast(prompt, layers, outputs.logits[text, at].clone()))
    return pasts


def _is_longer(other: Ids, text: Ids) -> bool:
    return len(other) > len(text) and extends(other, text)


def _num_given(prompt: Ids, known: PromptPast | None) -> int:
    """Columns of the known past that a prompt begins with; its last one is computed, for its logits."""
    return min(num_shared(known.prompt_ids, prompt), len(prompt) - 1) if known is not None else 0


def _padded(texts: Sequence[Ids], width: int) -> torch.Tensor:
    # The pad id is masked; 0 is in every vocabulary.
    return torch.tensor([[0] * (width - len(text)) + list(text) for text in texts])


def _fill(cache: DynamicCache, known: PromptPast, counts: Sequence[int]) -> None:
    """Put the first columns of the known past, so many for each text, before what will be computed."""
    width = max(counts)
    for number, layer in enumerate(known.layers):
        blocks: list[torch.Tensor] = []
        for part_HWD in layer:
            block_PHCD = part_HWD.new_zeros(
                len(counts), part_HWD.shape[0], width, part_HWD.shape[2]
            )
            for row, count in enumerate(counts):
                if count > 0:
                    block_PHCD[row, :, width - count :] = part_HWD[:, :count]
            blocks.append(block_PHCD)
        cache.update(blocks[0], blocks[1], number)
