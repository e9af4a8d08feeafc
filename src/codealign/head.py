"""From hidden states to log-probabilities of tokens, never holding [tokens, vocabulary] logits.

    logp(y) = h·w_y − log Σ_v exp(h·w_v)

Tokens pass the output layer a block at a time. Backward turns a block's logits into their gradient in place,
(1[v=y] − softmax)·g, and multiplies twice. Blocks' logits are kept for it as long as they fit in `kept_bytes`, so
that a microbatch of ordinary size costs three matrix products; the rest are computed again. Where the layer itself is not
trained (LoRA), g is a factor of each token's gradient: the forward multiplies already, nothing is kept, and two do.

Gradients of the output layer are added where they belong, with no dense temporary beside them; in a tied model
the embedding's go to the same place (`embed`). Everything is summed in float32 at least.

Not promised: second derivatives.

Axes: M tokens, m tokens of a block, D hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BLOCK_BYTES = 128 * 2**20
"""One block's logits: each walks through the weight three times, and larger ones gain little."""
KEPT_BYTES = 256 * 2**20
"""Logits kept from forward to backward."""
_ROWS = 4  # what is done to logits one by one is done to so many rows at a time, while they are in the cache


class Head(NamedTuple):
    """The output layer as a matrix, and what the model does to its logits.

    logits = cap · tanh( scale · (h·Wᵀ + b) / cap )
    """

    weight_VD: Tensor
    bias_V: Tensor | None
    scale: float = 1.0
    cap: float | None = None
    in_place: bool = True
    """Add the weight's gradient to `weight.grad` directly; False where something listens to autograd."""
    kept_bytes: int = KEPT_BYTES

    def logits(self, hidden_mD: Tensor) -> Tensor:
        """[m, V] before the cap, scaled."""
        logits_mV = hidden_mD @ self.weight_VD.T
        if self.bias_V is not None:
            logits_mV += self.bias_V
        return logits_mV if self.scale == 1.0 else logits_mV.mul_(self.scale)


def token_logps(hidden_MD: Tensor, targets_M: Tensor, head: Head) -> Tensor:
    """[M] log-probabilities (nats) of `targets_M` [M] int64, float32 at least, differentiable."""
    return _TokenLogps.apply(hidden_MD, head.weight_VD, head.bias_V, targets_M, head)  # type: ignore[return-value]


class _TokenLogps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_MD: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_M: Tensor,
        head: Head,
    ) -> Tensor:
        exact = torch.promote_types(hidden_MD.dtype, torch.float32)
        logps_M = torch.empty(len(targets_M), dtype=exact, device=hidden_MD.device)
        lse_M = torch.empty_like(logps_M)
        ones_M = torch.ones_like(logps_M)
        wants_hidden, *wants_layer = ctx.needs_input_grad[:3]
        slope_MD = torch.empty_like(hidden_MD) if wants_hidden and not any(wants_layer) else None
        kept: list[Tensor] = []
        room = head.kept_bytes if any(wants_layer) else 0
        for block in _blocks(len(targets_M), weight_VD[:, 0].nbytes):
            logits_mV = head.logits(hidden_MD[block])
            capped_mV = logits_mV if head.cap is None else _capped(logits_mV, head.cap)
            logps_M[block], lse_M[block] = _at_targets(capped_mV, targets_M[block])
            room -= logits_mV.nbytes
            if room >= 0:
                kept.append(logits_mV)
            if slope_MD is not None:
                grad_mV = _grad_of_logits(
                    logits_mV, targets_M[block], lse_M[block], ones_M[block], head
                )
                torch.mm(grad_mV, weight_VD, out=slope_MD[block])
        ctx.slope_MD = slope_MD
        ctx.save_for_backward(hidden_MD, weight_VD, targets_M, lse_M)
        ctx.kept, ctx.head = kept, head
        return logps_M

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad_M,) = grads
        hidden_MD, weight_VD, targets_M, lse_M = ctx.saved_tensors
        head: Head = ctx.head
        if ctx.slope_MD is not None:
            return ctx.slope_MD * grad_M[:, None].to(ctx.slope_MD.dtype), None, None, None, None
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        grad_MD = torch.empty_like(hidden_MD) if wants_hidden else None
        weight_sum = _Sum(weight_VD, head.in_place) if wants_weight else None
        bias_sum = (
            _Sum(head.bias_V, head.in_place) if wants_bias and head.bias_V is not None else None
        )
        # The first block's come last, and are let go one by one.
        kept, ctx.kept = ctx.kept[::-1], []
        for block in _blocks(len(targets_M), weight_VD[:, 0].nbytes):
            hidden_mD = hidden_MD[block]
            logits_mV = kept.pop() if kept else head.logits(hidden_mD)
            grad_mV = _grad_of_logits(
                logits_mV, targets_M[block], lse_M[block], grad_M[block], head
            )
            if grad_MD is not None:
                torch.mm(grad_mV, weight_VD, out=grad_MD[block])
            if weight_sum is not None:
                weight_sum.add_product(grad_mV, hidden_mD)
            if bias_sum is not None:
                bias_sum.add(grad_mV.sum(0))
        return (
            grad_MD,
            weight_sum.result() if weight_sum is not None else None,
            bias_sum.result() if bias_sum is not None else None,
            None,
            None,
        )


def _blocks(num_tokens: int, logits_bytes: int) -> list[slice]:
    """Tokens in blocks; `logits_bytes` are one token's."""
    size = max(1, BLOCK_BYTES // logits_bytes)
    return [slice(start, min(start + size, num_tokens)) for start in range(0, num_tokens, size)]


def _capped(logits_mV: Tensor, cap: float) -> Tensor:
    return (logits_mV / cap).tanh_().mul_(cap)


def _at_targets(logits_mV: Tensor, targets_m: Tensor) -> tuple[Tensor, Tensor]:
    """([m] log-probabilities of the targets, [m] log-sum-exps), in float32 at least."""
    exact = torch.promote_types(logits_mV.dtype, torch.float32)
    logps_m = torch.empty(len(logits_mV), dtype=exact, device=logits_mV.device)
    lse_m = torch.empty_like(logps_m)
    for rows in _in_rows(logits_mV):
        part, targets = logits_mV[rows].to(exact), targets_m[rows, None]
        # One pass of one kernel; a logsumexp of a whole block walks through memory five times.
        logps_m[rows] = part.log_softmax(-1).gather(1, targets)[:, 0]
        lse_m[rows] = part.gather(1, targets)[:, 0] - logps_m[rows]
    return logps_m, lse_m


def _in_rows(logits_mV: Tensor) -> list[slice]:
    """A few rows at a time where there is a cache to stay in; all at once on an accelerator, but for narrow types."""
    size = _ROWS
    if logits_mV.device.type != "cpu":
        size = len(logits_mV) if logits_mV.dtype.itemsize >= 4 else 32 * _ROWS
    return [slice(start, start + size) for start in range(0, len(logits_mV), max(size, 1))]


def _grad_of_logits(
    logits_mV: Tensor, targets_m: Tensor, lse_m: Tensor, grad_m: Tensor, head: Head
) -> Tensor:
    """d loss / d (h·Wᵀ + b), in the place of the logits; computed in float32 at least."""
    for rows in _in_rows(logits_mV):
        exact = logits_mV[rows].to(lse_m.dtype)
        grad = _exact_grad_of_logits(exact, targets_m[rows], lse_m[rows], grad_m[rows], head)
        if grad.data_ptr() != logits_mV[rows].data_ptr():
            logits_mV[rows] = grad
    return logits_mV


def _exact_grad_of_logits(
    logits_mV: Tensor, targets_m: Tensor, lse_m: Tensor, grad_m: Tensor, head: Head
) -> Tensor:
    slope_mV = None
    if head.cap is not None:
        tanh_mV = (logits_mV / head.cap).tanh_()
        slope_mV = 1 - tanh_mV * tanh_mV
        logits_mV = tanh_mV.mul_(head.cap)
    weight_m1 = (grad_m * head.scale)[:, None]
    grad_mV = logits_mV.sub_(lse_m[:, None]).exp_().mul_(-weight_m1)
    grad_mV.scatter_add_(1, targets_m[:, None], weight_m1)
    return grad_mV if slope_mV is None else grad_mV.mul_(slope_mV)


class _Sum:
    """Where a parameter's gradient is added up: its own `.grad`, or a tensor that autograd is given."""

    def __init__(self, parameter: Tensor, in_place: bool) -> None:
        self._parameter = parameter
        wide = torch.promote_types(parameter.dtype, torch.float32)
        if in_place and parameter.is_leaf and wide == parameter.dtype:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self._total = parameter.grad
        else:
            self._total = torch.zeros_like(parameter, dtype=wide)

    def add_product(self, grad_mV: Tensor, hidden_mD: Tensor) -> None:
        if self._total.dtype == grad_mV.dtype:
            self._total.addmm_(grad_mV.T, hidden_mD)
        else:
            self._total += grad_mV.T @ hidden_mD

    def add(self, value: Tensor) -> None:
        self._total += value

    def add_rows(self, rows: Tensor, values: Tensor) -> None:
        self._total.index_add_(0, rows, values.to(self._total.dtype))

    def result(self) -> Tensor | None:
        """What to return to autograd: None when it is in `.grad` already."""
        if self._parameter.grad is self._total:
            return None
        return self._total.to(self._parameter.dtype)


class AnyHead(NamedTuple):
    """Any output layer, as a function from [m, D] to [m, V]."""

    layer: Callable[[Tensor], Tensor]
    vocabulary: int
    scale: float = 1.0
    cap: float | None = None

    def logps(self, hidden_mD: Tensor) -> Tensor:
        """[m, V] log-probabilities of every token."""
        logits_mV = self.layer(hidden_mD) * self.scale
        capped_mV = logits_mV if self.cap is None else self.cap * torch.tanh(logits_mV / self.cap)
        return all_logps(capped_mV)


def all_logps(logits_mV: Tensor) -> Tensor:
    return logits_mV.to(torch.promote_types(logits_mV.dtype, torch.float32)).log_softmax(-1)


def token_logps_of(hidden_MD: Tensor, targets_M: Tensor, head: AnyHead) -> Tensor:
    """As `token_logps`, through any output layer: its blocks are computed again for the backward."""

    def of_block(hidden_mD: Tensor, targets_m: Tensor) -> Tensor:
        return head.logps(hidden_mD).gather(1, targets_m[:, None])[:, 0]

    parts = [
        checkpoint(of_block, hidden_MD[block], targets_M[block], use_reentrant=False)
        for block in _blocks(len(targets_M), 4 * head.vocabulary)
    ]
    return torch.cat(cast("list[Tensor]", parts))


class Spread(NamedTuple):
    """What needs the whole vocabulary: for objectives that ask. All in nats, differentiable but for the third."""

    logps_M: Tensor
    entropies_M: Tensor
    """− Σ_v π_v log π_v."""
    collisions_M: Tensor
    """log Σ_v π_v², of the probability that two draws are the same; a constant."""
    kls_M: Tensor | None
    """KL(π ‖ π_ref) = Σ_v π_v (log π_v − log ρ_v), constant in the reference ρ."""


def spread(logps_mV: Tensor, targets_m: Tensor, reference_logps_mV: Tensor | None) -> Spread:
    """Of whole rows of log-probabilities."""
    probabilities_mV = logps_mV.exp()
    kls_m = None
    if reference_logps_mV is not None:
        kls_m = (probabilities_mV * (logps_mV - reference_logps_mV.detach())).sum(-1)
    chosen_m = logps_mV.gather(1, targets_m[:, None])[:, 0]
    collisions_m = (2 * logps_mV.detach()).logsumexp(-1)
    return Spread(chosen_m, -(probabilities_mV * logps_mV).sum(-1), collisions_m, kls_m)


def token_spread(
    hidden_MD: Tensor,
    targets_M: Tensor,
    head: AnyHead,
    reference: tuple[Tensor, AnyHead] | None = None,
) -> Spread:
    """`Spread`, a block of logits at a time, forward and backward.

    Args:
        reference: the reference's [M, D] hidden states and output layer, for the KL.
    """

    def of_block(hidden_mD: Tensor, targets_m: Tensor, other_mD: Tensor | None) -> Spread:
        other_mV = None
        if reference is not None and other_mD is not None:
            with torch.no_grad():
                other_mV = reference[1].logps(other_mD)
        return spread(head.logps(hidden_mD), targets_m, other_mV)

    parts = [
        cast(
            Spread,
            checkpoint(
                of_block,
                hidden_MD[block],
                targets_M[block],
                None if reference is None else reference[0][block],
                use_reentrant=False,
            ),
        )
        for block in _blocks(len(targets_M), 4 * head.vocabulary)
    ]
    kls = [part.kls_M for part in parts if part.kls_M is not None]
    return Spread(
        torch.cat([part.logps_M for part in parts]),
        torch.cat([part.entropies_M for part in parts]),
        torch.cat([part.collisions_M for part in parts]),
        torch.cat(kls) if kls else None,
    )


def embed(ids: Tensor, weight_VD: Tensor, padding_id: int | None) -> Tensor:
    """Rows of the embedding; their gradient is added to `weight.grad` row by row, none to `padding_id`."""
    return _Embed.apply(ids, weight_VD, padding_id)  # type: ignore[return-value]


class _Embed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight_VD: Tensor, padding_id: int | None) -> Tensor:
        ctx.save_for_backward(ids, weight_VD)
        ctx.padding_id = padding_id
        return nn.functional.embedding(ids, weight_VD)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor | None, None]:
        (grad,) = grads
        ids, weight_VD = ctx.saved_tensors
        if not ctx.needs_input_grad[1]:
            return None, None, None
        rows, values = ids.reshape(-1), grad.reshape(-1, grad.shape[-1])
        if ctx.padding_id is not None:
            values = values * (rows != ctx.padding_id)[:, None]
        total = _Sum(weight_VD, in_place=True)
        total.add_rows(rows, values)
        return None, total.result(), None
