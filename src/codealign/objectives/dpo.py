"""Direct preference optimisation (arXiv 2305.18290, eq. 7), the objective of arXiv 2410.18585.

    L = − Σ_p w_p · log σ( β · [ log π(y⁺|x)/π_ref(y⁺|x) − log π(y⁻|x)/π_ref(y⁻|x) ] )  /  Σ_p w_p

Log-probabilities are sums over the tokens of a completion, EOS included; the mean is over pairs,
weighted by the pairs' `weight`. Left out: label smoothing and length normalisation, which are other
objectives.

Axes: N completions, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F

from codealign.batches import Batch, Outputs
from codealign.config import DPO
from codealign.objectives.contract import Loss
from codealign.objectives.pair_metrics import pair_metrics


@dataclass(frozen=True)
class DPOObjective:
    """Counts pairs. At the reference the loss is log 2 for every pair."""

    config: DPO
    needs_reference: ClassVar[bool] = True
    needs_rejected: ClassVar[bool] = True
    needs_entropy: ClassVar[bool] = False
    needs_kl: ClassVar[bool] = False

    def count(self, batch: Batch) -> float:
        return float(batch.pair_weights_P.sum())

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        log_ratios_N = outputs.log_ratios_N
        margins_P = log_ratios_N[batch.chosen_P] - log_ratios_N[batch.rejected_P]
        losses_P = -F.logsigmoid(self.config.beta * margins_P)
        return Loss(
            sum=(batch.pair_weights_P * losses_P).sum(),
            metrics=pair_metrics(outputs, batch, self.config.beta),
        )
