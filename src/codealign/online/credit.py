"""What each token of a rollout is worth, by the rule of each objective.

    grpo dr_grpo dapo rloo    every token the same: the reward against those of the problem's other rollouts
    ppo                       generalised advantages over a critic's values of every token
    vineppo                   each step's own: by how much it moved the value of the state, known from fresh continuations

Advantages are not whitened here: that is over the tokens of an optimiser step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from codealign.advantages import (
    Credit,
    generalised_advantages,
    group_advantages,
    kl_penalised,
    leave_one_out,
    spread,
    step_advantages,
)
from codealign.config import PPO, RLOO, KLInReward, VinePPO
from codealign.config.policy_gradients import GroupSection, PolicyGradient


class Rollout(NamedTuple):
    """A scored completion with what its credit is made of; one number a token where nothing else is said."""

    task_id: str
    reward: float
    old_logps: tuple[float, ...]
    reference_logps: tuple[float, ...] | None
    """Where a KL is measured."""
    critic_values: tuple[float, ...] | None
    """Of the state before each token; for `ppo`."""
    step_of_token: tuple[int, ...] = ()
    """From 0; for `vineppo`."""
    step_values: tuple[float | None, ...] = ()
    """Of the state before each step, None beyond the cap; for `vineppo`."""

    @property
    def num_tokens(self) -> int:
        return len(self.old_logps)


def assign(section: PolicyGradient, rollouts: Sequence[Rollout]) -> list[Credit]:
    """Advantages of each rollout's tokens, and for `ppo` what the critic is to learn (elsewhere no returns)."""
    if isinstance(section, PPO):
        return [_over_critic(section, rollout) for rollout in rollouts]
    if isinstance(section, VinePPO):
        return [Credit(_by_step(rollout), []) for rollout in rollouts]
    baseline: Callable[[Sequence[float]], list[float]] = leave_one_out
    if isinstance(section, GroupSection):
        scale = section.scale
        baseline = lambda rewards: group_advantages(rewards, scale=scale)  # noqa: E731
    assert isinstance(section, GroupSection | RLOO)
    return _by_group(section, rollouts, baseline)


def _token_rewards(section: PolicyGradient, rollout: Rollout) -> list[float]:
    """The reward on the last token, less the KL where it belongs to the reward."""
    reference, beta = rollout.old_logps, 0.0
    if isinstance(section.kl, KLInReward):
        assert rollout.reference_logps is not None
        reference, beta = rollout.reference_logps, section.kl.coefficient
    return kl_penalised(rollout.reward, rollout.old_logps, reference, beta)


def _over_critic(section: PPO, rollout: Rollout) -> Credit:
    assert rollout.critic_values is not None
    rewards = _token_rewards(section, rollout)
    return generalised_advantages(rewards, rollout.critic_values, section.gamma, section.lam)


def _by_step(rollout: Rollout) -> list[float]:
    return spread(step_advantages(rollout.reward, rollout.step_values), rollout.step_of_token)


def _by_group(
    section: PolicyGradient,
    rollouts: Sequence[Rollout],
    baseline: Callable[[Sequence[float]], list[float]],
) -> list[Credit]:
    groups: dict[str, list[int]] = {}
    for number, rollout in enumerate(rollouts):
        groups.setdefault(rollout.task_id, []).append(number)
    found: dict[int, float] = {}
    for members in groups.values():
        rewards = [math.fsum(_token_rewards(section, rollouts[i])) for i in members]
        found |= dict(zip(members, baseline(rewards), strict=True))
    return [
        Credit([found[number]] * rollout.num_tokens, []) for number, rollout in enumerate(rollouts)
    ]
