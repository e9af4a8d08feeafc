"""Direct preference optimisation (arXiv 2305.18290, eq. 7), the objective of arXiv 2410.18585.

    L = − Σ_p w_p · log σ( β · [ log π(y⁺|x)/π_ref(y⁺|x) − log π(y⁻|x)/π_ref(y⁻|x) ] )  /  Σ_p w_p

Log-probabilities are sums over the tokens of a completion, EOS included; the mean is over pairs,
weighted by the pairs' `weight`. Left out: label smoothing and length normalisation, which are other
objectives.

Axes: P pairs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from codealign.config import DPO
from codealign.objectives.pairwise import LogRatioObjective


class DPOObjective(LogRatioObjective[DPO]):
    """At the reference the loss is log 2 for every pair."""

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        return -F.logsigmoid(self.config.beta * (chosen_P - rejected_P))
