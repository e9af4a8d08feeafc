"""What objectives share that judge each completion by itself: a pair is its two sides, and labels need no pairs.

    pairs     L = Σ_p w_p · loss(a⁺_p, a⁻_p)  /  Σ_p w_p
    labels    L = Σ_r w_r · ( desirable(a_r) or undesirable(a_r) )  /  Σ_r w_r

Counts pairs, or labelled rows, by their weights.

Axes: N completions, P pairs, R labelled rows.
"""

from __future__ import annotations

import abc

import torch
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.objectives.contract import Loss
from codealign.objectives.pairwise import LogRatioObjective, SectionT


class LabelledObjective(LogRatioObjective[SectionT]):
    """Reads pairs and labelled rows; a batch is of one of the two."""

    reads_labels = True

    @abc.abstractmethod
    def desirable(self, log_ratios_R: Tensor) -> Tensor:
        """[R] losses of completions to be made likelier, from their log-ratios (nats)."""

    @abc.abstractmethod
    def undesirable(self, log_ratios_R: Tensor) -> Tensor:
        """[R] losses of completions to be made less likely."""

    def count(self, batch: Batch) -> float:
        return super().count(batch) + float(batch.label_weights_R.sum())

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        if not batch.num_labelled:
            return super().__call__(outputs, batch)
        ratios_R = outputs.log_ratios_N[batch.labelled_R]
        losses_R = torch.where(batch.labels_R, self.desirable(ratios_R), self.undesirable(ratios_R))
        return Loss((batch.label_weights_R * losses_R).sum(), self.metrics(outputs, batch))

    def metrics(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """As of pairs, one value a row of that label; a margin is of pairs alone."""
        if not batch.num_labelled:
            return super().metrics(outputs, batch)
        ratios_N, logps_N = outputs.log_ratios_N.detach(), outputs.logps_N.detach()
        metrics: dict[str, Tensor] = {}
        for side, labels_R in (("chosen", batch.labels_R), ("rejected", ~batch.labels_R)):
            numbers = batch.labelled_R[labels_R]
            metrics[f"rewards/{side}"] = self.config.beta * ratios_N[numbers]
            metrics[f"log_ratio/{side}"] = ratios_N[numbers]
            metrics[f"logps/{side}"] = logps_N[numbers]
        return metrics
