"""Credit, measured: what each way of valuing a state says, against what the state is worth.

    drawing      trajectories of the policy, states of theirs, fresh continuations of each
    estimates    what a critic, K fresh rollouts and the mean of the group say of the same states
    errors       how far that is from the truth, by step
    ranking      whether the better of several next steps is told from the worse
    gradients    how much of a batch's policy gradient is noise
    measuring    all of it, kept as it is drawn

As in section 4 of VinePPO (arXiv 2410.01679) and its code, but for one thing: there the estimate is drawn from the very
rollouts that are the truth, here from others.

`CreditSettings` can be had without torch; the rest is in `codealign.credit.measuring`.
"""

from __future__ import annotations

from codealign.credit.settings import CreditSettings

__all__ = ["CreditSettings"]
