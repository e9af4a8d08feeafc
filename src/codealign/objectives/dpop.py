"""DPO-positive (Smaug, arXiv 2402.13228, equation 3).

    L = − log σ( β · [ a⁺ − a⁻ − λ · max(0, −a⁺) ] )

a⁺ and a⁻ are the log-ratios of the sides to the reference. The penalty holds the chosen side at or above the
reference, where pairs that differ in a token or two let DPO sink it.

Axes: P pairs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.config import DPOP
from codealign.objectives.pairwise import LogRatioObjective


class DPOPObjective(LogRatioObjective[DPOP]):
    """log 2 at the reference, where the penalty's gradient is taken as 0: the first step is DPO's."""

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        penalties_P = self.config.penalty * torch.relu(-chosen_P)
        return -F.logsigmoid(self.config.beta * (chosen_P - rejected_P - penalties_P))
