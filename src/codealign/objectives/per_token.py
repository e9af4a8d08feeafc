"""Losses of log-ratios or log-probs per token, so that a long completion counts like a short one.

Axes: N completions, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import ORPO, DPONorm, IPONorm, SimPO
from codealign.objectives.contract import Loss
from codealign.objectives.pairwise import (
    LogRatioObjective,
    PairObjective,
    SectionT,
    reward_metrics,
    weighted_sum,
)


class _LogRatioPerToken(LogRatioObjective[SectionT]):
    """`losses` gets log-ratios divided by the number of tokens; what is logged stays undivided, as TRL's."""

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        per_token_N = outputs.log_ratios_N / outputs.lengths_N
        losses_P = self.losses(per_token_N[batch.chosen_P], per_token_N[batch.rejected_P])
        return Loss(weighted_sum(losses_P, batch), self.metrics(outputs, batch))


class DPONormObjective(_LogRatioPerToken[DPONorm]):
    """Length-normalised DPO (Tülu 3, arXiv 2411.15124, section 5), TRL's `sigmoid_norm`.

        L = − log σ( β · [ a⁺/|y⁺| − a⁻/|y⁻| ] )

    log 2 at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return -F.logsigmoid(self.config.beta * (chosen_P - rejected_P))


class IPONormObjective(_LogRatioPerToken[IPONorm]):
    """IPO (arXiv 2310.12036, equation 17) per token, TRL's `ipo`.

        L = ( a⁺/|y⁺| − a⁻/|y⁻| − 1/2β )²

    The paper does not speak of it; TRL has it from the authors. 1/4β² at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return (chosen_P - rejected_P - 1 / (2 * self.config.beta)).square()


@dataclass(frozen=True)
class SimPOObjective(PairObjective):
    """Simple preference optimisation (arXiv 2405.14734, equation 6).

        L = − log σ( β · [ log π(y⁺|x)/|y⁺| − log π(y⁻|x)/|y⁻| ] − γ )

    No reference: nothing holds the policy where it was but the learning rate. − log σ(−γ) where both
    sides are equally likely per token.
    """

    config: SimPO

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        rewards_N = self.config.beta * outputs.logps_N / outputs.lengths_N
        margins_P = rewards_N[batch.chosen_P] - rewards_N[batch.rejected_P]
        losses_P = -F.logsigmoid(margins_P - self.config.gamma)
        return Loss(weighted_sum(losses_P, batch), reward_metrics(rewards_N, outputs, batch))


@dataclass(frozen=True)
class ORPOObjective(PairObjective):
    """Odds ratio preference optimisation (arXiv 2403.07691, equations 6 and 7).

        L = − log p⁺ − λ · log σ( log odds(p⁺) − log odds(p⁻) ),   p = π(y|x)^{1/|y|},   odds(p) = p / (1 − p)

    The likelihood is over the completion and per pair. TRL's covers the prompt too, and is a mean over the
    tokens of the batch. − log p + λ log 2 where both sides are equally likely per token.
    """

    config: ORPO

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        means_N = outputs.logps_N / outputs.lengths_N
        log_odds_N = means_N - _log1mexp(means_N)
        margins_P = log_odds_N[batch.chosen_P] - log_odds_N[batch.rejected_P]
        losses_P = -means_N[batch.chosen_P] - self.config.odds_weight * F.logsigmoid(margins_P)
        metrics = reward_metrics(self.config.odds_weight * means_N, outputs, batch) | {
            "nll_loss": -means_N.detach()[batch.chosen_P],
            "log_odds_chosen": margins_P.detach(),
        }
        return Loss(weighted_sum(losses_P, batch), metrics)


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 − e^x) for x < 0 to full precision; x of 0, a certain completion, is taken as one step below."""
    x = x.clamp(max=-torch.finfo(x.dtype).eps)
    return torch.where(x > -0.6931, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))
