"""What verdicts are worth to reinforcement learning; docs/rewards.md.

`rules` is the table of rules, `functions` finds and calls functions that users wrote for TRL.
"""

from codealign.rewards.rules import RewardRule, build_reward

__all__ = ["RewardRule", "build_reward"]
