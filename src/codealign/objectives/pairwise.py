"""What pairwise objectives share: a weighted sum over pairs, and what is logged under TRL's names.

Axes: N completions, P pairs.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import LogRatioSection
from codealign.objectives.contract import Loss, Objective

SectionT = TypeVar("SectionT", bound=LogRatioSection)


class PairObjective(Objective):
    """Counts pairs, by their weights."""

    needs_rejected = True

    def count(self, batch: Batch) -> float:
        return float(batch.pair_weights_P.sum())


@dataclass(frozen=True)
class LogRatioObjective(PairObjective, Generic[SectionT]):
    """Σ_p w_p · loss(a⁺_p, a⁻_p), where a is a completion's log-ratio to the reference."""

    config: SectionT
    needs_reference = True

    @abc.abstractmethod
    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        """[P] losses of pairs from the log-ratios (nats) of their sides."""

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        log_ratios_N = outputs.log_ratios_N
        losses_P = self.losses(log_ratios_N[batch.chosen_P], log_ratios_N[batch.rejected_P])
        return Loss(weighted_sum(losses_P, batch), self.metrics(outputs, batch))

    def metrics(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        return log_ratio_metrics(outputs, batch, self.config.beta)


def weighted_sum(losses_P: Tensor, batch: Batch) -> Tensor:
    return (batch.pair_weights_P * losses_P).sum()


def log_ratio_metrics(outputs: Outputs, batch: Batch, beta: float) -> dict[str, Tensor]:
    """One detached value per pair.

    Rewards are the implicit ones, β·log-ratio (arXiv 2305.18290, section 4); `log_ratio/*` are the same
    unscaled, in nats, so that runs of different β compare.
    """
    log_ratios_N = outputs.log_ratios_N.detach()
    return reward_metrics(beta * log_ratios_N, outputs, batch) | {
        "log_ratio/chosen": log_ratios_N[batch.chosen_P],
        "log_ratio/rejected": log_ratios_N[batch.rejected_P],
    }


def reward_metrics(rewards_N: Tensor, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
    """One detached value per pair; `logps/*` are log π of the whole completion."""
    rewards_N, logps_N = rewards_N.detach(), outputs.logps_N.detach()
    chosen_P, rejected_P = rewards_N[batch.chosen_P], rewards_N[batch.rejected_P]
    return {
        "rewards/chosen": chosen_P,
        "rewards/rejected": rejected_P,
        "rewards/accuracies": (chosen_P > rejected_P).float(),
        "rewards/margins": chosen_P - rejected_P,
        "logps/chosen": logps_N[batch.chosen_P],
        "logps/rejected": logps_N[batch.rejected_P],
    }
