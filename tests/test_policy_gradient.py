"""Credit and the clipped policy gradient, against their definitions, an enumerated policy and TRL.

`World` is a policy of three tokens and four positions: every value, every expectation and every gradient is a sum over
81 completions. The contract that `tests/test_objectives.py` has for objectives on pairs is kept here on `ROLLOUTS`.
"""

import itertools
import json
import math
import statistics
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from golden.record import GOLDEN_DIR
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from codealign.advantages import (
    generalised_advantages,
    group_advantages,
    kl_penalised,
    leave_one_out,
    spread,
    step_advantages,
    whiten,
)
from codealign.batches import Batch, EncodedRollout, Outputs, batch_rollouts
from codealign.config import (
    DAPO,
    DPO,
    GRPO,
    PPO,
    RLOO,
    DrGRPO,
    KLInLoss,
    KLInReward,
    NoKL,
    Objective,
    PolicyGradientSection,
    VinePPO,
    is_policy_gradient,
    with_limit,
)
from codealign.objectives import OBJECTIVES, build_objective

numbers = st.floats(-5, 5).map(lambda x: round(x, 3))
groups = st.lists(numbers, min_size=2, max_size=8)

# ------------------------------------------------------------------ advantages by token


@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6), st.floats(0, 1), st.floats(0, 1)
)
def test_gae_is_the_discounted_sum_of_one_step_errors(steps, gamma, lam):
    rewards, values = zip(*steps, strict=True)
    deltas = [
        r + gamma * after - v
        for r, v, after in zip(rewards, values, [*values[1:], 0.0], strict=True)
    ]
    credit = generalised_advantages(rewards, values, gamma, lam)
    for t, advantage in enumerate(credit.advantages):
        expected = sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(steps)))
        assert advantage == pytest.approx(expected, abs=1e-12)
        assert credit.returns[t] == pytest.approx(advantage + values[t], abs=1e-12)


def test_gae_at_its_ends_is_monte_carlo_and_one_step():
    """λ = 1: R − V(s_t).   λ = 0: r_t + V(s_{t+1}) − V(s_t)."""
    rewards, values = [0.0, 0.0, 1.0], [0.25, 0.5, 0.75]
    assert generalised_advantages(rewards, values).advantages == [0.75, 0.5, 0.25]
    assert generalised_advantages(rewards, values).returns == [1.0, 1.0, 1.0]
    assert generalised_advantages(rewards, values, lam=0.0).advantages == [0.25, 0.25, 0.25]
    assert generalised_advantages([], []) == ([], [])
    with pytest.raises(ValueError, match="zip"):
        generalised_advantages([1.0], [0.5, 0.5])


@given(st.floats(0, 1), st.lists(numbers, min_size=1, max_size=5))
def test_vineppo_s_steps_are_gae_s_tokens_without_lambda(reward, values):
    rewards = [0.0] * (len(values) - 1) + [reward]
    assert step_advantages(reward, values) == pytest.approx(
        generalised_advantages(rewards, values, lam=0.0).advantages, abs=1e-12
    )


def test_a_kl_penalty_in_the_reward_is_the_log_ratio_of_each_token():
    rewards = kl_penalised(1.0, [-1.0, -2.0], [-1.5, -1.0], beta=0.1)
    assert rewards == pytest.approx([-0.05, 0.1 + 1.0])
    assert sum(rewards) == pytest.approx(1.0 - 0.1 * (-3.0 + 2.5))
    assert kl_penalised(1.0, [-1.0, -2.0], [-1.5, -1.0], beta=0.0) == [0.0, 1.0]
    with pytest.raises(ValueError, match="no place for its reward"):
        kl_penalised(1.0, [], [], beta=0.1)


# ------------------------------------------------------------------ advantages by group


@given(groups, numbers)
def test_leave_one_out_compares_with_the_others(rewards, shift):
    n = len(rewards)
    found = leave_one_out(rewards)
    for i, reward in enumerate(rewards):
        others = rewards[:i] + rewards[i + 1 :]
        assert found[i] == pytest.approx(reward - statistics.fmean(others), abs=1e-9)
    assert sum(found) == pytest.approx(0, abs=1e-9)
    assert leave_one_out([r + shift for r in rewards]) == pytest.approx(found, abs=1e-9)
    centred = group_advantages(rewards, scale=None)
    assert found == pytest.approx([n / (n - 1) * a for a in centred], abs=1e-9)


@given(groups, numbers, st.floats(0.5, 100))
def test_grpo_s_advantages_know_no_unit(rewards, shift, factor):
    """Up to the 1e-4 beside the standard deviation; without a scale they have the reward's unit."""
    found = group_advantages(rewards, scale="std")
    assert sum(found) == pytest.approx(0, abs=1e-9)
    moved = [factor * r + shift for r in rewards]
    if statistics.stdev(rewards) > 0.1:
        assert group_advantages(moved, scale="std") == pytest.approx(found, rel=3e-3, abs=1e-6)
    unscaled = [factor * a for a in group_advantages(rewards, scale=None)]
    assert group_advantages(moved, scale=None) == pytest.approx(unscaled, abs=1e-8)


def test_grpo_s_advantages_are_trl_s():
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.5], dtype=torch.float64)
    expected = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    assert group_advantages(rewards.tolist(), scale="std") == pytest.approx(expected.tolist())


@pytest.mark.parametrize("rewards", [[0.1] * 3, [1.0] * 7, [0.3]])
def test_a_group_without_differences_teaches_exactly_nothing(rewards):
    """The mean of three times 0.1 is not 0.1 in floating point."""
    nothing = [0.0] * len(rewards)
    assert leave_one_out(rewards) == nothing
    assert group_advantages(rewards, scale="std") == nothing
    assert group_advantages(rewards, scale=None) == nothing


# ------------------------------------------------------------------ advantages by step

step_values = st.lists(st.integers(0, 9).map(lambda n: n / 9), min_size=1, max_size=8)


@given(st.sampled_from([0.0, 1.0]), step_values, st.integers(0, 8))
def test_step_advantages_sum_to_the_reward_less_the_prompt_s_value(reward, values, cap):
    capped = [value if i <= cap else None for i, value in enumerate(values)]
    for given_values in (values, capped):
        total = math.fsum(step_advantages(reward, given_values))
        assert total == pytest.approx(reward - values[0], abs=1e-12)


@given(st.sampled_from([0.0, 1.0]), step_values, st.integers(0, 8))
def test_beyond_the_cap_there_is_exactly_no_credit(reward, values, cap):
    """A_i = 0 for i > M, and A_M = R − V(S_M)."""
    capped = [value if i <= cap else None for i, value in enumerate(values)]
    found = step_advantages(reward, capped)
    assert all(a == 0.0 for a in found[cap + 1 :])
    if cap < len(values):
        assert found[cap] == pytest.approx(reward - values[cap], abs=1e-15)
        assert found[:cap] == step_advantages(reward, values)[:cap]


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_where_every_rollout_gets_the_same_nothing_is_learnt(value):
    assert step_advantages(value, [value] * 4) == [0.0] * 4


@pytest.mark.parametrize("values", [[], [None], [None, 0.5]])
def test_the_prompt_must_have_a_value(values):
    with pytest.raises(ValueError, match="no value: estimate at least that one"):
        step_advantages(1.0, values)


def test_each_token_has_its_step_s_advantage():
    assert spread([0.5, -1.0], [0, 0, 1, 1, 1]) == [0.5, 0.5, -1.0, -1.0, -1.0]


# ------------------------------------------------------------------ whitening

ROWS = [[0.5, -1.0, 0.25], [2.0], [0.0, 0.125]]


def test_whitened_advantages_have_mean_zero_and_variance_one():
    flat = [value for row in whiten(ROWS) for value in row]
    assert statistics.fmean(flat) == pytest.approx(0, abs=1e-15)
    assert statistics.variance(flat) == pytest.approx(1, rel=1e-7)
    assert [len(row) for row in whiten(ROWS)] == [3, 1, 2]


@given(st.floats(0.5, 100), numbers)
def test_whitening_forgets_unit_and_origin(factor, shift):
    moved = whiten([[factor * value + shift for value in row] for row in ROWS])
    for row, expected in zip(moved, whiten(ROWS), strict=True):
        assert row == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_row_that_counts_twice_is_two_rows_and_one_that_counts_zero_is_none():
    twice = whiten(ROWS, [2.0, 1.0, 0.0])
    written_out = whiten([ROWS[0], ROWS[0], ROWS[1]])
    assert twice[0] == pytest.approx(written_out[0])
    assert twice[1] == pytest.approx(written_out[2])


@pytest.mark.parametrize("rows", [[], [[]], [[3.0]], [[0.1, 0.1], [0.1]], [[], [0.7]]])
def test_values_without_spread_are_whitened_to_exactly_zero(rows):
    assert whiten(rows) == [[0.0] * len(row) for row in rows]


# ------------------------------------------------------------------ a policy that can be enumerated


class World:
    """Three tokens, four positions, a logit for each token after each prefix, and a reward of 0 or 1."""

    vocabulary, depth = range(3), 4
    cuts = (0, 1, 3, 4)

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.completions = list(itertools.product(self.vocabulary, repeat=self.depth))
        prefixes = sorted({y[:t] for y in self.completions for t in range(self.depth)})
        self.row = {prefix: number for number, prefix in enumerate(prefixes)}
        self.logits = torch.randn(
            len(prefixes), 3, dtype=torch.float64, generator=generator
        ).requires_grad_()
        drawn = torch.rand(len(self.completions), generator=generator) < 0.4
        self.rewards = dict(zip(self.completions, drawn.double().tolist(), strict=True))
        self.probs = self.logits.detach().softmax(-1).tolist()

    def logps_NT(self) -> torch.Tensor:
        logps = self.logits.log_softmax(-1)
        rows = [[self.row[y[:t]] for t in range(self.depth)] for y in self.completions]
        return logps[torch.tensor(rows), torch.tensor(self.completions)]

    def value(self, prefix: tuple[int, ...]) -> float:
        """V by recursion."""
        if len(prefix) == self.depth:
            return self.rewards[prefix]
        probs = self.probs[self.row[prefix]]
        return math.fsum(
            p * self.value((*prefix, a)) for a, p in zip(self.vocabulary, probs, strict=True)
        )

    def mean_reward_after(self, prefix: tuple[int, ...]) -> float:
        """Q of the prefix's last step: the mean over completions that begin so."""
        probs = self.logps_NT().detach().sum(-1).exp().tolist()
        among = [(p, self.rewards[y]) for y, p in zip(self.completions, probs, strict=True)]
        kept = [
            x for x, y in zip(among, self.completions, strict=True) if y[: len(prefix)] == prefix
        ]
        return sum(p * r for p, r in kept) / sum(p for p, _ in kept)

    def states(self, completion: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Before each step."""
        return [completion[:cut] for cut in self.cuts[:-1]]

    def batch(self, advantages: list[list[float]]) -> Batch:
        """Every completion, as often as the policy draws it."""
        rows = [
            EncodedRollout((9,), y, (0.0,) * self.depth, (0.0,) * self.depth)
            for y in self.completions
        ]
        logps_NT = self.logps_NT().detach()
        return replace(
            batch_rollouts(rows, mean_length=self.depth),
            weights_N=logps_NT.sum(-1).exp(),
            advantages_NT=torch.tensor(advantages, dtype=torch.float64),
            old_logps_NT=logps_NT,
        )


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_with_exact_values_step_advantages_are_q_less_v(world):
    for completion, reward in world.rewards.items():
        found = step_advantages(reward, [world.value(state) for state in world.states(completion)])
        expected = [
            world.mean_reward_after(completion[:end]) - world.mean_reward_after(completion[:start])
            for start, end in itertools.pairwise(world.cuts)
        ]
        assert found == pytest.approx(expected, abs=1e-12)


def of_steps(world: World, completion) -> list[float]:
    values = [world.value(state) for state in world.states(completion)]
    steps = step_advantages(world.rewards[completion], values)
    return spread(steps, [0, 1, 1, 2])


def of_critic(world: World, completion, lam: float) -> list[float]:
    values = [world.value(completion[:t]) for t in range(world.depth)]
    rewards = [0.0] * (world.depth - 1) + [world.rewards[completion]]
    return generalised_advantages(rewards, values, lam=lam).advantages


@pytest.mark.parametrize(
    ("section", "advantages"),
    [
        (VinePPO(average_over="sums", kl=NoKL(), whiten=False), of_steps),
        (RLOO(average_over="sums", ratio="token"), lambda w, y: of_critic(w, y, 1.0)),
        (RLOO(average_over="sums", ratio="token"), lambda w, y: of_critic(w, y, 0.0)),
        (RLOO(average_over="sums", ratio="token"), lambda w, y: of_critic(w, y, 0.7)),
        (RLOO(), lambda w, y: [w.rewards[y]] * w.depth),
        (RLOO(), lambda w, y: [w.rewards[y] - 0.3] * w.depth),
        (DrGRPO(limit=1), lambda w, y: [w.rewards[y] - w.value(())] * w.depth),
    ],
    ids=["steps", "gae-1", "gae-0", "gae-0.7", "reinforce", "baseline", "dr_grpo"],
)
def test_the_mean_gradient_is_that_of_the_expected_reward(world, section, advantages):
    """The policy-gradient theorem, whichever way the credit is shared out."""
    batch = world.batch([advantages(world, y) for y in world.completions])
    logps_NT = world.logps_NT()
    loss = build_objective(section)(Outputs(logps_NT, None, batch.lengths_N), batch).sum
    (found,) = torch.autograd.grad(loss, world.logits)
    rewards_N = torch.tensor(list(world.rewards.values()), dtype=torch.float64)
    expected_reward = (world.logps_NT().sum(-1).exp() * rewards_N).sum()
    (expected,) = torch.autograd.grad(expected_reward, world.logits)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(-found, expected, rtol=1e-12, atol=1e-14)


def rollouts_from(world: World, state, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """[*shape] rewards of fresh completions from `state`."""
    generator = torch.Generator().manual_seed(seed)
    probs = world.logps_NT().detach().sum(-1).exp()
    begins = torch.tensor([y[: len(state)] == state for y in world.completions])
    drawn = (probs * begins).multinomial(math.prod(shape), True, generator=generator)
    rewards = torch.tensor(list(world.rewards.values()), dtype=torch.float64)
    return rewards[drawn].view(shape)


@pytest.mark.parametrize("num_rollouts", [1, 3, 9])
def test_means_of_rollouts_are_unbiased_with_the_binomial_s_spread(world, num_rollouts):
    """V̂ is in {0, 1/K, …, 1}, of mean p and standard deviation √(p(1 − p)/K)."""
    p, repeats = world.value((1,)), 20_000
    estimates = rollouts_from(world, (1,), (repeats, num_rollouts), seed=1).mean(-1)
    spread_of_one = math.sqrt(p * (1 - p) / num_rollouts)
    assert estimates.mean().item() == pytest.approx(p, abs=4 * spread_of_one / repeats**0.5)
    assert estimates.std().item() == pytest.approx(spread_of_one, rel=0.03)
    multiples = estimates * num_rollouts
    torch.testing.assert_close(multiples, multiples.round(), rtol=0, atol=1e-12)


def test_step_advantages_on_estimates_are_unbiased_and_their_variances_add(world):
    """E[A_i] = Q − V; Var(A_i) = (p(1 − p) + p'(1 − p'))/K for a step that is not the last."""
    completion, num_rollouts, repeats = (1, 0, 2, 1), 9, 20_000
    states = world.states(completion)
    estimates = [
        rollouts_from(world, state, (repeats, num_rollouts), seed=i).mean(-1).tolist()
        for i, state in enumerate(states)
    ]
    found = torch.tensor(
        [
            step_advantages(world.rewards[completion], values)
            for values in zip(*estimates, strict=True)
        ],
        dtype=torch.float64,
    )
    exact = [world.value(state) for state in states]
    variances = [p * (1 - p) / num_rollouts for p in exact] + [0.0]
    for i, expected in enumerate(step_advantages(world.rewards[completion], exact)):
        variance = variances[i] + variances[i + 1]
        mean = found[:, i].mean().item()
        assert mean == pytest.approx(expected, abs=4 * (variance / repeats) ** 0.5)
        assert found[:, i].var().item() == pytest.approx(variance, rel=0.05)


# ------------------------------------------------------------------ the contract

LENGTHS = (2, 3, 1, 5, 2, 4, 3, 1)


def make_rollout(number: int) -> EncodedRollout:
    generator = torch.Generator().manual_seed(100 + number)
    columns = torch.rand(5, LENGTHS[number], generator=generator)
    ids = tuple(number + t for t in range(LENGTHS[number]))
    (logps,) = tables_of([((number // 2,), ids)])[0].float()
    return EncodedRollout(
        (number // 2,),
        ids,
        advantages=tuple((2 * columns[0] - 1).tolist()),
        old_logps=tuple((logps + columns[1] - 0.5).tolist()),
        reference_logps=tuple((logps + columns[2] - 0.5).tolist()),
        returns=tuple(columns[3].tolist()),
        old_values=tuple(columns[4].tolist()),
    )


def tables_of(rows, num_columns: int | None = None) -> list[torch.Tensor]:
    """[N, T] log-probs, entropies and values: of the same completion the same in whatever batch it is."""
    tables = [[], [], []]
    for prompt, completion in rows:
        generator = torch.Generator().manual_seed(hash((prompt, completion)) % 2**31)
        drawn = torch.rand(3, len(completion), dtype=torch.float64, generator=generator)
        for table, row in zip(tables, (-3 * drawn[0], 2 * drawn[1], drawn[2]), strict=True):
            table.append(row)
    padded = [torch.nn.utils.rnn.pad_sequence(table, batch_first=True) for table in tables]
    return [F.pad(t, (0, (num_columns or t.shape[1]) - t.shape[1])) for t in padded]


def outputs_of(batch: Batch, num_columns: int | None = None) -> Outputs:
    logps, entropies, values = tables_of(batch.rows(), num_columns)
    return Outputs(
        logps.requires_grad_(),
        None,
        batch.lengths_N,
        entropies_NT=entropies.requires_grad_(),
        values_NT=values.requires_grad_(),
    )


ROLLOUTS = [make_rollout(number) for number in range(8)]
MEAN_LENGTH = sum(LENGTHS) / 8


def batch_of(rows=ROLLOUTS) -> Batch:
    return batch_rollouts(rows, mean_length=MEAN_LENGTH)


KINDS = [kind for kind in OBJECTIVES if issubclass(kind, PolicyGradientSection)]
SECTIONS = [with_limit(kind(), 7) for kind in KINDS] + [
    PPO(average_over="completions", value_clip=None, entropy_coefficient=0.01),
    VinePPO(kl=KLInLoss(coefficient=0.5, estimator="k2", clamp=None)),
    GRPO(kl=NoKL(), max_ratio=None),
    GRPO(ratio="sequence_mean", clip_low=3e-4, clip_high=4e-4),
    DrGRPO(limit=3, kl=KLInLoss(coefficient=0.1, clamp=0.05)),
    DAPO(kl=KLInReward(coefficient=0.1), entropy_coefficient=0.1),
    RLOO(ratio="token", average_over="sums"),
    RLOO(kl=KLInLoss(coefficient=0.05)),
]
every_section = pytest.mark.parametrize(
    "section",
    SECTIONS,
    ids=lambda section: "-".join(
        [section.kind, *(f"{k}={v}" for k, v in section.model_dump(exclude_defaults=True).items())]
    ),
)


def shares(section, average_over: str) -> torch.Tensor:
    """[8] what the completions' sums over tokens are divided by."""
    lengths = torch.tensor(LENGTHS, dtype=torch.float64)
    return {
        "tokens": torch.full_like(lengths, MEAN_LENGTH),
        "completions": lengths,
        "limit": torch.full_like(lengths, float(section.limit or 0)),
        "sums": torch.ones_like(lengths),
    }[average_over]


@every_section
def test_the_loss_at_the_old_policy_is_the_stated_one(section):
    """ρ = 1 and π = π_ref: − mean A, less the entropy, and for PPO half a squared error, which no clip changes."""
    batch = batch_of()
    outputs = outputs_of(batch)
    batch = replace(
        batch,
        old_logps_NT=outputs.logps_NT.detach(),
        reference_logps_NT=outputs.logps_NT.detach(),
        old_values_NT=outputs.values_NT.detach(),
    )
    expected_N = -batch.advantages_NT.sum(-1) / shares(section, section.average_over)
    expected_N = (
        expected_N - section.entropy_coefficient * outputs.entropies_NT.sum(-1) / MEAN_LENGTH
    )
    if isinstance(section, PPO):
        errors_N = (outputs.values_NT - batch.returns_NT).square().sum(-1) / 2
        expected_N = expected_N + section.value_coefficient * errors_N / MEAN_LENGTH
    loss = build_objective(section)(outputs, batch).sum
    torch.testing.assert_close(loss, expected_N.sum(), rtol=1e-12, atol=0)


@every_section
def test_the_first_gradient_is_that_of_the_mean_of_a_times_log_pi(section):
    batch = batch_of()
    outputs = outputs_of(batch)
    batch = replace(
        batch,
        old_logps_NT=outputs.logps_NT.detach(),
        reference_logps_NT=outputs.logps_NT.detach(),
    )
    section = section.model_copy(update={"entropy_coefficient": 0.0})
    build_objective(section)(outputs, batch).sum.backward()
    advantages_NT = batch.advantages_NT.double()
    if section.ratio != "token":
        unit = outputs.lengths_N if section.ratio == "sequence_mean" else 1
        mean_N = advantages_NT.sum(-1) / outputs.lengths_N
        advantages_NT = (mean_N * outputs.lengths_N / unit)[:, None] * (outputs.logps_NT != 0)
    expected = -advantages_NT / shares(section, section.average_over)[:, None]
    torch.testing.assert_close(outputs.logps_NT.grad, expected, rtol=1e-12, atol=1e-15)


@every_section
def test_gradient_goes_through_the_policy_and_the_critic_only(section):
    batch, objective = batch_of(), build_objective(section)
    columns = [batch.advantages_NT, batch.old_logps_NT, batch.reference_logps_NT]
    columns += [batch.returns_NT, batch.old_values_NT]
    outputs = outputs_of(batch)
    loss = objective(outputs, batch)
    loss.sum.backward()
    assert outputs.logps_NT.grad.abs().sum() > 0
    assert (outputs.values_NT.grad is not None) == objective.needs_values == (section.kind == "ppo")
    moves = outputs.entropies_NT.grad is not None and outputs.entropies_NT.grad.abs().sum() > 0
    assert moves == objective.needs_entropy == (section.entropy_coefficient > 0)
    assert objective.needs_reference == isinstance(section.kl, KLInLoss)
    assert objective.reads_rollouts
    assert not objective.needs_rejected
    assert not any(column.requires_grad for column in columns)
    assert not any(values.requires_grad for values in loss.metrics.values())


@every_section
def test_the_gradient_is_the_loss_s(section):
    objective, batch = build_objective(section), batch_of()
    outputs = outputs_of(batch)

    def loss_of(logps_NT, values_NT, entropies_NT):
        changed = outputs._replace(
            logps_NT=logps_NT, values_NT=values_NT, entropies_NT=entropies_NT
        )
        return objective(changed, batch).sum

    inputs = (outputs.logps_NT, outputs.values_NT, outputs.entropies_NT)
    assert torch.autograd.gradcheck(loss_of, inputs, rtol=1e-5)


@every_section
def test_padding_changes_nothing(section):
    objective, batch = build_objective(section), batch_of()
    narrow, wide = (objective(outputs_of(batch, num_columns=n), batch) for n in (5, 11))
    torch.testing.assert_close(wide.sum, narrow.sum, rtol=1e-13, atol=0)
    torch.testing.assert_close(wide.metrics, narrow.metrics, rtol=1e-13, atol=1e-13)


@every_section
def test_what_a_critic_says_at_padding_counts_nowhere(section):
    objective, batch = build_objective(section), batch_of()
    clean = outputs_of(batch)
    is_padding = clean.logps_NT == 0
    dirty = clean._replace(
        values_NT=clean.values_NT.masked_fill(is_padding, math.nan),
        entropies_NT=clean.entropies_NT.masked_fill(is_padding, math.nan),
    )
    torch.testing.assert_close(objective(dirty, batch), objective(clean, batch), rtol=0, atol=0)


@every_section
def test_the_order_of_completions_changes_nothing(section):
    objective = build_objective(section)
    losses = []
    for order in (range(8), (3, 7, 0, 4, 1, 6, 2, 5)):
        batch = batch_of([ROLLOUTS[i] for i in order])
        losses.append(objective(outputs_of(batch), batch).sum)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-13, atol=1e-13)


@every_section
@pytest.mark.parametrize("cut", [(1, 1, 1, 1, 1, 1, 1, 1), (3, 5), (1, 4, 2, 1)])
def test_a_step_may_be_cut_into_any_microbatches(section, cut):
    objective, whole = build_objective(section), batch_of()
    rows = iter(ROLLOUTS)
    parts = [batch_of(list(itertools.islice(rows, size))) for size in cut]
    losses = [objective(outputs_of(part), part) for part in parts]
    expected = objective(outputs_of(whole), whole)
    assert sum(map(objective.count, parts)) == objective.count(whole) == 8.0
    total = sum(loss.sum for loss in losses)
    torch.testing.assert_close(total, expected.sum, rtol=1e-12, atol=1e-12)
    for name, values in expected.metrics.items():
        torch.testing.assert_close(torch.cat([loss.metrics[name] for loss in losses]), values)


@every_section
def test_a_completion_drawn_twice_is_two_completions(section):
    objective = build_objective(section)
    drawn = [ROLLOUTS[0], ROLLOUTS[3], ROLLOUTS[0]]
    together = batch_of(drawn)
    assert together.weights_N.tolist() == [2.0, 1.0]
    losses = [objective(outputs_of(part), part) for part in (batch_of([row]) for row in drawn)]
    found = objective(outputs_of(together), together)
    assert objective.count(together) == 3.0
    torch.testing.assert_close(found.sum, sum(loss.sum for loss in losses), rtol=1e-12, atol=1e-13)
    for name, values in found.metrics.items():
        apart = torch.cat([loss.metrics[name] for loss in losses])
        torch.testing.assert_close(values.sort().values, apart.sort().values)


@every_section
def test_weights_of_zero_move_nothing(section):
    batch = replace(batch_of(), weights_N=torch.zeros(8))
    objective, outputs = build_objective(section), outputs_of(batch)
    loss = objective(outputs, batch)
    loss.sum.backward()
    assert objective.count(batch) == loss.sum.item() == outputs.logps_NT.grad.abs().sum() == 0.0


@every_section
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("column", ["logps", "old_logps", "reference_logps"])
def test_finite_where_a_token_is_all_but_impossible(section, dtype, column):
    batch = batch_of()
    zeros = torch.zeros(8, 5)
    far = zeros.clone()
    far[:, 0] = -1e4
    tables = {name: far if name == column else zeros for name in ("old_logps", "reference_logps")}
    batch = replace(batch, **{f"{name}_NT": table for name, table in tables.items()})
    logps_NT = (far if column == "logps" else zeros).to(dtype).clone().requires_grad_()
    outputs = outputs_of(batch)._replace(logps_NT=logps_NT)
    loss = build_objective(section)(outputs, batch)
    loss.sum.backward()
    assert loss.sum.isfinite()
    assert logps_NT.grad.isfinite().all()


# ------------------------------------------------------------------ clipping


def of_one_token(section, advantage: float, ratio: float) -> tuple[float, float, dict[str, float]]:
    """Loss, dL/d log π and metrics of a completion of one token."""
    batch = replace(
        batch_rollouts([EncodedRollout((9,), (1,), (0.0,), (0.0,))], mean_length=1.0),
        advantages_NT=torch.tensor([[advantage]], dtype=torch.float64),
        old_logps_NT=torch.tensor([[-3.0]], dtype=torch.float64),
    )
    logps_NT = torch.tensor([[-3.0 + math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    loss = build_objective(section)(Outputs(logps_NT, None, batch.lengths_N), batch)
    loss.sum.backward()
    metrics = {name: values.item() for name, values in loss.metrics.items()}
    return loss.sum.item(), logps_NT.grad.item(), metrics


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "slope", "low", "high"),
    [
        (2.0, 1.1, -2.2, -2.2, 0, 0),
        (2.0, 1.3, -2.56, 0.0, 0, 1),
        (2.0, 0.5, -1.0, -1.0, 0, 0),
        (-2.0, 0.9, 1.8, 1.8, 0, 0),
        (-2.0, 0.5, 1.6, 0.0, 1, 0),
        (-2.0, 1.5, 3.0, 3.0, 0, 0),
    ],
)
def test_a_ratio_that_is_already_far_enough_has_no_slope(advantage, ratio, loss, slope, low, high):
    """max(−A·ρ, −A·clip(ρ, 0.8, 1.28)); going back is never clipped."""
    found = of_one_token(DAPO(), advantage, ratio)
    assert found[:2] == pytest.approx((loss, slope), rel=1e-12, abs=1e-15)
    assert (found[2]["clip_ratio/low"], found[2]["clip_ratio/high"]) == (low, high)
    assert found[2]["ratio"] == pytest.approx(ratio)
    assert found[2]["advantages"] == advantage
    assert found[2]["approx_kl"] == pytest.approx(ratio - 1 - math.log(ratio), abs=1e-6)


@pytest.mark.parametrize(("ratio", "is_skipped"), [(9.9, False), (10.1, True), (1e30, True)])
def test_a_completion_far_from_the_old_policy_adds_nothing(ratio, is_skipped):
    loss, slope, metrics = of_one_token(DAPO(), -1.0, ratio)
    assert metrics["skipped"] == is_skipped
    assert (loss, slope) == ((0.0, 0.0) if is_skipped else pytest.approx((ratio, ratio)))
    assert of_one_token(DAPO(max_ratio=None), -1.0, ratio)[0] == pytest.approx(ratio)


def test_the_guard_leaves_the_other_completions_and_the_critic_alone():
    section = PPO(kl=KLInLoss(coefficient=0.5), entropy_coefficient=0.1)
    batch = batch_of()
    far_NT = batch.old_logps_NT.clone()
    far_NT[3, :5] -= 20
    far = replace(batch, old_logps_NT=far_NT)
    gradients = []
    for each in (batch, far):
        outputs = outputs_of(each)
        found = build_objective(section)(outputs, each)
        found.sum.backward()
        gradients.append((outputs.logps_NT.grad, outputs.values_NT.grad, found.metrics["skipped"]))
    others = torch.arange(8) != 3
    assert gradients[1][0][3].abs().sum() == 0.0 != gradients[0][0][3].abs().sum()
    assert gradients[1][2].tolist() == (~others).tolist()
    torch.testing.assert_close(gradients[1][0][others], gradients[0][0][others], rtol=0, atol=0)
    torch.testing.assert_close(gradients[1][1], gradients[0][1], rtol=0, atol=0)


# ------------------------------------------------------------------ the KL to the reference


def kl_terms(kl: KLInLoss) -> tuple[float, torch.Tensor, torch.Tensor, torch.Tensor]:
    """β·K over a vocabulary of five where advantages are 0, its gradient, logits and the reference's log-probs."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(5, dtype=torch.float64, generator=generator).requires_grad_()
    reference = torch.randn(5, dtype=torch.float64, generator=generator).log_softmax(-1)
    logps_NT = logits.log_softmax(-1)[:, None]
    rows = [EncodedRollout((9,), (token,), (0.0,), (0.0,)) for token in range(5)]
    batch = replace(
        batch_rollouts(rows, mean_length=1.0),
        weights_N=logps_NT.detach().exp()[:, 0],
        old_logps_NT=logps_NT.detach(),
        reference_logps_NT=reference[:, None],
    )
    loss = build_objective(GRPO(kl=kl))(Outputs(logps_NT, None, batch.lengths_N), batch)
    (gradient,) = torch.autograd.grad(loss.sum, logits)
    return loss.sum.item(), gradient, logits, reference


def test_the_mean_of_k3_is_the_kl_and_its_gradient_the_forward_kl_s():
    found, gradient, logits, reference = kl_terms(KLInLoss(coefficient=0.5, clamp=None))
    logps = logits.log_softmax(-1)
    reverse = (logps.exp() * (logps - reference)).sum()
    forward = (reference.exp() * (reference - logps)).sum()
    assert found == pytest.approx(0.5 * reverse.item(), rel=1e-12)
    torch.testing.assert_close(gradient, 0.5 * torch.autograd.grad(forward, logits)[0])


def test_the_mean_gradient_of_k2_is_the_kl_s():
    kl = KLInLoss(coefficient=0.5, estimator="k2", clamp=None)
    _, gradient, logits, reference = kl_terms(kl)
    logps = logits.log_softmax(-1)
    reverse = (logps.exp() * (logps - reference)).sum()
    torch.testing.assert_close(gradient, 0.5 * torch.autograd.grad(reverse, logits)[0])


def of_log_ratio(u: float, **options) -> tuple[float, float]:
    """k of a token with log π_ref − log π = u, and dk/d log π."""
    batch = replace(
        batch_rollouts([EncodedRollout((9,), (1,), (0.0,), (-3.0,))], mean_length=1.0),
        reference_logps_NT=torch.tensor([[-3.0 + u]], dtype=torch.float64),
    )
    logps_NT = torch.tensor([[-3.0]], dtype=torch.float64, requires_grad=True)
    section = VinePPO(kl=KLInLoss(coefficient=1.0, **options))
    loss = build_objective(section)(Outputs(logps_NT, None, batch.lengths_N), batch)
    loss.sum.backward()
    assert loss.metrics["kl"].item() == pytest.approx(loss.sum.item(), rel=1e-6)
    return loss.sum.item(), logps_NT.grad.item()


@given(st.floats(-20, 2.5))
def test_k3_is_never_negative_and_zero_at_the_reference_alone(u):
    loss, slope = of_log_ratio(u, clamp=None)
    assert loss == pytest.approx(math.exp(u) - u - 1, abs=1e-12)
    assert slope == pytest.approx(1 - math.exp(u), abs=1e-12)
    assert loss > 0 or abs(u) < 1e-7
    assert of_log_ratio(0.0) == (0.0, 0.0)


@pytest.mark.parametrize("u", [2.7, 5.0, -11.5, 1e4])
def test_a_clamped_token_has_no_slope(u):
    assert of_log_ratio(u) == (10.0, 0.0)
    assert of_log_ratio(2.5)[1] != 0.0


def test_the_kl_of_a_completion_is_a_sum_for_vineppo_and_a_mean_for_grpo():
    """The policy's loss is a mean over tokens for VinePPO: of four completions of three tokens K is thrice GRPO's."""
    rows = [
        EncodedRollout(
            (9,), (n, n, n), (0.0,) * 3, (-1.0,) * 3, reference_logps=(-1.0 + 0.1 * n,) * 3
        )
        for n in range(4)
    ]
    batch = batch_rollouts(rows, mean_length=3.0)
    outputs = Outputs(torch.full((4, 3), -1.0, dtype=torch.float64), None, batch.lengths_N)
    kl = KLInLoss(coefficient=1.0)
    vineppo, ppo, grpo, dapo, whole = (
        build_objective(section)(outputs._replace(values_NT=torch.zeros(4, 3)), each).sum.item()
        for section, each in [
            (VinePPO(kl=kl), batch),
            (
                PPO(kl=kl),
                replace(batch, returns_NT=torch.zeros(4, 3), old_values_NT=torch.zeros(4, 3)),
            ),
            (GRPO(kl=kl), batch),
            (DAPO(kl=kl), batch),
            (RLOO(kl=kl), batch),
        ]
    )
    expected = sum(math.exp(0.1 * n) - 0.1 * n - 1 for n in range(4))
    assert grpo == dapo == pytest.approx(expected, abs=1e-6)
    assert vineppo == ppo == whole == pytest.approx(3 * expected, abs=1e-6)


# ------------------------------------------------------------------ the critic


def value_loss(value: float, target: float, old: float, clip: float | None) -> tuple[float, float]:
    """The value loss of one token, and its slope."""
    row = EncodedRollout((9,), (1,), (0.0,), (-1.0,), (-1.0,), (target,), (old,))
    batch = batch_rollouts([row], mean_length=1.0)
    values_NT = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    logps_NT = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    outputs = Outputs(logps_NT, None, batch.lengths_N, values_NT=values_NT)
    section = PPO(value_clip=clip, value_coefficient=2.0)
    loss = build_objective(section)(outputs, batch)
    loss.sum.backward()
    assert loss.metrics["value_loss"].item() == pytest.approx(loss.sum.item() / 2, rel=1e-6)
    return loss.sum.item() / 2, values_NT.grad.item() / 2


@pytest.mark.parametrize(
    ("value", "target", "old", "clip", "expected"),
    [
        (0.5, 1.0, 0.5, 0.25, (0.125, -0.5)),
        # Beyond the clip and nearer to the target: the clipped error, without a slope.
        (0.75, 1.0, 0.25, 0.25, (0.125, 0.0)),
        # Beyond the clip on the wrong side: the free error.
        (0.0, 1.0, 0.5, 0.25, (0.5, -1.0)),
        (0.75, 1.0, 0.25, None, (0.03125, -0.25)),
    ],
)
def test_the_value_loss_is_half_the_larger_of_two_squared_errors(
    value, target, old, clip, expected
):
    assert value_loss(value, target, old, clip) == pytest.approx(expected, rel=1e-12)


# ------------------------------------------------------------------ what is asked for and missing


@pytest.mark.parametrize(
    ("section", "without", "message"),
    [
        (GRPO(), "advantages_NT", "reads advantages"),
        (GRPO(), "old_logps_NT", "reads old_logps"),
        (GRPO(), "reference_logps_NT", "reads reference_logps"),
        (PPO(), "returns_NT", "reads returns"),
        (PPO(), "old_values_NT", "reads old_values"),
    ],
)
def test_a_missing_column_is_named(section, without, message):
    batch = replace(batch_of(), **{without: None})
    with pytest.raises(ValueError, match=message):
        build_objective(section)(outputs_of(batch), batch)


def test_a_missing_number_is_named():
    batch = batch_of()
    with pytest.raises(ValueError, match=r"limit .config.with_limit., which is not set"):
        build_objective(DrGRPO())(outputs_of(batch), batch)
    without = replace(batch, mean_length=0.0)
    with pytest.raises(ValueError, match=r"Batch\.mean_length, which is not set"):
        build_objective(DAPO())(outputs_of(batch), without)
    with pytest.raises(ValueError, match="needs_values = True"):
        build_objective(PPO())(outputs_of(batch)._replace(values_NT=None), batch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "grpo", "limit": 5}, "limit would be ignored by average_over: completions"),
        ({"kind": "rloo", "average_over": "sums"}, "once for each of its tokens"),
        ({"kind": "vineppo", "ratio": "sequence_mean"}, "set ratio: token, or a kind"),
        ({"kind": "ppo", "ratio": "sequence", "average_over": "completions"}, "set ratio: token"),
        ({"kind": "vineppo", "kl": {"kind": "reward", "coefficient": 0.1}}, "set kl.kind: loss"),
        # The mean of k1's gradient is 0: it would hold the policy to nothing.
        ({"kind": "grpo", "kl": {"kind": "loss", "coefficient": 1, "estimator": "k1"}}, "k2"),
        ({"kind": "grpo", "kl": {"kind": "reward", "coefficient": 1, "clamp": 1}}, "Extra inputs"),
        ({"kind": "grpo", "kl": {"kind": "none", "coefficient": 1}}, "Extra inputs"),
        ({"kind": "grpo", "kl": {"kind": "loss"}}, "coefficient"),
        ({"kind": "rloo", "scale": "std"}, "Extra inputs"),
        ({"kind": "grpo", "whiten": True}, "Extra inputs"),
        ({"kind": "vineppo", "lam": 0.95}, "Extra inputs"),
        ({"kind": "ppo", "critic": {"kind": "model", "detach": True}}, "Extra inputs"),
        ({"kind": "grpo", "clip_low": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Objective).validate_python(options)


def test_policy_gradients_are_told_from_other_objectives():
    assert {section.kind for section in map(lambda kind: kind(), KINDS)} == {
        "ppo",
        "vineppo",
        "grpo",
        "dr_grpo",
        "dapo",
        "rloo",
    }
    assert all(map(is_policy_gradient, SECTIONS))
    assert not is_policy_gradient(DPO())
    assert not build_objective(DPO()).reads_rollouts


def test_a_limit_is_filled_in_where_one_is_asked_for():
    assert with_limit(DrGRPO(), 64).limit == 64
    assert with_limit(DrGRPO(limit=7), 64).limit == 7
    assert with_limit(GRPO(), 64) == GRPO()


# ------------------------------------------------------------------ TRL

TRL_GOLDEN = json.loads((GOLDEN_DIR / "trl_1_16_policy_gradient.json").read_text())


def trl_id(case) -> str:
    return f"{case['ours']['kind']}={case['trl']}" + "".join(
        f"-{name}" for name in case if name not in {"ours", "trl", "loss", "gradient"}
    )


@pytest.mark.parametrize("case", TRL_GOLDEN["cases"], ids=trl_id)
def test_loss_and_gradient_equal_what_trl_gave(case):
    """`python -m tests.golden.record_trl_policy_gradient` records them anew, by TRL's own code."""
    lengths = TRL_GOLDEN["lengths"]
    rows = [
        EncodedRollout((9,), (n,) * length, (0.0,) * length, (0.0,) * length)
        for n, length in enumerate(lengths)
    ]
    tables = {
        name: torch.tensor(table, dtype=torch.float64)
        for name, table in TRL_GOLDEN["inputs"].items()
    }
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    batch = replace(
        batch_rollouts(rows, mean_length=sum(lengths) / len(lengths)),
        advantages_NT=tables["advantages"][:, None] * mask,
        old_logps_NT=tables["old_logps"],
        reference_logps_NT=tables["reference_logps"],
    )
    logps_NT = tables["logps"].requires_grad_()
    outputs = Outputs(logps_NT, None, batch.lengths_N, entropies_NT=tables["entropies"])
    objective = build_objective(TypeAdapter(Objective).validate_python(case["ours"]))
    loss = objective(outputs, batch).sum / objective.count(batch)
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-10)
    expected = torch.tensor(case["gradient"], dtype=torch.float64)
    torch.testing.assert_close(logps_NT.grad, expected, rtol=1e-9, atol=1e-12)
