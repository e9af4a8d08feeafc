"""Losses that judge each side of a pair by itself, so that a pair can't be won by sinking both sides.

a⁺ and a⁻ are the log-ratios of the sides to the reference.

Axes: P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import BCO, NCA, APODown, APOZero, SPPOHard
from codealign.objectives.labelled import LabelledObjective
from codealign.objectives.pairwise import LogRatioObjective


class NCAObjective(LogRatioObjective[NCA]):
    """Noise contrastive alignment of a pair (arXiv 2402.05369, section 4.1).

        L = − log σ(βa⁺) − ½ log σ(−βa⁺) − ½ log σ(−βa⁻)

    2 log 2 at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        chosen_P, rejected_P = self.config.beta * chosen_P, self.config.beta * rejected_P
        noise_P = F.logsigmoid(-chosen_P) + F.logsigmoid(-rejected_P)
        return -F.logsigmoid(chosen_P) - 0.5 * noise_P


class APOZeroObjective(LogRatioObjective[APOZero]):
    """Anchored preference optimisation, zero (arXiv 2408.06266, equation 7).

        L = 1 − σ(βa⁺) + σ(βa⁻)

    Chosen up and rejected down, both most at the reference and fading away from it. 1 at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        beta = self.config.beta
        return (-beta * chosen_P).sigmoid() + (beta * rejected_P).sigmoid()


class APODownObjective(LogRatioObjective[APODown]):
    """Anchored preference optimisation, down (arXiv 2408.06266, equation 8).

        L = σ(βa⁺) + 1 − σ(β(a⁺ − a⁻))

    Lowers both sides, the rejected one more. 1 at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        beta = self.config.beta
        return (beta * chosen_P).sigmoid() + (beta * (rejected_P - chosen_P)).sigmoid()


class SPPOHardObjective(LogRatioObjective[SPPOHard]):
    """Self-play preference optimisation (arXiv 2405.00675, equation 4.7), the winner's probability being 1.

        L = ( a⁺ − 1/2β )² + ( a⁻ + 1/2β )²

    The paper's η is 1/β. 1/2β² at the reference, half a million nats² at the paper's η: look at the
    gradient, not at the loss. Left out: estimated probabilities and the outer loop of self-play.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        target = 1 / (2 * self.config.beta)
        return (chosen_P - target).square() + (rejected_P + target).square()


@dataclass(frozen=True)
class BCOObjective(LabelledObjective[BCO]):
    """Binary classifier optimisation (arXiv 2404.04656, section 4).

        L = − log σ(βa⁺ − δ) − log σ(−(βa⁻ − δ)),   δ = ½ ( mean of βa⁺ + mean of βa⁻ )

    Of labelled completions L is the mean over rows, half of what it is for the same completions in pairs. δ is a moving average over optimiser steps. It moves after a step, by the means over all the step's pairs,
    and is a constant within one: however a step is cut into microbatches, the loss is the same. A
    step without one of the sides leaves it. At the reference δ is 0 and the loss 2 log 2, log 2 of labels. Left out: the density ratio for unpaired data of two sources.
    """

    shift: dict[str, float] = field(default_factory=lambda: {"delta": 0.0})

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return self.desirable(chosen_P) + self.undesirable(rejected_P)

    def desirable(self, log_ratios_R: Tensor) -> Tensor:
        return -F.logsigmoid(self.config.beta * log_ratios_R - self.shift["delta"])

    def undesirable(self, log_ratios_R: Tensor) -> Tensor:
        return -F.logsigmoid(self.shift["delta"] - self.config.beta * log_ratios_R)

    def metrics(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        metrics = super().metrics(outputs, batch)
        num_values = batch.num_pairs or batch.num_labelled
        delta = metrics["rewards/chosen"].new_full((num_values,), self.shift["delta"])
        return metrics | {"delta": delta}

    def after_step(self, means: Mapping[str, float]) -> None:
        decay = self.config.shift_decay
        # Not from rewards: in a sum of losses they may be another term's, of another β.
        sides = [
            means[name] for name in ("log_ratio/chosen", "log_ratio/rejected") if name in means
        ]
        if decay is not None and len(sides) == 2:
            now = self.config.beta * sum(sides) / 2
            self.shift["delta"] = decay * self.shift["delta"] + (1 - decay) * now

    def state_dict(self) -> dict[str, Any]:
        return dict(self.shift)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.shift.update(state)
