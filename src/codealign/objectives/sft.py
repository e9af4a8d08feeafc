"""Token-mean likelihood of the chosen side: rejection-sampling fine-tuning (RFT).

    L = − Σ_n w_n Σ_t log π(y_n,t | x, y_n,<t)  /  Σ_n w_n |y_n|

The baseline of arXiv 2410.18585: the same chosen programs as DPO, so that a difference between the
two is due to the rejected side. w_n is the summed weight of the pairs in which completion n is the
chosen one. No reference, and the rejected side is never computed.

Axes: N completions, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codealign.batches import Batch, Outputs
from codealign.config import SFT
from codealign.objectives.contract import Loss


@dataclass(frozen=True)
class SFTObjective:
    """Counts tokens of the chosen completions."""

    config: SFT
    needs_reference: ClassVar[bool] = False
    needs_rejected: ClassVar[bool] = False
    needs_entropy: ClassVar[bool] = False
    needs_kl: ClassVar[bool] = False

    def count(self, batch: Batch) -> float:
        return float((batch.weights_N * batch.lengths_N).sum())

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        logps_N = outputs.logps_N
        return Loss(
            sum=-(batch.weights_N * logps_N).sum(),
            metrics={"logps/chosen": logps_N.detach()[batch.weights_N > 0]},
        )
