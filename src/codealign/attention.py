"""Attention over trees, exactly: a prompt's keys are read by all its completions, and computed once.

A row is [prompt, completion 1 … completion K] in one flat sequence. A completion token attends to the prompt
and to its own completion. Softmax over [prompt keys ∪ own keys] is the merge of two softmaxes: with outputs
a, b and log-sum-exps A, B of the two parts,

    L = log(e^A + e^B),    o = a·e^(A−L) + b·e^(B−L),

and the gradient of each part is the flash backward of that part given the merged (o, L), the identity of ring
attention (arXiv 2310.01889, section 3). So no mask is ever made and no prompt key is repeated.

`split` does that with PyTorch's CPU flash kernel, `flex` with FlexAttention's block masks on a GPU, `dense` hands
the model an ordinary 4-D mask: the reference for the other two, and for models that take nothing else.

Not promised: windows shorter than a row, soft-capped scores, attention sinks, position biases. `NotATree` says
which, and the caller takes the plain path.

Axes: S tokens of all rows, H query heads, G key heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

SPLIT, FLEX, DENSE = "codealign_split", "codealign_flex", "dense"


class NotATree(Exception):
    """This model's attention is more than causal softmax; the message says in which way."""


class Row(NamedTuple):
    """A prompt and its completions as they lie in the flat sequence, from token `start`."""

    start: int
    num_prompt: int
    branches: tuple[int, ...]
    """Input tokens of each completion; none for a completion of one token, which is only a target."""

    @property
    def prompt(self) -> slice:
        return slice(self.start, self.start + self.num_prompt)

    @property
    def completions(self) -> slice:
        """All completions together."""
        start = self.start + self.num_prompt
        return slice(start, start + sum(self.branches))

    def each_completion(self) -> Iterator[slice]:
        start = self.start + self.num_prompt
        for length in self.branches:
            if length:
                yield slice(start, start + length)
            start += length


Rows = tuple[Row, ...]


# --- in parts, merged -----------------------------------------------------------------------------


class _Split(torch.autograd.Function):
    """softmax(q·kᵀ·scale)·v over trees, on the CPU. All tensors [1, H, S, D]."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, rows: Rows, scale: float) -> Tensor:
        out = torch.empty_like(q)
        lse = q.new_empty(q.shape[:3], dtype=torch.promote_types(q.dtype, torch.float32))
        for row in rows:
            _attend(q, k, v, row.prompt, row.prompt, scale, out, lse, causal=True)
            if row.completions.start == row.completions.stop:
                continue
            _attend(q, k, v, row.completions, row.prompt, scale, out, lse, causal=False)
            for own in row.each_completion():
                _attend_more(q, k, v, own, scale, out, lse)
        # The kernel answers NaN with zeros, and broken weights would go unnoticed.
        if not (q.sum() + k.sum()).isfinite():
            out.fill_(torch.nan)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.rows, ctx.scale = rows, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_out,) = grads
        q, k, v, out, lse = ctx.saved_tensors
        grad_out = grad_out.to(q.dtype)
        totals = tuple(torch.zeros_like(part) for part in (q, k, v))

        def add(queries: slice, keys: slice, causal: bool) -> None:
            parts = _BACKWARD(
                grad_out[:, :, queries],
                q[:, :, queries],
                k[:, :, keys],
                v[:, :, keys],
                out[:, :, queries],
                lse[:, :, queries],
                0.0,
                causal,
                scale=ctx.scale,
            )
            for total, part, place in zip(totals, parts, (queries, keys, keys), strict=True):
                total[:, :, place] += part

        for row in ctx.rows:
            add(row.prompt, row.prompt, True)
            if row.completions.start < row.completions.stop:
                add(row.completions, row.prompt, False)
                for own in row.each_completion():
                    add(own, own, True)
        return (*totals, None, None)


_FORWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    queries: slice,
    keys: slice,
    scale: float,
    out: Tensor,
    lse: Tensor,
    *,
    causal: bool,
) -> None:
    """Write the attention of `queries` over `keys` to `out` and `lse`."""
    out[:, :, queries], lse[:, :, queries] = _FORWARD(
        q[:, :, queries], k[:, :, keys], v[:, :, keys], 0.0, causal, scale=scale
    )


def _attend_more(
    q: Tensor, k: Tensor, v: Tensor, own: slice, scale: float, out: Tensor, lse: Tensor
) -> None:
    """Merge a completion's attention over itself into what it has from the prompt."""
    o_own, lse_own = _FORWARD(q[:, :, own], k[:, :, own], v[:, :, own], 0.0, True, scale=scale)
    o_prompt, lse_prompt = out[:, :, own], lse[:, :, own]
    merged = torch.logaddexp(lse_prompt, lse_own)
    share_prompt = (lse_prompt - merged).exp().unsqueeze(-1)
    share_own = (lse_own - merged).exp().unsqueeze(-1)
    out[:, :, own] = (o_prompt * share_prompt + o_own * share_own).to(out.dtype)
    lse[:, :, own] = merged


def _in_parts(query: Tensor, key: Tensor, value: Tensor, rows: Rows, scale: float | None) -> Tensor:
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = (part.repeat_interleave(repeats, dim=1) for part in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return cast(Tensor, _Split.apply(query, key, value, rows, scale))


# --- one kernel with a block mask -----------------------------------------------------------------


def _in_blocks(
    query: Tensor, key: Tensor, value: Tensor, rows: Rows, scale: float | None
) -> Tensor:
    """By FlexAttention (arXiv 2412.05496), with one block mask a batch."""
    return _compiled_flex(query.device.type)(
        query,
        key,
        value,
        block_mask=_block_mask(rows, query.device),
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )


@lru_cache
def _compiled_flex(device_type: str) -> Any:
    from torch.nn.attention import flex_attention as flex

    # Uncompiled it is a dense attention: right, and only for tests.
    return torch.compile(flex.flex_attention) if device_type == "cuda" else flex.flex_attention


@lru_cache(maxsize=4)
def _block_mask(rows: Rows, device: torch.device) -> Any:
    from torch.nn.attention import flex_attention as flex

    place = Places.of(rows, device)

    def sees(_batch: Tensor, _head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return place.sees(q, k)

    num_tokens = len(place.row_S)
    return flex.create_block_mask(sees, None, None, num_tokens, num_tokens, device=str(device))


class Places(NamedTuple):
    """Where each token stands; who sees whom follows from it."""

    row_S: Tensor
    branch_S: Tensor
    """0 in the prompt, 1 … K in the completions."""

    @classmethod
    def of(cls, rows: Rows, device: torch.device | str) -> Places:
        lengths = [(row.num_prompt, *row.branches) for row in rows]
        row = [number for number, parts in enumerate(lengths) for _ in range(sum(parts))]
        branch = [b for parts in lengths for b, length in enumerate(parts) for _ in range(length)]
        return cls(torch.tensor(row, device=device), torch.tensor(branch, device=device))

    def sees(self, q: Tensor, k: Tensor) -> Tensor:
        """Whether token q attends to token k."""
        same_row = self.row_S[q] == self.row_S[k]
        same_branch = self.branch_S[q] == self.branch_S[k]
        return (k <= q) & same_row & ((self.branch_S[k] == 0) | same_branch)


def dense_mask(rows: Rows, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """[1, 1, S, S], 0 where token q (third axis) attends to token k (last) and very negative elsewhere."""
    place = Places.of(rows, device)
    index_S = torch.arange(len(place.row_S), device=device)
    sees_SS = place.sees(index_S[:, None], index_S[None, :])
    lowest = torch.finfo(dtype).min
    return torch.zeros_like(sees_SS, dtype=dtype).masked_fill_(~sees_SS, lowest)[None, None]


# --- as transformers calls it ---------------------------------------------------------------------

Attend = Callable[[Tensor, Tensor, Tensor, Rows, float | None], Tensor]


def _interface(attend: Attend) -> Callable[..., tuple[Tensor, None]]:
    """`attend` as transformers' attention interface: [1, H, S, D] queries, [1, G, S, D] keys, out [1, S, H, D]."""

    def attention(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Any,
        scaling: float | None = None,
        tree_rows: Rows | None = None,
        **others: Any,
    ) -> tuple[Tensor, None]:
        if tree_rows is None:  # sampling, plain rows: everything else that the model is used for
            sdpa = ALL_ATTENTION_FUNCTIONS["sdpa"]
            return sdpa(module, query, key, value, attention_mask, scaling=scaling, **others)
        _check(module, tree_rows, others)
        # Autocast leaves rotated queries and keys in float32 beside values in bfloat16.
        query, key = query.to(value.dtype), key.to(value.dtype)
        return attend(query, key, value, tree_rows, scaling).transpose(1, 2), None

    return attention


def _check(module: torch.nn.Module, rows: Rows, others: dict[str, Any]) -> None:
    """Raise NotATree where the model asks for more than causal softmax."""
    if getattr(module, "is_causal", True) is False:
        raise NotATree("its attention looks ahead")
    for name in ("softcap", "s_aux", "position_bias"):
        if others.get(name) is not None:
            raise NotATree(f"its attention has {name}")
    window = others.get("sliding_window")
    longest = max(row.num_prompt + max(row.branches, default=0) for row in rows)
    if window is not None and window < longest:
        raise NotATree(f"its window of {window} tokens is shorter than a text of {longest}")


split_attention = _interface(_in_parts)
flex_attention = _interface(_in_blocks)
AttentionInterface.register(SPLIT, split_attention)
AttentionInterface.register(FLEX, flex_attention)
