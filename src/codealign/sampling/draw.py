"""From logits to tokens, by inverse CDF on a uniform number that belongs to the request.

One uniform number a token keeps the random stream independent of everything else in the batch.
Probabilities are summed in float64, so only noise in the logits themselves can change a draw: a change
of size e in the probabilities moves a draw with probability about e.

Large vocabularies are gone through a few rows at a time, so that what is made of the logits stays in the cache,
and the CDF is searched in two steps: which block, then which token in it.

Axes: N rows, V vocabulary, K candidates in order of falling score, B blocks, C tokens of a block.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from codealign.sampling.engine import SamplingParams

NUCLEUS_GUESS = 1024
"""Candidates sorted first for top-p and min-p; the whole vocabulary only where they do not hold all that is kept."""

LOGITS_AT_ONCE = 2**18
"""1 MB in float32: with 151,936 tokens about four times as fast as 64 rows at once."""

BLOCK = 512


class Choice(NamedTuple):
    """`tokens_N` int64; `logps_N` float32 nats, at temperature 1 before any filter."""

    tokens_N: torch.Tensor
    logps_N: torch.Tensor


def choose_tokens(
    logits_NV: torch.Tensor, uniforms_N: torch.Tensor, params: SamplingParams
) -> Choice:
    """One token a row.

    Args:
        logits_NV: the model's logits, any floating type.
        uniforms_N: float64 in [0, 1); not read when the temperature is 0.
        params: temperature, top_k, top_p, min_p.
    """
    num_rows = max(1, LOGITS_AT_ONCE // logits_NV.shape[-1])
    choices = [
        _choose(some_NV.float(), some_N, params)
        for some_NV, some_N in zip(
            logits_NV.split(num_rows), uniforms_N.split(num_rows), strict=True
        )
    ]
    return Choice(*(torch.cat(parts) for parts in zip(*choices, strict=True)))


def _choose(logits_NV: torch.Tensor, uniforms_N: torch.Tensor, params: SamplingParams) -> Choice:
    scores_NV = logits_NV
    if params.temperature not in (0, 1):
        scores_NV = logits_NV / params.temperature
    if params.temperature == 0:
        tokens_N = logits_NV.argmax(dim=-1)
    elif params.top_k or params.top_p < 1 or params.min_p > 0:
        tokens_N = _draw_filtered(scores_NV, uniforms_N, params)
    else:
        weights_NV = (scores_NV - scores_NV.amax(dim=-1, keepdim=True)).exp_()
        tokens_N = _inverse_cdf(weights_NV, uniforms_N)
    chosen_N = logits_NV.gather(1, tokens_N[:, None])[:, 0]
    return Choice(tokens_N, chosen_N - logits_NV.logsumexp(dim=-1))


def _draw_filtered(
    scores_NV: torch.Tensor, uniforms_N: torch.Tensor, params: SamplingParams
) -> torch.Tensor:
    num_candidates = min(params.top_k or NUCLEUS_GUESS, scores_NV.shape[-1])
    scores_NK, ids_NK = scores_NV.topk(num_candidates, dim=-1)
    # After top-k the nucleus is of what is left; without it, of the whole vocabulary.
    total_N1 = (scores_NK if params.top_k else scores_NV).logsumexp(dim=-1, keepdim=True)
    probs_NK = (scores_NK - total_N1).exp()
    if not (params.top_k or _holds_all_that_is_kept(probs_NK, params)):
        scores_NK, ids_NK = scores_NV.sort(dim=-1, descending=True)
        probs_NK = (scores_NK - total_N1).exp()
    weights_NK = _drop_unlikely(probs_NK, params)
    return ids_NK.gather(1, _inverse_cdf(weights_NK, uniforms_N)[:, None])[:, 0]


def _holds_all_that_is_kept(probs_NK: torch.Tensor, params: SamplingParams) -> bool:
    """Whether in every row top-p or min-p keeps no token after the K candidates."""
    held_N = torch.zeros(len(probs_NK), dtype=torch.bool, device=probs_NK.device)
    if params.top_p < 1:
        held_N |= probs_NK.sum(dim=-1) >= params.top_p
    if params.min_p > 0:
        held_N |= probs_NK[:, -1] < params.min_p * probs_NK[:, 0]
    return bool(held_N.all())


def _drop_unlikely(probs_NK: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    """Zero what top-p and min-p exclude; the first candidate always stays."""
    if params.top_p < 1:
        mass_before_NK = probs_NK.cumsum(dim=-1, dtype=torch.float64) - probs_NK
        probs_NK = probs_NK.masked_fill(mass_before_NK >= params.top_p, 0.0)
    if params.min_p > 0:
        probs_NK = probs_NK.masked_fill(probs_NK < params.min_p * probs_NK[:, :1], 0.0)
    return probs_NK


def _inverse_cdf(weights_NK: torch.Tensor, uniforms_N: torch.Tensor) -> torch.Tensor:
    """The first index whose cumulative weight exceeds uniform x total; weights need no common scale."""
    weights_NBC = F.pad(weights_NK, (0, -weights_NK.shape[-1] % BLOCK)).unflatten(-1, (-1, BLOCK))
    ends_NB = weights_NBC.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    target_N1 = uniforms_N[:, None] * ends_NB[:, -1:]
    block_N1 = _first_above(ends_NB, target_N1)
    before_N1 = F.pad(ends_NB, (1, 0)).gather(1, block_N1)
    inside_NC = weights_NBC.take_along_dim(block_N1[:, :, None], dim=1)[:, 0]
    inside_NC = inside_NC.cumsum(dim=-1, dtype=torch.float64)
    return (block_N1 * BLOCK + _first_above(inside_NC, target_N1 - before_N1))[:, 0]


def _first_above(cdf_NK: torch.Tensor, target_N1: torch.Tensor) -> torch.Tensor:
    """[N, 1] first index at which a rising row exceeds its target."""
    # Rounding may lift the target to the total itself, which would point past the last weight.
    below_N1 = torch.nextafter(cdf_NK[:, -1:], torch.zeros_like(target_N1))
    return torch.searchsorted(cdf_NK, torch.minimum(target_N1, below_N1), right=True)
