"""Kahneman-Tversky optimisation (KTO, arXiv 2402.01306, equation 8), each side of a pair by itself.

    L = ½ · [ λ_D · ( 1 − σ(β(a⁺ − z0)) ) + λ_U · ( 1 − σ(β(z0 − a⁻)) ) ]

    z0 = max( 0, mean over mismatched completions of log π(y'|x)/π_ref(y'|x) )

a⁺ and a⁻ are the log-ratios of the sides. z0 stands for KL(π ‖ π_ref). As in the paper it is estimated from
completions under prompts that they were not written for, without gradient: one for each prompt of a microbatch
that has several.

What a microbatch means: nothing for the loss. The z0 of a step is the one measured over all microbatches and
processes of the step before, 0 at first, where the policy is the reference. TRL takes the mean of one process's
microbatch, of the step itself: noisier, and another loss for another microbatch size.

Left out: data that is not in pairs, with as many of one side as there are. A completion that is in two pairs
counts in both.

Axes: N completions, P pairs, M mismatched completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import KTO
from codealign.objectives.pairwise import LogRatioObjective


@dataclass(frozen=True)
class KTOObjective(LogRatioObjective[KTO]):
    """(λ_D + λ_U)/4 at the reference: ½ for weights of 1."""

    anchor: dict[str, float] = field(default_factory=lambda: {"z0": 0.0})
    needs_mismatched = True

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        beta, z0 = self.config.beta, self.anchor["z0"]
        desirable_P = self.config.desirable_weight * (beta * (z0 - chosen_P)).sigmoid()
        undesirable_P = self.config.undesirable_weight * (beta * (rejected_P - z0)).sigmoid()
        return (desirable_P + undesirable_P) / 2

    def metrics(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """`kl` are the mismatched log-ratios, in nats; their mean over this step is the next one's z0."""
        mismatched_M = outputs.log_ratios_N.detach()[batch.mismatched_M]
        return super().metrics(outputs, batch) | {"kl": mismatched_M}

    def after_step(self, means: Mapping[str, float]) -> None:
        # A step in which no microbatch has two prompts has measured nothing.
        self.anchor["z0"] = max(0.0, means.get("kl", self.anchor["z0"]))

    def state_dict(self) -> dict[str, Any]:
        return dict(self.anchor)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.anchor.update(state)
