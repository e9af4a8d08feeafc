"""The section of experience that the policy gathers itself, while it learns."""

from __future__ import annotations

from typing import Literal

from codealign.config.rewards import BinaryReward, Reward
from codealign.config.sections import Count, Section


class Rollouts(Section):
    """Completions drawn by the policy of now, judged and rewarded, learnt from, and let go: iteration by iteration.

    How they are drawn is `sample`'s (`num_samples` a problem), how they become pairs, for objectives that read pairs,
    is `pairs`'.
    """

    kind: Literal["rollouts"] = "rollouts"
    num_iterations: Count = 20
    problems_per_iteration: Count | None = 64
    """Each problem comes once before any comes again. None takes all in each iteration: with a pairwise objective that
    is iterative DPO, with few problems and one epoch online DPO."""
    num_epochs: Count = 1
    """Passes over an iteration's rollouts; 2 in VinePPO (arXiv 2410.01679)."""
    steps_per_epoch: Count = 4
    """Optimiser steps that a pass is cut into; the rollouts of a problem stay in one."""
    reward: Reward = BinaryReward()
    reference: Literal["first", "iteration"] = "first"
    """What a KL or a log-ratio is measured from: the policy before training, or as it began the iteration."""
