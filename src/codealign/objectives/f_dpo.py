"""DPO under other divergences than the reverse KL (f-DPO, arXiv 2309.16240, table 1 and equation 10).

    L = − log σ( β · [ f'(u⁺) − f'(u⁻) ] ),   u = π(y|x) / π_ref(y|x)

    forward KL    f'(u) = 1 − 1/u
    JS            f'(u) = log 2u − log(1 + u)
    α             f'(u) = (1 − u^{−α}) / α,   0 < α < 1

Constants, which fall out of the difference, are chosen so that f'(1) = 0. Reverse KL, f'(u) = log u, is `dpo`,
and the limit of α → 0; forward KL is the limit of α → 1.

Axes: P pairs.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from codealign.config import FDPO
from codealign.objectives.pairwise import LogRatioObjective

MAX_EXPONENT = 80.0
"""Of e^x, which a float32 holds up to 88. A completion that is e^80 times less likely than it was has no
gradient any more; an infinite loss would end the run."""


class FDPOObjective(LogRatioObjective[FDPO]):
    """log 2 at the reference."""

    def losses(self, chosen_P: Tensor, rejected_P: Tensor) -> Tensor:
        scores_P = self._score(chosen_P) - self._score(rejected_P)
        return -F.logsigmoid(self.config.beta * scores_P)

    def _score(self, log_ratios: Tensor) -> Tensor:
        """f' of a side, from its log-ratio log u."""
        if self.config.divergence == "js":
            return math.log(2) + F.logsigmoid(log_ratios)
        alpha = 1.0 if self.config.alpha is None else self.config.alpha
        return -((-alpha * log_ratios).clamp(max=MAX_EXPONENT)).expm1() / alpha
