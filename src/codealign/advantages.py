"""From rewards of whole completions to an advantage for each token: who gets the credit.

Pure functions of plain floats: no model, no file, no torch. Rewards, values and advantages share one unit, the reward's.

Not promised: good values. What a state is worth was estimated elsewhere, by a critic or by fresh rollouts, and advantages
are unbiased only where those rollouts have nothing in common with the completion that is judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple


class Credit(NamedTuple):
    """Of each token: how much better it was than expected there, and what a critic is to learn of its state."""

    advantages: list[float]
    returns: list[float]


def generalised_advantages(
    rewards_T: Sequence[float], values_T: Sequence[float], gamma: float = 1.0, lam: float = 1.0
) -> Credit:
    """Generalised advantage estimation (GAE, arXiv 1506.02438, equations 11 and 16).

        δ_t = r_t + γ·V(s_{t+1}) − V(s_t),   A_t = δ_t + γλ·A_{t+1},   G_t = A_t + V(s_t)

    λ = 1 is Σ_{l ≥ t} γ^{l−t} r_l − V(s_t), λ = 0 the one-step error δ_t.

    Args:
        rewards_T: of each token.
        values_T: V of the state before each token; after the last one it is 0.
    """
    advantages: list[float] = []
    advantage = next_value = 0.0
    for reward, value in zip(reversed(rewards_T), reversed(values_T), strict=True):
        advantage = reward + gamma * next_value - value + gamma * lam * advantage
        advantages.append(advantage)
        next_value = value
    advantages.reverse()
    return Credit(advantages, [a + v for a, v in zip(advantages, values_T, strict=True)])


def leave_one_out(rewards: Sequence[float]) -> list[float]:
    """Each reward less the mean of the others under its prompt (RLOO, arXiv 2402.14740, section 3.3).

        A_i = r_i − Σ_{j ≠ i} r_j / (n − 1) = n/(n − 1) · (r_i − mean r)

    A group of one has nobody to compare with and gets 0: it teaches nothing, as in TRL.
    """
    num = len(rewards)
    return [num / (num - 1) * gap if num > 1 else 0.0 for gap in _centred(rewards)]


def group_advantages(rewards: Sequence[float], *, scale: Literal["std"] | None) -> list[float]:
    """Each reward less the mean of all under its prompt, itself among them.

        scale: std    A_i = (r_i − mean r) / (std r + 1e-4)       GRPO, arXiv 2402.03300, section 4.1.2
        scale: None   A_i = r_i − mean r                          Dr. GRPO, arXiv 2503.20783

    std is Bessel's (n − 1), and 1e-4 is added, both as in TRL. Equal rewards, or a single one, give exactly 0.
    """
    gaps = _centred(rewards)
    if scale is None or len(gaps) < 2:
        return gaps
    std = math.sqrt(math.fsum(gap * gap for gap in gaps) / (len(gaps) - 1))
    return [gap / (std + 1e-4) for gap in gaps]


def _centred(rewards: Sequence[float]) -> list[float]:
    # The mean of equal numbers may differ from them in the last bit, which a division by 1e-4 would show.
    if len(set(rewards)) < 2:
        return [0.0] * len(rewards)
    mean = math.fsum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def step_advantages(reward: float, values: Sequence[float | None]) -> list[float]:
    """VinePPO's (arXiv 2410.01679, section 4): the one-step error on values from fresh rollouts.

        A_i = r_i + V(S_{i+1}) − V(S_i),   r_i = 0 but r_{n−1} = `reward`,   V(S_n) = 0

    They sum to `reward` − V(S_0). A state without a value (None: beyond the cap M on states to ask about) is worth
    r_i + V(S_{i+1}): its step gets exactly 0, and step M all the credit that is left, R − V(S_M).

    Args:
        reward: R of the whole completion.
        values: V of the state before each step, the first one the prompt's.

    Raises:
        ValueError: the prompt has no value, so that there is nothing to compare with.
    """
    if not values or values[0] is None:
        raise ValueError("the state before the first step has no value: estimate at least that one")
    advantages: list[float] = []
    gain, next_value = reward, 0.0
    for value in reversed(values):
        here = gain + next_value if value is None else value
        advantages.append(gain + next_value - here)
        gain, next_value = 0.0, here
    advantages.reverse()
    return advantages


def spread(step_advantages: Sequence[float], step_of_token: Sequence[int]) -> list[float]:
    """Each token has the advantage of its step; `step_of_token` counts steps from 0."""
    return [step_advantages[step] for step in step_of_token]


def whiten(
    rows: Sequence[Sequence[float]], weights: Sequence[float] | None = None
) -> list[list[float]]:
    """All advantages moved to mean 0 and scaled to variance 1 (VinePPO's and TRL's whitening).

        A ← (A − mean) / √(var + 1e-8),   var with Bessel's correction

    One value, or values that are all the same, give exactly 0. What telescoped before no longer does.

    Args:
        rows: a row per completion, of any lengths.
        weights: how often each row counts; None is once.
    """
    weights = [1.0] * len(rows) if weights is None else weights
    pairs = list(zip(rows, weights, strict=True))
    count = math.fsum(weight * len(row) for row, weight in pairs)
    distinct = {value for row, weight in pairs if weight > 0 for value in row}
    if count <= 1 or len(distinct) < 2:
        return [[0.0] * len(row) for row in rows]
    mean = math.fsum(weight * value for row, weight in pairs for value in row) / count
    squares = math.fsum(weight * (value - mean) ** 2 for row, weight in pairs for value in row)
    scale = 1 / math.sqrt(squares / (count - 1) + 1e-8)
    return [[(value - mean) * scale for value in row] for row in rows]


def kl_penalised(
    reward: float, old_logps: Sequence[float], reference_logps: Sequence[float], beta: float
) -> list[float]:
    """Rewards of tokens, with the KL to the reference taken out (arXiv 2009.01325; InstructGPT, arXiv 2203.02155).

        r_t = − β·(log π_old(y_t) − log π_ref(y_t)),   and `reward` more on the last token

    Their sum is `reward` − β·log π_old(y)/π_ref(y), an unbiased estimate of the penalised reward whose gradient comes with
    the policy gradient. Log-probs are in nats.

    Raises:
        ValueError: there is no token to carry the reward.
    """
    if not old_logps:
        raise ValueError("a completion without tokens has no place for its reward")
    rewards = [
        -beta * (old - reference) for old, reference in zip(old_logps, reference_logps, strict=True)
    ]
    rewards[-1] += reward
    return rewards
