"""Several references as one virtual reference: MRPO (arXiv 2405.16388).

    ARWC        α_k = A_k / Σ_j A_j,   A_k = | log π_k(y⁺|x) − log π_k(y⁻|x) |
    CTRO        log π̂_k = log π_k clipped to [ (1 + ε)·log π_1, (1 − ε)·log π_1 ],   log π_1 < 0 the primary's
    adaptive    ε⁺ = ε_max·M⁺/(M⁺ + M⁻),   M = | mean_k log π_k |,   ε⁻ likewise
    harmonic    log π̃ = − log Σ_k α_k / π̂_k
    geometric   log π̃ = Σ_k α_k log π̂_k
    Multi-DPO   L = Σ_k α_k · L_DPO with the reference π̂_k

MRPO is DPO with the harmonic virtual reference; the geometric one makes the penalty Σ_k α_k KL(π ‖ π_k) exact.
Sequence log-probs are tens of nats or more, so unclipped the harmonic mean is about the least likely reference's.

The formulas are those of the paper's code, whose two references became K; the paper's own could not be compared. That
code gives α_k to the other one of its two references, in the harmonic mean alone and against what ARWC is for;
`swap_alpha` is its order. It adds 1e-6 to the denominator of α, which cancels in a pair. None of these carries a
gradient: references are frozen.

Left out: where the numbers come from (`codealign.reference_logps`); they must be of the same text, whatever tokens each
reference makes of it.

Axes: N completions, P pairs, S sides of pairs (2P, all chosen ones first), K references, the primary first: the policy
before training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import (
    MRPO,
    AdaptiveClipping,
    FixedClipping,
    FixedWeights,
    NoClipping,
    PerPairWeights,
    ValidationWeights,
)
from codealign.errors import DataError
from codealign.objectives.contract import Loss
from codealign.objectives.pairwise import PairObjective, log_ratio_metrics, weighted_sum


class Sides(NamedTuple):
    """Of the chosen and the rejected side: log-probs of whole completions, or what is made of them."""

    chosen: Tensor
    rejected: Tensor


def adaptive_weights(logps_PK: Sides) -> Tensor:
    """[P, K] α of ARWC, of unclipped log-probs; equal weights where no reference tells the sides apart."""
    return _shares((logps_PK.chosen - logps_PK.rejected).abs())


def validation_weights(logps_PK: Sides, lengths_P: Sides) -> Tensor:
    """[K] α for all pairs, from pairs that are not trained on (arXiv 2512.10040, after its abstract).

        α_k ∝ mean_p | log π_k(y⁺|x)/|y⁺| − log π_k(y⁻|x)/|y⁻| |

    |y| are the policy's tokens for every reference: one unit, where each reference's own tokens would favour those
    with long ones. Equal weights where no reference tells any sides apart.
    """
    each_PK = _per_token(logps_PK, lengths_P)
    gaps_1K = (each_PK.chosen - each_PK.rejected).abs().mean(0, keepdim=True)
    return _shares(gaps_1K)[0]


def _per_token(logps_PK: Sides, lengths_P: Sides) -> Sides:
    return Sides(*(logps / n[:, None] for logps, n in zip(logps_PK, lengths_P, strict=True)))


def _shares(amounts_PK: Tensor) -> Tensor:
    totals_P1 = amounts_PK.sum(1, keepdim=True)
    return torch.where(totals_P1 > 0, amounts_PK / totals_P1, 1 / amounts_PK.shape[1])


def adaptive_epsilons(logps_PK: Sides, epsilon_max: float) -> Sides:
    """[P] ε⁺ and ε⁻, which add up to `epsilon_max` (the paper's code: 0.1), of unclipped log-probs."""
    means_P2 = torch.stack([logps.mean(1).abs() for logps in logps_PK], dim=1)
    return Sides(*(epsilon_max * _shares(means_P2)).unbind(1))


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


VIRTUAL: Mapping[str, Callable[[Sides, Tensor], Sides]] = {
    "harmonic": harmonic,
    "geometric": geometric,
}
"""What makes one reference of several, by the name that a run file has for it."""


@dataclass(frozen=True)
class MRPOObjective(PairObjective):
    """DPO against a virtual reference; against each of several with `combine: multi_dpo`.

    At the first step the policy is the primary reference and not the virtual one, so the loss is not log 2. Rewards
    and log-ratios are logged to the primary, as other objectives': what tells of a collapse compares. Logged besides
    are `reference_weight/k` (α_k, the primary is 0), `reference_epsilon/*` where there is clipping, and
    `log_ratio/virtual_*` where there is one reference to have it to.
    """

    config: MRPO
    needs_reference = True

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        logps_PK = self._logps(outputs, batch)
        alphas_PK = self._alphas(logps_PK, outputs, batch)
        epsilons_P = self._epsilons(logps_PK)
        clipped_PK = logps_PK if epsilons_P is None else clip_to_primary(logps_PK, epsilons_P)
        policy_P = _policy_in_the_references_precision(outputs, batch, logps_PK)
        metrics = log_ratio_metrics(outputs, batch, self.config.beta)
        metrics |= {f"reference_weight/{k}": column for k, column in enumerate(alphas_PK.unbind(1))}
        if epsilons_P is not None:
            metrics |= _named("reference_epsilon/", epsilons_P)
        combine = VIRTUAL.get(self.config.combine)
        if combine is None:
            losses_P = multi_dpo(policy_P, clipped_PK, alphas_PK, self.config.beta)
        else:
            virtual_P = combine(clipped_PK, alphas_PK)
            ratios_P = Sides(*(p - v for p, v in zip(policy_P, virtual_P, strict=True)))
            losses_P = -F.logsigmoid(self.config.beta * (ratios_P.chosen - ratios_P.rejected))
            metrics |= _named("log_ratio/virtual_", ratios_P)
        return Loss(weighted_sum(losses_P.to(outputs.logps_NT.dtype), batch), metrics)

    def _logps(self, outputs: Outputs, batch: Batch) -> Sides:
        """[P, K] each: the primary's column from the outputs, the others' from the pairs."""
        if outputs.reference_logps_NT is None:
            raise ValueError("an objective that reads log-ratios must set needs_reference = True")
        others_SK, num_others = batch.reference_logps_SK, len(self.config.references)
        if others_SK is None or others_SK.shape[1] != num_others:
            found = 0 if others_SK is None else others_SK.shape[1]
            raise DataError(
                f"pairs have log-probs of {found} references, and {num_others} are named",
                where="train.objective.kind: mrpo",
                cure="have a run's stage `annotate`, or codealign.reference_logps, ask those of train.objective.references, "
                "or choose dpo",
            )
        primary_N1 = outputs.reference_logps_NT.detach().sum(-1, keepdim=True)
        sides = zip((batch.chosen_P, batch.rejected_P), others_SK.chunk(2), strict=True)
        return Sides(*(torch.cat([primary_N1[n_P], others_PK], 1) for n_P, others_PK in sides))

    def _alphas(self, logps_PK: Sides, outputs: Outputs, batch: Batch) -> Tensor:
        """[P, K], from the pairs' own columns or from unclipped log-probs."""
        match self.config.weights:
            case FixedWeights(alphas=alphas):
                return logps_PK.chosen.new_tensor(alphas).expand_as(logps_PK.chosen)
            case ValidationWeights():
                if batch.reference_weights_PK is None:
                    raise DataError(
                        "pairs have no reference_weights",
                        where="train.objective.weights.kind: validation",
                        cure="have a run's stage `annotate`, or codealign.reference_logps, make them, or choose "
                        "kind: per_pair",
                    )
                return batch.reference_weights_PK
            case PerPairWeights(length_normalised=length_normalised, swap_alpha=swap_alpha):
                if length_normalised:
                    logps_PK = _per_token(logps_PK, _sides(outputs.lengths_N, batch))
                alphas_PK = adaptive_weights(logps_PK)
                return alphas_PK.flip(1) if swap_alpha else alphas_PK

    def _epsilons(self, logps_PK: Sides) -> Sides | None:
        """[P] each; None where nothing is clipped."""
        match self.config.clipping:
            case AdaptiveClipping(epsilon=epsilon):
                return adaptive_epsilons(logps_PK, epsilon)
            case FixedClipping(epsilon=epsilon):
                return Sides(*(torch.full_like(logps[:, 0], epsilon) for logps in logps_PK))
            case NoClipping():
                return None


def _policy_in_the_references_precision(outputs: Outputs, batch: Batch, logps_PK: Sides) -> Sides:
    """[P] each: log π as the primary's plus the log-ratio, which is exactly 0 at the first step."""
    ratios_P = _sides(outputs.log_ratios_N, batch)
    return Sides(*(a + logps[:, 0] for a, logps in zip(ratios_P, logps_PK, strict=True)))


def _sides(values_N: Tensor, batch: Batch) -> Sides:
    return Sides(values_N[batch.chosen_P], values_N[batch.rejected_P])


def _named(prefix: str, values_P: Sides) -> dict[str, Tensor]:
    return {f"{prefix}{side}": values.detach() for side, values in values_P._asdict().items()}
