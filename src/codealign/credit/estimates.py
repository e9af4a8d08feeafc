"""What each method says of the same states.

    vine_K         the mean of K continuations that are not among the truth's (VinePPO)
    critic         the value that PPO's critic gives it
    group_mean     the mean reward of the problem's other completions, whatever the state (RLOO; GRPO's includes its own)

A prompt is worth the same to all completions of it, and so is any other state to `group_mean`; for a state of no trajectory
it is the mean of all of the problem's completions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from codealign.advantages import leave_one_out
from codealign.batches import EncodedRollout, TokenIds, batch_completions
from codealign.config import TrainConfig
from codealign.credit.drawing import Trajectory, Valued
from codealign.critic import Critic
from codealign.online.gathering import State
from codealign.packing import plan
from codealign.policy import Policy

CRITIC, GROUP_MEAN = "critic", "group_mean"

Text = tuple[TokenIds, TokenIds]


def vine(k: int) -> str:
    """The name of VinePPO's estimate from `k` rollouts."""
    return f"vine_{k}"


class GroupMeans:
    """Mean rewards of a problem's completions."""

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        groups: dict[str, list[Trajectory]] = {}
        for each in trajectories:
            groups.setdefault(each.task_id, []).append(each)
        self.means: dict[str, float] = {}
        self.without: dict[tuple[str, int], float | None] = {}
        for task_id, group in groups.items():
            rewards = [each.reward for each in group]
            self.means[task_id] = math.fsum(rewards) / len(rewards)
            for each, advantage in zip(group, leave_one_out(rewards), strict=True):
                others = each.reward - advantage if len(group) > 1 else None
                self.without[task_id, each.sample_index] = others


class CriticSays:
    """Values of states by a critic.

    Args:
        config: how much goes through the model at once.
    """

    def __init__(self, critic: Critic, policy: Policy, config: TrainConfig) -> None:
        self.critic, self.policy, self.config = critic, policy, config

    def of_states(self, states: Sequence[State]) -> dict[State, float]:
        """Of each distinct state."""
        # The value before a token does not depend on the token: any will do.
        texts = {each: (each.prompt_ids, (*each.prefix_ids, self.policy.eos_id)) for each in states}
        values = self.of_tokens(list(texts.values()))
        return {state: values[text][-1] for state, text in texts.items()}

    @torch.no_grad()
    def of_tokens(self, texts: Sequence[Text]) -> dict[Text, tuple[float, ...]]:
        """Of the state before each token of a completion."""
        found: dict[Text, tuple[float, ...]] = {}
        rows = [EncodedRollout(*text, advantages=(), old_logps=()) for text in dict.fromkeys(texts)]
        if not rows:
            return found
        [microbatches] = plan(
            rows,
            range(len(rows)),
            pairs_per_microbatch=self.config.per_device_train_batch_size,
            max_tokens=self.config.max_tokens_per_microbatch,
        )
        for members in microbatches:
            batch = batch_completions(rows[i][:2] for i in members)
            values_NT = self.critic.values(batch.to(self.policy.device)).cpu().tolist()
            for text, values in zip(batch.rows(), values_NT, strict=True):
                found[text] = tuple(values[: len(text[1])])
        return found


def vine_estimates(
    states: Sequence[State], values: Mapping[State, Valued], ks: Sequence[int]
) -> dict[str, list[float | None]]:
    """Of each state, by method; a state that has fewer than K scored continuations has no estimate."""
    return {
        vine(k): [
            math.fsum(fresh[:k]) / k if len(fresh) >= k else None
            for fresh in (values[state].fresh for state in states)
        ]
        for k in ks
    }
