"""Kahneman-Tversky optimisation (KTO, arXiv 2402.01306, equation 8), each completion by itself.

    desirable      l = λ_D · ( 1 − σ(β(a − z0)) )
    undesirable    l = λ_U · ( 1 − σ(β(z0 − a)) )

    z0 = max( 0, mean over mismatched completions of log π(y'|x)/π_ref(y'|x) )

a is a completion's log-ratio. L is the mean of l over labelled completions; of a pair it is the mean over its two
sides, so that pairs and the same completions with labels have one loss. z0 stands for KL(π ‖ π_ref). As in the paper
it is estimated from completions under prompts that they were not written for, without gradient: one for each prompt of
a step that has several.

What a microbatch means: nothing. The z0 of a step is the one measured over all of the step before, whatever microbatches
and processes that was cut into, and 0 at first, where the policy is the reference. TRL takes the mean of one process's
microbatch, of the step itself: noisier, and another loss for another microbatch size.

A completion that is in two pairs counts in both. Nothing is rebalanced: λ_D·n_D / λ_U·n_U is the user's to set, and
a ratio outside the paper's [1, 4/3] is remarked upon.

Axes: N completions, P pairs, R labelled rows, M mismatched completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import KTO
from codealign.objectives.labelled import LabelledObjective


@dataclass(frozen=True)
class KTOObjective(LabelledObjective[KTO]):
    """(λ_D + λ_U)/4 at the reference for as many of each: ½ for weights of 1."""

    anchor: dict[str, float] = field(default_factory=lambda: {"z0": 0.0})
    needs_mismatched = True

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return (self.desirable(chosen_P) + self.undesirable(rejected_P)) / 2

    def desirable(self, log_ratios_R: Tensor) -> Tensor:
        gaps_R = self.config.beta * (self.anchor["z0"] - log_ratios_R)
        return self.config.desirable_weight * gaps_R.sigmoid()

    def undesirable(self, log_ratios_R: Tensor) -> Tensor:
        gaps_R = self.config.beta * (log_ratios_R - self.anchor["z0"])
        return self.config.undesirable_weight * gaps_R.sigmoid()

    def remarks(self, desirable: float, undesirable: float) -> list[str]:
        wanted, unwanted = (
            self.config.desirable_weight * desirable,
            self.config.undesirable_weight * undesirable,
        )
        if unwanted <= wanted <= 4 / 3 * unwanted + 1e-9:
            return []
        side = f"{desirable:g} desirable and {undesirable:g} undesirable completions"
        if not (desirable and undesirable):
            return [f"{side}: with one side alone nothing is told apart"]
        lowest = self.config.undesirable_weight * undesirable / desirable
        return [
            f"{side}: desirable_weight and undesirable_weight make them {wanted / unwanted:.2f} to 1, the paper asks "
            f"for 1 to 1.33 to 1. Set desirable_weight between {lowest:.3g} and {lowest * 4 / 3:.3g}, or the other"
        ]

    def metrics(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """`kl` are the mismatched log-ratios, in nats; their mean over this step is the next one's z0."""
        mismatched_M = outputs.log_ratios_N.detach()[batch.mismatched_M]
        return super().metrics(outputs, batch) | {"kl": mismatched_M}

    def after_step(self, means: Mapping[str, float]) -> None:
        # A step of one prompt has measured nothing.
        self.anchor["z0"] = max(0.0, means.get("kl", self.anchor["z0"]))

    def state_dict(self) -> dict[str, Any]:
        return dict(self.anchor)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.anchor.update(state)
