"""Sections of the policy-gradient objectives, which learn from completions that the policy itself has drawn.

They differ in where a token's advantage comes from (a critic, fresh rollouts, the other completions of a prompt) and in how
a loss is averaged; the clipped loss itself is one.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeGuard

from pydantic import Field, model_validator

from codealign.config.sections import Count, Fraction, Positive, Section


class NoKL(Section):
    """Nothing holds the policy near the reference, and no reference is computed."""

    kind: Literal["none"] = "none"


class KLInLoss(Section):
    """An estimate of the KL to the reference at each token, added to the loss with its gradient."""

    kind: Literal["loss"] = "loss"
    coefficient: Positive
    """β: 1e-4 for VinePPO, where it weighs sums over tokens; 0.04 for GRPO, where it weighs means. No default suits both."""
    estimator: Literal["k2", "k3"] = "k3"
    """With u = log π_ref − log π of the token: `k3` is e^u − u − 1, whose mean is the KL and whose gradient is that of
    KL(π_ref ‖ π); `k2` is u²/2, whose gradient is that of KL(π ‖ π_ref). There is no k1 (−u): the mean of its gradient is 0."""
    clamp: Positive | None = 10.0
    """Nats above which a token's estimate is cut, and its gradient 0; VinePPO's code. None: never."""


class KLInReward(Section):
    """β·(log π_old − log π_ref) taken from the reward of each token, or where credit is not by token, their sum."""

    kind: Literal["reward"] = "reward"
    coefficient: Positive
    """β: 0.05 in TRL's RLOO and PPO. It is compared with a reward of 0 to 1 for the whole completion."""


KLPenalty = Annotated[NoKL | KLInLoss | KLInReward, Field(discriminator="kind")]

AverageOver = Literal["tokens", "completions", "limit", "sums"]


class PolicyGradientSection(Section):
    """What every clipped policy-gradient loss reads (PPO, arXiv 1707.06347, equation 7)."""

    clip_low: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    """A ratio π/π_old below 1 − clip_low earns no more where the advantage is negative. PPO's 0.2."""
    clip_high: Positive = 0.2
    """A ratio above 1 + clip_high earns no more where the advantage is positive. PPO's 0.2."""
    average_over: AverageOver = "tokens"
    """What a completion's sum over tokens is divided by: the step's mean length (`tokens`: all tokens count the same), its
    own length (`completions`), the constant `limit`, or nothing (`sums`)."""
    limit: Count | None = None
    """Of `average_over: limit`: tokens. None is the longest completion that may be drawn; see `with_limit`."""
    ratio: Literal["token", "sequence", "sequence_mean"] = "token"
    """π/π_old of each token, of the whole completion (RLOO), or its geometric mean over tokens (GSPO, arXiv 2507.18071,
    with `average_over: completions` and clips near 3e-4)."""
    kl: KLPenalty = NoKL()
    entropy_coefficient: Annotated[float, Field(ge=0.0)] = 0.0
    """Of the mean entropy of a token's distribution (nats), taken from the loss; above 0 it costs one more product with
    the output layer. 0 as in VinePPO and TRL."""
    max_ratio: Annotated[float, Field(gt=1.0)] | None = 10.0
    """A completion whose ratios have a mean above this counts 0; VinePPO's code, which does so for a microbatch."""
    target_kl: Positive | None = None
    """Nats a token from the policy that drew the completions: beyond it, go and draw new ones. 0.01-0.05; None: never."""

    @property
    def kl_average_over(self) -> AverageOver:
        """As `average_over`, for the KL in the loss. It is in the unit of the ratio: that of whole completions is a sum."""
        return "sums" if self.ratio == "sequence" else self.average_over

    @model_validator(mode="after")
    def _limit_is_read(self) -> PolicyGradientSection:
        if self.limit is not None and self.average_over != "limit":
            raise ValueError(
                f"limit would be ignored by average_over: {self.average_over}: set average_over: limit, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _whole_completions_count_once(self) -> PolicyGradientSection:
        if self.ratio == "sequence" and self.average_over != "completions":
            raise ValueError(
                f"ratio: sequence with average_over: {self.average_over} would count the ratio of a whole completion "
                "once for each of its tokens: set average_over: completions"
            )
        return self


class TokenCreditSection(PolicyGradientSection):
    """What objectives read whose advantages differ within a completion."""

    kl: KLPenalty = KLInLoss(coefficient=1e-4)
    """VinePPO's, for its PPO baseline too: k3 in the loss, summed over a completion's tokens."""
    whiten: bool = True
    """Advantages of a step to mean 0 and variance 1; VinePPO's, for its PPO baseline too."""

    @property
    def kl_average_over(self) -> AverageOver:
        """Sums over tokens, though the policy's loss is a mean: VinePPO's code."""
        return "sums"

    @model_validator(mode="after")
    def _credit_stays_with_its_token(self) -> TokenCreditSection:
        if self.ratio != "token":
            raise ValueError(
                f"ratio: {self.ratio} would give every token the mean of the completion's advantages: "
                "set ratio: token, or a kind whose advantages are of completions (grpo, rloo)"
            )
        return self


class HeadCritic(Section):
    """A linear layer on the policy's last hidden states: no second model, and values from the same forward."""

    kind: Literal["head"] = "head"
    detach: bool = True
    """Learn values without moving the policy's weights. A head that knows nothing yet would otherwise push them about."""
    learning_rate: Positive | None = None
    """Of the head; None is the policy's, which is slow for weights that start at 0."""


class ModelCritic(Section):
    """A copy of the policy's first weights with a head of its own, as in VinePPO's PPO baseline: twice the memory."""

    kind: Literal["model"] = "model"
    learning_rate: Positive | None = None
    """Of the copy and its head; None is the policy's, as in VinePPO's baseline (1e-6)."""


CriticConfig = Annotated[HeadCritic | ModelCritic, Field(discriminator="kind")]


class PPO(TokenCreditSection):
    """Proximal policy optimisation (arXiv 1707.06347): a critic says what each token's state is worth."""

    kind: Literal["ppo"] = "ppo"
    gamma: Fraction = 1.0
    """Discount a token; 1 as in VinePPO's baseline, since a late reward is no worse."""
    lam: Fraction = 1.0
    """λ of GAE (arXiv 1506.02438): 1 trusts the reward, 0 the critic. 1 as in VinePPO's baseline; TRL's PPO had 0.95."""
    value_clip: Positive | None = 0.2
    """How far a value may move from what the critic said when the completion was drawn; VinePPO's baseline. None: any."""
    value_coefficient: Positive = 0.5
    """Of the value loss, itself half a squared error: OpenAI baselines' vf_coef."""
    critic: CriticConfig = ModelCritic()


class VinePPO(TokenCreditSection):
    """PPO whose values are means over fresh rollouts from the states between steps (arXiv 2410.01679)."""

    kind: Literal["vineppo"] = "vineppo"
    num_rollouts: Count = 9
    """K a state: the paper's. Their mean has a standard deviation of √(p(1 − p)/K) for a pass rate of p."""
    segments: Literal["lines", "statements"] = "lines"
    """What a step is: `lines` is the paper's rule for GSM8K."""
    max_steps: Annotated[int, Field(ge=0)] | None = 25
    """M: states S_0 to S_M are valued, and step M gets the credit of all that follow. 25 is the paper's for GSM8K, None (all
    states) its for MATH."""

    @model_validator(mode="after")
    def _values_are_of_the_reward(self) -> VinePPO:
        if isinstance(self.kl, KLInReward):
            raise ValueError(
                "kl.kind: reward is not in what the rollouts of a state are worth: set kl.kind: loss"
            )
        return self


class GroupSection(PolicyGradientSection):
    """What objectives read that compare a completion with the others of its prompt."""

    scale: Literal["std"] | None = "std"
    """Divide by the group's standard deviation, so that hard and easy problems pull alike; None as in Dr. GRPO."""


class GRPO(GroupSection):
    """Group relative policy optimisation (arXiv 2402.03300)."""

    kind: Literal["grpo"] = "grpo"
    average_over: AverageOver = "completions"
    """The paper's, equation 3."""
    kl: KLPenalty = KLInLoss(coefficient=0.04)
    """The paper's. TRL's default is none, as in the methods that followed."""


class DrGRPO(GroupSection):
    """GRPO without its two divisions, which favour short right and long wrong completions (arXiv 2503.20783)."""

    kind: Literal["dr_grpo"] = "dr_grpo"
    average_over: AverageOver = "limit"
    """A constant, so that a token counts the same in a short and in a long completion; TRL's, the authors' code's."""
    scale: Literal["std"] | None = None


class DAPO(GroupSection):
    """GRPO with a higher upper clip and a mean over tokens (arXiv 2503.14476). Its dynamic sampling and overlong shaping
    are not the loss's."""

    kind: Literal["dapo"] = "dapo"
    clip_high: Positive = 0.28
    """The paper's."""


class RLOO(PolicyGradientSection):
    """REINFORCE with the mean of the prompt's other completions as baseline (arXiv 2402.14740)."""

    kind: Literal["rloo"] = "rloo"
    average_over: AverageOver = "completions"
    ratio: Literal["token", "sequence", "sequence_mean"] = "sequence"
    """The completion is one action: the paper's, and TRL's."""
    kl: KLPenalty = KLInReward(coefficient=0.05)
    """TRL's."""


PolicyGradient = PPO | VinePPO | GRPO | DrGRPO | DAPO | RLOO
"""Objectives that learn from rollouts."""


def is_policy_gradient(section: Section) -> TypeGuard[PolicyGradient]:
    """Whether an objective learns from completions that the policy draws while it trains."""
    return isinstance(section, PolicyGradientSection)


def with_limit(section: PolicyGradient, max_new_tokens: int) -> PolicyGradient:
    """The section with a number where `limit: null` asks for the longest completion that may be drawn (tokens)."""
    if section.average_over != "limit" or section.limit is not None:
        return section
    return section.model_copy(update={"limit": max_new_tokens})
