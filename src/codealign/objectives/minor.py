"""MinorDPO (arXiv 2408.09834) and MinorSFT (arXiv 2408.10642): push only as long as the policy has not gone far.

Axes: N completions, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import MinorDPO, MinorSFT
from codealign.objectives.contract import Loss, Objective
from codealign.objectives.pairwise import LogRatioObjective


class MinorDPOObjective(LogRatioObjective[MinorDPO]):
    """A rejected side that is already less likely than under the reference is left alone.

        L = − log σ( β · [ a⁺ − max(0, a⁻) ] )

    log 2 at the reference. There a⁻ is exactly 0 for every pair, and what counts as the slope of max(0, a⁻)
    decides the first step. We take 1 (`clamp`): the gate is open at 0 and the first step is DPO's. The paper
    does not say; `relu` would take 0, and the first step would learn from the chosen sides alone.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return -F.logsigmoid(self.config.beta * (chosen_P - rejected_P.clamp(min=0)))

    def metrics(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Rewards are logged unclamped; `gate_open` is the share of pairs whose rejected side is pushed."""
        metrics = super().metrics(outputs, batch)
        return metrics | {"gate_open": (metrics["log_ratio/rejected"] >= 0).float()}


@dataclass(frozen=True)
class MinorSFTObjective(Objective):
    """Likelihood of the chosen side, fading as the policy leaves the reference. Counts completions.

        L = Σ_n w_n · 2/(β|y_n|) · − log σ(βa_n)  /  Σ_n w_n

    The gradient is (2/|y|)·σ(−βa) times that of the log-likelihood: 1/|y| at the reference, as for `sft` with
    `mean_over: completions`; 0 where a → ∞, and at most twice that. The paper gives the gradient; the loss is
    the one that has it. 2 log 2 / (β|y|) at the reference.
    """

    config: MinorSFT
    needs_reference = True
    reads_labels = True

    def count(self, batch: Batch) -> float:
        return float(batch.weights_N.sum())

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        beta, log_ratios_N = self.config.beta, outputs.log_ratios_N
        losses_N = -F.logsigmoid(beta * log_ratios_N) * (2 / beta) / outputs.lengths_N
        counted = batch.weights_N > 0
        deviations_N = log_ratios_N.detach() / outputs.lengths_N
        metrics = {
            "logps/chosen": outputs.logps_N.detach()[counted],
            "log_ratio/chosen": log_ratios_N.detach()[counted],
            "deviation": deviations_N[counted],
        }
        return Loss((batch.weights_N * losses_N).sum(), metrics)
