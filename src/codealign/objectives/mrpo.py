"""Several references as one virtual reference: the formulas of MRPO (arXiv 2405.16388).

    ARWC        α_k = A_k / Σ_j A_j,   A_k = | log π_k(y⁺|x) − log π_k(y⁻|x) |
    CTRO        log π̂_k = log π_k clipped to [ (1 + ε)·log π_1, (1 − ε)·log π_1 ],   log π_1 < 0 the primary's
    adaptive    ε⁺ = ε_max·M⁺/(M⁺ + M⁻),   M = | mean_k log π_k |,   ε⁻ likewise
    harmonic    log π̃ = − log Σ_k α_k / π̂_k
    geometric   log π̃ = Σ_k α_k log π̂_k
    Multi-DPO   L = Σ_k α_k · L_DPO with the reference π̂_k

MRPO is DPO with the harmonic virtual reference; the geometric one makes the penalty Σ_k α_k KL(π ‖ π_k) exact.
Sequence log-probs are tens of nats or more, so unclipped the harmonic mean is about the least likely reference's.

The released code gives α_k to the other one of its two references, against the formula above; swap the columns of α
for its numbers. It adds 1e-6 to the denominator of α, which cancels in a pair. None of these carries a gradient:
references are frozen.

Left out: where the columns come from; they must be of the same text, whatever tokens each reference makes of it.

Axes: P pairs, K references, the primary first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Sides(NamedTuple):
    """Of the chosen and the rejected side: log-probs of whole completions, or what is made of them."""

    chosen: Tensor
    rejected: Tensor


def adaptive_weights(logps_PK: Sides) -> Tensor:
    """[P, K] α of ARWC, of unclipped log-probs; equal weights where no reference tells the sides apart."""
    gaps_PK = (logps_PK.chosen - logps_PK.rejected).abs()
    totals_P1 = gaps_PK.sum(1, keepdim=True)
    return torch.where(totals_P1 > 0, gaps_PK / totals_P1, 1 / gaps_PK.shape[1])


def adaptive_epsilons(logps_PK: Sides, epsilon_max: float) -> Sides:
    """[P] ε⁺ and ε⁻, which add up to `epsilon_max` (the paper's code: 0.1), of unclipped log-probs."""
    chosen_P, rejected_P = (logps.mean(1).abs() for logps in logps_PK)
    total_P = chosen_P + rejected_P
    return Sides(epsilon_max * chosen_P / total_P, epsilon_max * rejected_P / total_P)


def clip_to_primary(logps_PK: Sides, epsilons_P: Sides) -> Sides:
    """[P, K] each: CTRO. The primary's column stays as it is."""
    return Sides(
        *(_clip(logps, epsilon) for logps, epsilon in zip(logps_PK, epsilons_P, strict=True))
    )


def _clip(logps_PK: Tensor, epsilon_P: Tensor) -> Tensor:
    primary_P1, epsilon_P1 = logps_PK[:, :1], epsilon_P[:, None]
    # (1 + ε) is the lower bound: log-probs are negative.
    lowest_P1, highest_P1 = (1 + epsilon_P1) * primary_P1, (1 - epsilon_P1) * primary_P1
    return logps_PK.maximum(lowest_P1).minimum(highest_P1)


def harmonic(logps_PK: Sides, alphas_PK: Tensor) -> Sides:
    """[P] each: log π̃ of MRPO. An α of 0 leaves a reference out."""
    return Sides(*(-(alphas_PK.log() - logps).logsumexp(1) for logps in logps_PK))


def geometric(logps_PK: Sides, alphas_PK: Tensor) -> Sides:
    """[P] each: log π̃ whose DPO is exact for the weighted sum of KLs."""
    return Sides(*((alphas_PK * logps).sum(1) for logps in logps_PK))


def multi_dpo(policy_P: Sides, logps_PK: Sides, alphas_PK: Tensor, beta: float) -> Tensor:
    """[P] losses: the weighted mean of DPO's, one for each reference."""
    margins_PK = (policy_P.chosen - policy_P.rejected)[:, None] - (
        logps_PK.chosen - logps_PK.rejected
    )
    return -(alphas_PK * F.logsigmoid(beta * margins_PK)).sum(1)
