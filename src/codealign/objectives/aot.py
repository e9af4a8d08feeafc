"""Alignment by optimal transport (AOT, arXiv 2406.05882): one distribution above another, not pair by pair.

Two samples are sorted, and each quantile of one is compared with the same quantile of the other:

    L = Σ_q m_q · − log σ( β · [ u_(q) − v_(q) ] )  /  Σ_q m_q

    aot             u = log π(y⁺|x) − log π(y⁻|x) of the pairs,   v = the same under the reference
    aot_unpaired    u = log-ratios of the chosen sides,           v = those of the rejected sides

Pairs count by their `weight`: m_q is the weight that a stretch of both samples has in common, so that a pair of
weight 2 is the pair twice, and one of weight 0 is not there.

What a microbatch means: it is the sample. Eight microbatches of one pair are another objective than one of
eight; with a single pair both kinds are DPO, and quantiles get better the more pairs a microbatch has.

Left out: soft sorting, other losses than the logistic one.

Axes: N completions, P pairs, Q stretches of equal quantiles (at most 2P).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import AOT, AOTUnpaired
from codealign.objectives.contract import Loss
from codealign.objectives.pairwise import PairObjective, log_ratio_metrics


@dataclass(frozen=True)
class AOTObjective(PairObjective):
    """log 2 at the reference."""

    config: AOT
    needs_reference = True

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        logps_N = outputs.logps_N
        reference_N = logps_N - outputs.log_ratios_N
        margins_P = logps_N[batch.chosen_P] - logps_N[batch.rejected_P]
        reference_P = (reference_N[batch.chosen_P] - reference_N[batch.rejected_P]).detach()
        return _transport(margins_P, reference_P, self.config.beta, outputs, batch)


@dataclass(frozen=True)
class AOTUnpairedObjective(PairObjective):
    """log 2 at the reference."""

    config: AOTUnpaired
    needs_reference = True

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        log_ratios_N = outputs.log_ratios_N
        chosen_P, rejected_P = log_ratios_N[batch.chosen_P], log_ratios_N[batch.rejected_P]
        return _transport(chosen_P, rejected_P, self.config.beta, outputs, batch)


def _transport(
    above_P: Tensor, below_P: Tensor, beta: float, outputs: Outputs, batch: Batch
) -> Loss:
    above_order, below_order = above_P.argsort(stable=True), below_P.argsort(stable=True)
    above_ends, below_ends = (
        batch.pair_weights_P[order].double().cumsum(0) for order in (above_order, below_order)
    )
    ends_Q = torch.cat([above_ends, below_ends]).sort().values
    shares_Q = ends_Q.diff(prepend=ends_Q.new_zeros(1))
    above_Q = above_P[above_order[_quantile_at(ends_Q, above_ends)]]
    below_Q = below_P[below_order[_quantile_at(ends_Q, below_ends)]]
    losses_Q = -F.logsigmoid(beta * (above_Q - below_Q))
    return Loss(
        (shares_Q.to(losses_Q.dtype) * losses_Q).sum(), log_ratio_metrics(outputs, batch, beta)
    )


def _quantile_at(ends_Q: Tensor, sample_ends_P: Tensor) -> Tensor:
    """[Q] which of the sorted sample holds the stretch that ends at each of `ends_Q`."""
    # The two sums of all weights may differ in their last bit.
    return torch.searchsorted(sample_ends_P, ends_Q).clamp(max=len(sample_ends_P) - 1)
