"""DPO plus the likelihood of the chosen side (iterative RPO, arXiv 2404.19733, equation 1).

    L = − log σ( β(a⁺ − a⁻) ) − α · log π(y⁺|x) / |y⁺|

The likelihood is per token of its own completion, so both terms count pairs; TRL's sum of `sigmoid` and `sft`
takes the mean over all tokens of a microbatch instead. a⁺ and a⁻ are the log-ratios of the sides to the
reference. Left out: the outer loop of sampling anew.

Axes: N completions, P pairs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import RPO
from codealign.objectives.contract import Loss
from codealign.objectives.pairwise import LogRatioObjective, weighted_sum


class RPOObjective(LogRatioObjective[RPO]):
    """log 2 − α·log π(y⁺|x)/|y⁺| at the reference."""

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return -F.logsigmoid(self.config.beta * (chosen_P - rejected_P))

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        dpo = super().__call__(outputs, batch)
        nlls_P = -(outputs.logps_N / outputs.lengths_N)[batch.chosen_P]
        return Loss(
            dpo.sum + self.config.nll_weight * weighted_sum(nlls_P, batch),
            dpo.metrics | {"nll_loss": nlls_P.detach()},
        )
