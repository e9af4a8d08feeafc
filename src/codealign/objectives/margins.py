"""Other losses of DPO's margin: z = β·(a⁺ − a⁻), where a is a completion's log-ratio to the reference.

Each is DPO with another function in the place of − log σ(z), on sums over tokens. The losses of margins
per token are in `per_token`.

Axes: P pairs.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.config import CDPO, EXO, IPO, DiscoPOP, Hinge, RobustDPO
from codealign.objectives.pairwise import LogRatioObjective


class CDPOObjective(LogRatioObjective[CDPO]):
    """Conservative DPO (a note of DPO's authors, 2023): a share ε of the labels is believed to be wrong.

        L = − (1 − ε) log σ(z) − ε log σ(−z)

    Smallest at σ(z) = 1 − ε, where DPO has no minimum. log 2 at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        z_P, epsilon = self.config.beta * (chosen_P - rejected_P), self.config.label_smoothing
        return -(1 - epsilon) * F.logsigmoid(z_P) - epsilon * F.logsigmoid(-z_P)


class RobustDPOObjective(LogRatioObjective[RobustDPO]):
    """Robust DPO (arXiv 2403.00409, section 3.1): a share ε of the labels is flipped at random.

        L = [ − (1 − ε) log σ(z) + ε log σ(−z) ] / (1 − 2ε)

    Its mean over the flips is DPO's loss of the true labels. It has no lower bound. log 2 at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        z_P, epsilon = self.config.beta * (chosen_P - rejected_P), self.config.label_smoothing
        as_labelled_P, flipped_P = -F.logsigmoid(z_P), -F.logsigmoid(-z_P)
        return ((1 - epsilon) * as_labelled_P - epsilon * flipped_P) / (1 - 2 * epsilon)


class HingeObjective(LogRatioObjective[Hinge]):
    """The rank calibration of SLiC-HF (arXiv 2305.10425), on log-ratios as in RSO (arXiv 2309.06657).

        L = max(0, 1 − z)

    A pair that is right by 1/β nats is left alone. 1 at the reference. Left out: SLiC's likelihood term.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return torch.relu(1 - self.config.beta * (chosen_P - rejected_P))


class IPOObjective(LogRatioObjective[IPO]):
    """Identity preference optimisation (arXiv 2310.12036, equation 17), whose τ is our β.

        L = ( a⁺ − a⁻ − 1/2β )²

    The margin is in nats over whole completions, as the equation has it. 1/4β² at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return (chosen_P - rejected_P - 1 / (2 * self.config.beta)).square()


class EXOObjective(LogRatioObjective[EXO]):
    """Efficient exact optimisation of a pair (arXiv 2402.00856, equation 16): KL( policy's ‖ labels' preference ).

        L = σ(z) · log[ σ(z) / (1 − ε) ] + σ(−z) · log[ σ(−z) / ε ]

    The KL the other way round is cDPO's. − log 2 − ½ log(ε(1 − ε)) at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        z_P, epsilon = self.config.beta * (chosen_P - rejected_P), self.config.label_smoothing
        right_P = z_P.sigmoid() * (F.logsigmoid(z_P) - math.log1p(-epsilon))
        wrong_P = (-z_P).sigmoid() * (F.logsigmoid(-z_P) - math.log(epsilon))
        return right_P + wrong_P


class DiscoPOPObjective(LogRatioObjective[DiscoPOP]):
    """The log-ratio modulated loss that a language model discovered (arXiv 2406.08414, equation 5).

        L = − (1 − σ(z/τ)) · log σ(z) + σ(z/τ) · e^{−z}

    Logistic on wrong pairs, exponential on right ones. ½ log 2 + ½ at the reference.
    """

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        z_P = self.config.beta * (chosen_P - rejected_P)
        steep_P = z_P / self.config.tau
        logistic_P = -(-steep_P).sigmoid() * F.logsigmoid(z_P)
        # σ(z/τ) · e^{−z} in one exponent: apart they are 0 · ∞ where a pair is very wrong.
        return logistic_P + (F.logsigmoid(steep_P) - z_P).exp()
