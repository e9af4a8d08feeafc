"""Likelihood of the chosen side: supervised fine-tuning on the programs that passed.

    mean_over: tokens         L = − Σ_n w_n log π(y_n|x)  /  Σ_n w_n |y_n|
    mean_over: completions    L = − Σ_n w_n log π(y_n|x) / |y_n|  /  Σ_n w_n

The baseline of arXiv 2410.18585: the same chosen programs as DPO, so that a difference between the
two is due to the rejected side. No reference, and the rejected side is never computed.

`sft` and `rft` differ in w_n alone: for `sft` it is the summed weight of the pairs in which completion n is the
chosen one, for `rft` the largest of their weights, and the completion comes once an epoch. Of labelled completions the
desirable ones are learnt, by the weights of their rows.

Axes: N completions.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import RFT, SFT
from codealign.objectives.contract import Loss, Objective


@dataclass(frozen=True)
class SFTObjective(Objective):
    """Counts tokens of the chosen completions, or those completions."""

    config: SFT | RFT
    reads_labels = True

    def count(self, batch: Batch) -> float:
        return float((batch.weights_N * batch.lengths_N / self._shares(batch.lengths_N)).sum())

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        logps_N = outputs.logps_N
        return Loss(
            sum=-(batch.weights_N * logps_N / self._shares(outputs.lengths_N)).sum(),
            metrics={"logps/chosen": logps_N.detach()[batch.weights_N > 0]},
        )

    def _shares(self, lengths_N: Tensor) -> Tensor | int:
        """[N] tokens that share one completion's weight."""
        return lengths_N if self.config.mean_over == "completions" else 1


class RFTObjective(SFTObjective):
    """Rejection-sampling fine-tuning (arXiv 2308.01825): every distinct program that passed, once."""

    needs_distinct = True
