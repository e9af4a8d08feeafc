"""How weights move: accumulation by sums, nothing at rate 0, masters in float32, two forwards."""

import math
import sys

import pytest
import torch
from accelerate import Accelerator
from model_fixtures import save_tiny_model, text_pairs

from codealign.batches import Batch, Outputs, batch_pairs
from codealign.config import DPO, SFT, Backprop, ModelConfig, ZerothOrder
from codealign.errors import ConfigError
from codealign.experience import encode_pairs
from codealign.loop import PolicyLoss
from codealign.objectives import Loss, build_objective
from codealign.policy import Policy, load_policy
from codealign.reference import ReferenceCache
from codealign.updates import NonFiniteError, build_update

BOTH = pytest.mark.parametrize("section", [Backprop(), ZerothOrder()], ids=lambda s: s.kind)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model"), "llama"))


def load(path: str, *, double: bool = False, **options) -> Policy:
    policy = load_policy(ModelConfig(model_name_or_path=path, **options))
    if double:
        policy.model.double()
    return policy


def make_loss(policy: Policy, objective_section=None) -> PolicyLoss:
    objective = build_objective(objective_section or DPO())
    reference = ReferenceCache(policy)
    reference.fill([make_batch(policy, 8)])
    return PolicyLoss(policy, objective, reference if objective.needs_reference else None)


def make_batch(policy: Policy, count: int, start: int = 0) -> Batch:
    return batch_pairs(encode_pairs(policy, text_pairs(start + count)[start:], None).pairs)


def make_update(section, policy: Policy):
    return build_update(section, policy, Accelerator(cpu=True), 0)


def weights(policy: Policy) -> list[torch.Tensor]:
    return [parameter.detach().clone() for _, parameter in policy.trainable_parameters()]


@BOTH
@pytest.mark.parametrize("objective", [DPO(), SFT()], ids=lambda s: s.kind)
def test_one_batch_of_eight_moves_as_eight_batches_of_one(path, section, objective):
    moved = []
    for split in (1, 8):
        policy = load(path, double=True)
        loss = make_loss(policy, objective)
        batches = [make_batch(policy, 8 // split, start=i * 8 // split) for i in range(split)]
        result = make_update(section, policy).step(batches, loss, 1e-3, 0)
        moved.append((result.loss, weights(policy)))
    (loss_1, weights_1), (loss_8, weights_8) = moved
    assert loss_1 == pytest.approx(loss_8, rel=1e-12)
    for one, eight in zip(weights_1, weights_8, strict=True):
        torch.testing.assert_close(one, eight, rtol=1e-7, atol=1e-9)


def test_the_loss_is_the_sum_over_all_tokens_divided_once(path):
    """Ragged microbatches: a mean of means would weigh the tokens of the short one more."""
    policy = load(path, double=True)
    loss = make_loss(policy, SFT())
    batches = [make_batch(policy, 5), make_batch(policy, 3, start=5)]
    sums = [loss(batch).sum.item() for batch in batches]
    counts = [loss.count(batch) for batch in batches]
    result = make_update(Backprop(), policy).step(batches, loss, 0.0, 0)
    assert counts[0] != counts[1]
    assert result.loss == pytest.approx(sum(sums) / sum(counts), rel=1e-12)


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_learning_rate_zero_moves_nothing(path, section, dtype):
    policy = load(path, dtype=dtype)
    loss, update, before = make_loss(policy), make_update(section, policy), weights(policy)
    for step in range(3):
        update.step([make_batch(policy, 4)], loss, 0.0, step)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(policy), strict=True))


@pytest.mark.parametrize(
    ("section", "objective", "rate", "steps"),
    [
        (Backprop(), DPO(), 1e-3, 10),
        (Backprop(), SFT(), 1e-3, 10),
        (ZerothOrder(), DPO(beta=0.5), 2e-5, 60),
        (ZerothOrder(), SFT(), 2e-5, 60),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_every_objective_falls_under_every_update(path, section, objective, rate, steps):
    policy = load(path)
    loss, update, batch = make_loss(policy, objective), make_update(section, policy), None
    batch = make_batch(policy, 8)
    losses = [update.step([batch], loss, rate, step).loss for step in range(steps)]
    assert losses[-1] < losses[0] - 0.01


def test_bfloat16_weights_move_by_steps_that_bfloat16_would_round_away(path):
    """A weight of size 0.2 has bfloat16 neighbours 2^-10 away; twenty steps of 1e-4 add up to 2e-3."""
    policy = load(path, dtype="bfloat16")
    loss, update, before = (
        make_loss(policy, SFT()),
        make_update(Backprop(), policy),
        weights(policy),
    )
    batch = make_batch(policy, 4)
    for step in range(20):
        update.step([batch], loss, 1e-4, step)
    changed = [(a != b).float().mean().item() for a, b in zip(before, weights(policy), strict=True)]
    assert policy.model.dtype == torch.bfloat16
    assert max(changed) > 0.5
    state = update.state_dict()
    assert {master.dtype for master in state["masters"].values()} == {torch.float32}


def test_without_masters_bfloat16_rounds_small_steps_away(path):
    policy = load(path, dtype="bfloat16")
    loss, before = make_loss(policy, SFT()), weights(policy)
    update, batch = make_update(Backprop(float32_masters=False), policy), make_batch(policy, 4)
    update.step([batch], loss, 1e-6, 0)
    large = [(b.abs() > 1e-2) for b in before]
    after = weights(policy)
    assert all(torch.equal(a[m], b[m]) for a, b, m in zip(after, before, large, strict=True))
    update.step([batch], loss, 1e-2, 1)
    assert any(not torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))
    assert update.state_dict()["masters"] == {}


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_average_follows_the_weights_and_can_be_looked_at(path, section, dtype):
    """ema ← 0.9·ema + 0.1·θ, of the weights that move, and not of what bfloat16 rounds them to."""
    policy = load(path, dtype=dtype)
    update = make_update(section.model_copy(update={"ema_decay": 0.9}), policy)
    loss, batch = make_loss(policy, SFT()), make_batch(policy, 4)
    wanted = [master.detach().clone() for master in update.weights.masters]
    for step in range(4):
        update.step([batch], loss, 1e-3, step)
        for average, master in zip(wanted, update.weights.masters, strict=True):
            average.mul_(0.9).add_(master.detach(), alpha=0.1)
    before = weights(policy)
    with update.weights.averaged():
        for inside, average in zip(weights(policy), wanted, strict=True):
            torch.testing.assert_close(inside, average.to(inside.dtype), rtol=1e-2, atol=1e-6)
        assert any(not torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))


def test_eight_bit_moments_move_almost_as_whole_ones(path):
    """Both reach the same loss; the moments of large tensors take a byte a weight each."""
    losses, states = {}, {}
    for optim in ("adamw_torch_fused", "adamw_bnb_8bit"):
        policy = load(path)
        loss, batch = make_loss(policy, SFT()), make_batch(policy, 8)
        update = make_update(Backprop(optim=optim), policy)
        losses[optim] = [update.step([batch], loss, 1e-3, step).loss for step in range(10)]
        states[optim] = update.optimizer.state
    whole, small = losses.values()
    assert whole[-1] < whole[0] - 0.1
    assert small == pytest.approx(whole, abs=0.02)
    moments = [state["state1"] for state in states["adamw_bnb_8bit"].values()]
    assert all(m.dtype == torch.uint8 for m in moments if m.numel() >= 4096)
    assert any(m.numel() >= 4096 for m in moments)


def test_a_missing_bitsandbytes_is_an_error_with_its_cure(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim.adamw", None)
    with pytest.raises(ConfigError, match=r"codealign\[bnb\]"):
        make_update(Backprop(optim="adamw_bnb_8bit"), load(path))


def test_clipping_bounds_the_step_but_reports_the_norm_before(path):
    policy = load(path)
    result = make_update(Backprop(max_grad_norm=1e-3), policy).step(
        [make_batch(policy, 4)], make_loss(policy, SFT()), 0.0, 0
    )
    assert result.grad_norm > 0.1


def test_zeroth_order_is_the_projected_gradient_along_its_direction(tmp_path):
    """θ' − θ = −η g u, with g the directional derivative ⟨∇L, u⟩ up to ε²."""
    # GPT-2 computes in float64 throughout; Llama's norms are float32, which 1/2ε would magnify.
    policy = load(str(save_tiny_model(tmp_path, "gpt2")), double=True)
    loss, batch = make_loss(policy, SFT()), make_batch(policy, 4)
    before = weights(policy)
    (loss(batch).sum / loss.count(batch)).backward()
    gradients = [parameter.grad.clone() for _, parameter in policy.trainable_parameters()]
    policy.model.zero_grad()
    result = make_update(ZerothOrder(epsilon=1e-5), policy).step([batch], loss, 1.0, 0)
    slope = result.grad_norm
    moves = [after - b for after, b in zip(weights(policy), before, strict=True)]
    inner = sum((g * m).sum() for g, m in zip(gradients, moves, strict=True)).item()
    # ⟨∇L, −g u⟩ = −g²: the step goes down by the square of what it measured.
    assert inner == pytest.approx(-(slope**2), rel=1e-5)
    flat = torch.cat([move.flatten() for move in moves]) / slope
    assert flat.std().item() == pytest.approx(1.0, abs=0.02)


def test_zeroth_order_directions_differ_by_step_and_repeat_by_seed(path):
    def move(step: int) -> torch.Tensor:
        policy = load(path)
        before = weights(policy)
        make_update(ZerothOrder(), policy).step(
            [make_batch(policy, 2)], make_loss(policy, SFT()), 1e-4, step
        )
        return weights(policy)[1] - before[1]

    first, again, other = move(0), move(0), move(1)
    assert torch.equal(first, again)
    cosine = torch.nn.functional.cosine_similarity(first.flatten(), other.flatten(), dim=0)
    assert abs(cosine) < 0.2


@BOTH
def test_an_objective_that_asks_gets_entropies_and_kls(path, section):
    """Maximising entropy raises it, minimising KL brings the policy back to its reference."""

    class Uniform:
        needs_reference = needs_rejected = False
        needs_entropy = needs_kl = True

        def count(self, batch: Batch) -> float:
            return float(batch.lengths_N.sum())

        def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
            entropies, kls = outputs.entropies_NT, outputs.kls_NT
            return Loss(-entropies.sum() + 0.1 * kls.sum(), {"kl": kls.detach().flatten()})

    policy = load(path, use_peft=True)
    loss, batch = PolicyLoss(policy, Uniform(), None), make_batch(policy, 4)
    update = make_update(section, policy)
    rate, steps = (1e-2, 5) if section.kind == "backprop" else (1e-5, 40)
    results = [update.step([batch], loss, rate, step) for step in range(steps)]
    assert results[-1].loss < results[0].loss
    if section.kind == "backprop":
        assert results[0].metrics["kl"][0] == pytest.approx(0, abs=1e-4)
        assert results[-1].metrics["kl"][0] > 1e-3


@BOTH
def test_a_loss_that_is_not_a_number_moves_nothing(path, section):
    policy = load(path)
    before = weights(policy)

    class Broken:
        def count(self, batch: Batch) -> float:
            return 1.0

        def __call__(self, batch: Batch) -> Loss:
            return Loss(policy.token_logps(batch).sum() * math.nan, {})

    with pytest.raises(NonFiniteError, match="nan"):
        make_update(section, policy).step([make_batch(policy, 2)], Broken(), 1.0, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(policy), strict=True))
