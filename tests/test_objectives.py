"""The losses, against the papers' equations and against TRL.

Every identity is in float64 on tensors a person can follow. `batch` is two pairs that share one chosen completion:

    completion   0   1   2      pair   chosen  rejected  weight
    tokens       2   3   1      0      0       1         1.0
                                1      0       2         0.5

The contract that every objective keeps is tested on `PAIRS`, eight pairs of four prompts; a new objective needs
a line in `AT_REFERENCE` for it. Those that learn from rollouts keep it in `tests/test_policy_gradient.py`.
"""

import json
import math
import warnings
from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from golden.record import GOLDEN_DIR
from model_fixtures import save_tiny_model, text_pairs
from pydantic import TypeAdapter, ValidationError

from codealign.batches import Batch, EncodedPair, Outputs, batch_pairs, mismatches
from codealign.config import (
    AOT,
    BCO,
    CDPO,
    DPO,
    DPOP,
    EXO,
    FDPO,
    IPO,
    KTO,
    LDDPO,
    MRPO,
    NCA,
    ORPO,
    RFT,
    RPO,
    SFT,
    TISDPO,
    WPO,
    DPONorm,
    Hinge,
    IPONorm,
    MinorDPO,
    MinorSFT,
    ModelConfig,
    Objective,
    PolicyGradientSection,
    RobustDPO,
    SimPO,
    Sum,
    Term,
    TrainConfig,
)
from codealign.contrast import tis_weights
from codealign.errors import DataError
from codealign.experience import EncodedPairs, encode_pairs
from codealign.objectives import OBJECTIVES, build_objective, mrpo
from codealign.policy import Policy, load_policy
from codealign.training import train

LENGTHS = [2, 3, 1]


@pytest.fixture
def batch() -> Batch:
    return batch_pairs(
        [EncodedPair((9,), (1, 2), (3, 4, 5)), EncodedPair((9,), (1, 2), (6,), weight=0.5)]
    )


def make_outputs(seed: int = 0, *, at_reference: bool = False, num_columns: int = 3) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(num_columns) < torch.tensor(LENGTHS)[:, None]
    logps, reference = (
        -4 * torch.rand(3, 3, dtype=torch.float64, generator=generator) for _ in range(2)
    )
    logps = F.pad(logps, (0, num_columns - 3)) * mask
    reference = logps if at_reference else F.pad(reference, (0, num_columns - 3)) * mask
    return Outputs(logps.requires_grad_(), reference.detach().clone(), torch.tensor(LENGTHS))


# ------------------------------------------------------------------ the contract

PAIRS = [
    EncodedPair((1,), (1, 2), (3, 4, 5)),
    EncodedPair((1,), (1, 2), (6,), weight=0.5),
    EncodedPair((2,), (3, 1, 4, 1), (5, 9)),
    EncodedPair((2,), (2, 6), (5, 3, 5, 8, 9), weight=2.0),
    EncodedPair((3,), (7,), (9, 3, 2)),
    EncodedPair((3,), (3, 8, 4), (6, 2, 6)),
    EncodedPair((4,), (4, 3, 3, 8), (3, 2, 7, 9, 5), weight=0.25),
    EncodedPair((4,), (2, 8), (8, 4)),
]
PAIRS = [
    pair._replace(
        chosen_weights=tuple(0.5 + 0.25 * t for t, _ in enumerate(pair.chosen_ids)),
        rejected_weights=tuple(1.5 - 0.25 * t for t, _ in enumerate(pair.rejected_ids)),
        chosen_reference_logps=(-1.0 - len(pair.chosen_ids), -2.0 - len(pair.rejected_ids)),
        rejected_reference_logps=(-4.5, -0.5 * len(pair.rejected_ids)),
        reference_weights=(0.5, 0.3, 0.2),
    )
    for pair in PAIRS
]
TOKEN_LOGP = -0.5
"""Of every token in the tests of values at the reference."""
LOG_2 = math.log(2)

AT_REFERENCE = {
    "dpo": lambda section: LOG_2,
    "cdpo": lambda section: LOG_2,
    "robust": lambda section: LOG_2,
    "hinge": lambda section: 1.0,
    "ipo": lambda section: 1 / (4 * section.beta**2),
    "ipo_norm": lambda section: 1 / (4 * section.beta**2),
    "dpo_norm": lambda section: LOG_2,
    "exo": lambda section: (
        -LOG_2 - math.log(section.label_smoothing * (1 - section.label_smoothing)) / 2
    ),
    "discopop": lambda section: (LOG_2 + 1) / 2,
    "f_dpo": lambda section: LOG_2,
    "nca": lambda section: 2 * LOG_2,
    "apo_zero": lambda section: 1.0,
    "apo_down": lambda section: 1.0,
    "sppo_hard": lambda section: 1 / (2 * section.beta**2),
    "bco": lambda section: 2 * LOG_2,
    "dpop": lambda section: LOG_2,
    "minor_dpo": lambda section: LOG_2,
    "kto": lambda section: (section.desirable_weight + section.undesirable_weight) / 4,
    "rpo": lambda section: LOG_2 - section.nll_weight * TOKEN_LOGP,
    "aot": lambda section: LOG_2,
    "aot_unpaired": lambda section: LOG_2,
    "simpo": lambda section: math.log1p(math.exp(section.gamma)),
    "orpo": lambda section: -TOKEN_LOGP + section.odds_weight * LOG_2,
    "sft": lambda section: -TOKEN_LOGP,
    "rft": lambda section: -TOKEN_LOGP,
    # Per completion: the mean over chosen completions, by weight, of 1/|y|.
    "minor_sft": lambda section: (
        2
        * LOG_2
        / section.beta
        * (1.5 / 2 + 1 / 4 + 2 / 2 + 1 / 1 + 1 / 3 + 0.25 / 4 + 1 / 2)
        / 7.75
    ),
}


def mrpo_at_reference(section: MRPO) -> float:
    """The paper's formulas as sums over the pairs: log 2 only where the references agree with the policy."""
    total = 0.0
    for pair in PAIRS:
        lengths = len(pair.chosen_ids), len(pair.rejected_ids)
        sides = [
            [TOKEN_LOGP * length, *others]
            for length, others in zip(
                lengths, (pair.chosen_reference_logps, pair.rejected_reference_logps), strict=True
            )
        ]
        alphas = alphas_of(section, sides, lengths, pair.reference_weights)
        means = [abs(sum(logps)) / 3 for logps in sides]
        shares = {
            "adaptive": [mean / sum(means) for mean in means],
            "fixed": [1, 1],
            "none": [9, 9],
        }
        epsilons = [
            getattr(section.clipping, "epsilon", 1e3) * share
            for share in shares[section.clipping.kind]
        ]
        clipped = [
            [min(max(logp, (1 + e) * logps[0]), (1 - e) * logps[0]) for logp in logps]
            for e, logps in zip(epsilons, sides, strict=True)
        ]
        own = sides[0][0] - sides[1][0]
        margins = [own - (c - r) for c, r in zip(*clipped, strict=True)]
        if section.combine == "multi_dpo":
            loss = sum(
                a * softplus(-section.beta * m) for a, m in zip(alphas, margins, strict=True)
            )
        elif section.combine == "geometric":
            loss = softplus(
                -section.beta * sum(a * m for a, m in zip(alphas, margins, strict=True))
            )
        else:
            virtual = [
                -math.log(sum(a * math.exp(-logp) for a, logp in zip(alphas, logps, strict=True)))
                for logps in clipped
            ]
            loss = softplus(-section.beta * (own - virtual[0] + virtual[1]))
        total += pair.weight * loss
    return total / sum(pair.weight for pair in PAIRS)


def alphas_of(section: MRPO, sides, lengths, in_pair) -> list[float]:
    if section.weights.kind == "validation":
        return list(in_pair)
    if section.weights.kind == "fixed":
        return section.weights.alphas
    units = lengths if section.weights.length_normalised else (1, 1)
    gaps = [abs(c / units[0] - r / units[1]) for c, r in zip(*sides, strict=True)]
    return [gap / sum(gaps) if sum(gaps) else 1 / 3 for gap in gaps]


def softplus(z: float) -> float:
    return math.log1p(math.exp(z))


AT_REFERENCE |= {
    "mrpo": mrpo_at_reference,
    "ld": lambda section: AT_REFERENCE[section.objective.kind](section.objective),
    "tis_dpo": lambda section: AT_REFERENCE[section.objective.kind](section.objective),
    "wpo": lambda section: AT_REFERENCE[section.objective.kind](section.objective),
    "sum": lambda section: sum(
        term.weight * AT_REFERENCE[term.objective.kind](term.objective) for term in section.terms
    ),
}
SAMPLE_IS_THE_MICROBATCH = {"aot", "aot_unpaired"}


def mrpo_section(num_others: int = 2, **options) -> MRPO:
    references = [{"model_name_or_path": f"model-{k + 1}"} for k in range(num_others)]
    return MRPO(references=references, **options)


VARIANTS = [
    FDPO(divergence="forward_kl"),
    FDPO(divergence="alpha", alpha=0.5),
    SFT(mean_over="completions"),
    BCO(shift_decay=None),
    LDDPO(objective=IPONorm(), alpha=0.0),
    WPO(objective=LDDPO(alpha=0.3)),
    TISDPO(objective=MinorDPO()),
    TISDPO(kl_weight=1.0),
    *(TISDPO(objective=inner) for inner in (KTO(), RPO(), SimPO(), SFT(), MinorSFT())),
    Sum(terms=[Term(objective=Hinge()), Term(weight=0.3, objective=WPO(objective=SimPO()))]),
    mrpo_section(combine="geometric", clipping={"kind": "fixed", "epsilon": 0.3}),
    mrpo_section(combine="multi_dpo", weights={"kind": "fixed", "alphas": [0.5, 0.5, 0.0]}),
    mrpo_section(clipping={"kind": "none"}, weights={"kind": "validation"}),
    mrpo_section(weights={"kind": "per_pair", "length_normalised": True}),
    WPO(objective=mrpo_section()),
    Sum(terms=[Term(objective=mrpo_section()), Term(objective=SFT(mean_over="completions"))]),
]
READS_LOG_PROBS = {"rpo", "simpo", "sft"}
WEIGHS_BY_THE_POLICY = {"wpo", "sum"}
"""Without gradient through the weights, so differences of the loss are not its gradient."""
ON_PAIRS = [kind for kind in OBJECTIVES if not issubclass(kind, PolicyGradientSection)]
SECTIONS = [mrpo_section() if kind is MRPO else kind() for kind in ON_PAIRS] + VARIANTS
every_objective = pytest.mark.parametrize(
    "section",
    SECTIONS,
    ids=lambda section: "-".join(
        [
            section.kind,
            *(
                f"{k}={v}"
                for k, v in section.model_dump(
                    exclude_defaults=True, exclude={"references"}
                ).items()
            ),
        ]
    ),
)


def outputs_of(
    batch: Batch, *, at_reference: bool = False, num_columns: int | None = None
) -> Outputs:
    """The same completion has the same log-probs in whatever batch it is."""
    logps, reference, collisions, kls = [], [], [], []
    for prompt, completion in batch.rows():
        generator = torch.Generator().manual_seed(hash((prompt, completion)) % 2**31)
        rows = -3 * torch.rand(4, len(completion), dtype=torch.float64, generator=generator)
        rows = torch.full_like(rows, TOKEN_LOGP) if at_reference else rows
        rows[3] = 0.0 if at_reference else -rows[3]
        for table, row in zip((logps, reference, collisions, kls), rows, strict=True):
            table.append(row)
    logps_NT, reference_NT, collisions_NT, kls_NT = (
        F.pad(padded, (0, (num_columns or padded.shape[1]) - padded.shape[1]))
        for padded in (
            torch.nn.utils.rnn.pad_sequence(table, batch_first=True)
            for table in (logps, reference, collisions, kls)
        )
    )
    return Outputs(
        logps_NT.requires_grad_(),
        reference_NT,
        batch.lengths_N,
        collisions_NT=collisions_NT,
        kls_NT=kls_NT,
    )


@every_objective
def test_the_loss_at_the_reference_is_the_stated_one(section):
    if section.kind == "tis_dpo" and section.objective.kind in READS_LOG_PROBS:
        pytest.skip(
            "token weights show in log-probs at the reference too, in log-ratios they do not"
        )
    objective, batch = build_objective(section), batch_pairs(PAIRS)
    loss = objective(outputs_of(batch, at_reference=True), batch)
    assert loss.sum.item() / objective.count(batch) == pytest.approx(
        AT_REFERENCE[section.kind](section), rel=1e-12
    )


@every_objective
def test_gradient_goes_through_the_policy_only(section):
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    outputs.reference_logps_NT.requires_grad_()
    loss = build_objective(section)(outputs, batch)
    loss.sum.backward()
    assert outputs.logps_NT.grad.abs().sum() > 0
    assert outputs.reference_logps_NT.grad is None
    assert not any(values.requires_grad for values in loss.metrics.values())


@every_objective
def test_the_gradient_is_the_loss_s(section):
    objective, batch = build_objective(section), batch_pairs(PAIRS)
    outputs = outputs_of(batch)

    def loss_of(logps_NT):
        return objective(outputs._replace(logps_NT=logps_NT), batch).sum

    if section.kind in WEIGHS_BY_THE_POLICY:
        pytest.skip("weights by the policy, see test_wpo_has_no_gradient_through_its_weights")
    assert torch.autograd.gradcheck(loss_of, outputs.logps_NT, rtol=1e-5)


@every_objective
def test_padding_changes_nothing(section):
    objective, batch = build_objective(section), batch_pairs(PAIRS)
    narrow, wide = (objective(outputs_of(batch, num_columns=n), batch) for n in (5, 11))
    torch.testing.assert_close(wide.sum, narrow.sum, rtol=1e-13, atol=0)
    torch.testing.assert_close(wide.metrics, narrow.metrics, rtol=1e-13, atol=1e-13)


@every_objective
def test_the_order_of_pairs_and_completions_changes_nothing(section):
    objective = build_objective(section)
    losses = []
    for order in (range(8), (3, 7, 0, 4, 1, 6, 2, 5)):
        batch = batch_pairs(PAIRS[i] for i in order)
        losses.append(objective(outputs_of(batch), batch).sum)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-13, atol=0)


@every_objective
def test_eight_microbatches_of_one_are_one_of_eight(section):
    objective, whole = build_objective(section), batch_pairs(PAIRS)
    single = [batch_pairs([pair]) for pair in PAIRS]
    total = sum(objective(outputs_of(batch), batch).sum for batch in single)
    assert sum(map(objective.count, single)) == pytest.approx(objective.count(whole))
    if section.kind in SAMPLE_IS_THE_MICROBATCH:
        # Documented: the sample of a single pair is that pair, and the loss is DPO's.
        dpo = build_objective(DPO(beta=section.beta))
        expected = dpo(outputs_of(whole), whole).sum
    else:
        expected = objective(outputs_of(whole), whole).sum
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=0)


@every_objective
def test_weights_of_zero_move_nothing(section):
    batch = batch_pairs(pair._replace(weight=0.0) for pair in PAIRS)
    objective, outputs = build_objective(section), outputs_of(batch)
    loss = objective(outputs, batch)
    loss.sum.backward()
    assert objective.count(batch) == loss.sum.item() == outputs.logps_NT.grad.abs().sum() == 0.0


@every_objective
def test_a_pair_of_weight_two_is_the_pair_twice_and_of_weight_zero_is_absent(section):
    objective = build_objective(section)
    weighted = batch_pairs([PAIRS[0]._replace(weight=2.0), PAIRS[2], PAIRS[4]._replace(weight=0.0)])
    written_out = batch_pairs([PAIRS[0], PAIRS[0], PAIRS[2]])
    assert objective.count(weighted) == objective.count(written_out)
    torch.testing.assert_close(
        objective(outputs_of(weighted), weighted).sum,
        objective(outputs_of(written_out), written_out).sum,
        rtol=1e-12,
        atol=0,
    )


@every_objective
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("extreme", [0, 1], ids=["chosen", "rejected"])
@pytest.mark.parametrize("sign", [1, -1])
def test_finite_at_extreme_log_ratios(section, batch, dtype, extreme, sign):
    """A completion certain under one of the two and e^-10000 under the other."""
    zeros = torch.zeros(3, 3, dtype=dtype)
    far = zeros.clone()
    far[extreme, 0] = -1e4
    logps_NT, reference_NT = (zeros, far) if sign > 0 else (far, zeros)
    outputs = Outputs(
        logps_NT.clone().requires_grad_(),
        reference_NT,
        torch.tensor(LENGTHS),
        collisions_NT=zeros,
        kls_NT=zeros,
    )
    batch = replace(
        batch,
        token_weights_ST=torch.ones(4, 3),
        reference_logps_SK=torch.tensor(
            [[-1e4, -1.0]] * 2 + [[0.0, -1e4]] * 2, dtype=torch.float64
        ),
        reference_weights_PK=torch.tensor([[0.0, 0.5, 0.5]] * 2),
    )
    loss = build_objective(section)(outputs, batch)
    loss.sum.backward()
    assert loss.sum.isfinite()
    assert outputs.logps_NT.grad.isfinite().all()


# ------------------------------------------------------------------ DPO


def test_dpo_at_the_reference_is_log_two(batch):
    objective = build_objective(DPO())
    loss = objective(make_outputs(at_reference=True), batch)
    assert loss.sum.item() / objective.count(batch) == pytest.approx(math.log(2), abs=1e-15)
    assert loss.metrics["rewards/margins"].tolist() == [0.0, 0.0]


def test_dpo_is_equation_7(batch):
    outputs = make_outputs()
    beta = 0.3
    loss = build_objective(DPO(beta=beta))(outputs, batch)
    # By hand: log-ratios of the three completions, then the two weighted pairs.
    ratios = [
        sum(policy_logps[t] - reference_logps[t] for t in range(length))
        for policy_logps, reference_logps, length in zip(
            outputs.logps_NT.tolist(), outputs.reference_logps_NT.tolist(), LENGTHS, strict=True
        )
    ]
    first = math.log1p(math.exp(-beta * (ratios[0] - ratios[1])))
    second = math.log1p(math.exp(-beta * (ratios[0] - ratios[2])))
    assert loss.sum.item() == pytest.approx(1.0 * first + 0.5 * second, abs=1e-12)


def test_dpo_gradient_is_beta_times_the_wrongness_of_the_pair(batch):
    outputs = make_outputs()
    beta = 0.3
    build_objective(DPO(beta=beta))(outputs, batch).sum.backward()
    ratios_N = outputs.log_ratios_N.detach()
    wrong_0 = 1.0 * torch.sigmoid(-beta * (ratios_N[0] - ratios_N[1]))
    wrong_1 = 0.5 * torch.sigmoid(-beta * (ratios_N[0] - ratios_N[2]))
    per_completion = beta * torch.stack([-wrong_0 - wrong_1, wrong_0, wrong_1])
    torch.testing.assert_close(outputs.logps_NT.grad, per_completion[:, None].expand(3, 3))


def test_dpo_counts_weights_of_pairs(batch):
    assert build_objective(DPO()).count(batch) == 1.5


def test_dpo_ignores_what_policy_and_reference_gain_together(batch):
    outputs = make_outputs()
    shifted = outputs._replace(
        logps_NT=outputs.logps_NT - 2.5, reference_logps_NT=outputs.reference_logps_NT - 2.5
    )
    objective = build_objective(DPO())
    torch.testing.assert_close(objective(shifted, batch).sum, objective(outputs, batch).sum)


def test_dpo_metrics_have_trl_names_and_one_value_a_pair(batch):
    outputs = make_outputs()
    metrics = build_objective(DPO(beta=0.2))(outputs, batch).metrics
    ratios_N = outputs.log_ratios_N.detach()
    torch.testing.assert_close(metrics["log_ratio/chosen"], ratios_N[[0, 0]])
    torch.testing.assert_close(metrics["rewards/rejected"], 0.2 * ratios_N[[1, 2]])
    torch.testing.assert_close(
        metrics["rewards/margins"], metrics["rewards/chosen"] - metrics["rewards/rejected"]
    )
    torch.testing.assert_close(metrics["logps/chosen"], outputs.logps_N.detach()[[0, 0]])
    assert all(len(values) == 2 and not values.requires_grad for values in metrics.values())


# ------------------------------------------------------------------ SFT


def test_sft_is_the_weighted_token_mean_of_the_chosen(batch):
    outputs = make_outputs()
    objective = build_objective(SFT())
    # Completion 0 is chosen in both pairs (1.0 + 0.5) and has two tokens; the others are never chosen.
    nll = -(outputs.logps_NT[0, 0] + outputs.logps_NT[0, 1]).item()
    assert objective.count(batch) == pytest.approx(1.5 * 2)
    assert objective(outputs, batch).sum.item() / 3.0 == pytest.approx(nll / 2, abs=1e-12)


def test_sft_is_the_same_without_the_rejected_side(batch):
    objective = build_objective(SFT())
    pairs = [EncodedPair((9,), (1, 2), (3, 4, 5)), EncodedPair((9,), (1, 2), (6,), weight=0.5)]
    alone = batch_pairs(pairs, with_rejected=False)
    outputs = make_outputs()
    only_chosen = Outputs(outputs.logps_NT[:1], None, outputs.lengths_N[:1])
    assert objective.count(alone) == objective.count(batch)
    torch.testing.assert_close(objective(only_chosen, alone).sum, objective(outputs, batch).sum)


# ------------------------------------------------------------------ one pair at a time


def loss_of_pair(section, chosen: float, rejected: float):
    """(loss, gradient wrt a⁺, gradient wrt a⁻) of one pair with these log-ratios, one token a side."""
    batch = batch_pairs([EncodedPair((9,), (1,), (2,))])
    logps_NT = torch.tensor([[chosen], [rejected]], dtype=torch.float64, requires_grad=True)
    outputs = Outputs(logps_NT, torch.zeros(2, 1, dtype=torch.float64), batch.lengths_N)
    loss = build_objective(section)(outputs, batch).sum
    loss.backward()
    return loss.item(), *logps_NT.grad[:, 0].tolist()


GRID = [(0.5, 0.3), (0.5, -0.3), (-0.3, 0.5), (-2.0, -1.0), (3.0, -4.0), (0.0, 1.0)]
on_a_grid = pytest.mark.parametrize(("chosen", "rejected"), GRID)


@on_a_grid
@pytest.mark.parametrize("section", [CDPO(beta=0.1, label_smoothing=0), DPOP(beta=0.1)])
def test_a_correction_of_zero_is_dpo(section, chosen, rejected):
    """No smoothing; no penalty, since the chosen side has gained."""
    if section.kind == "dpop":
        chosen = abs(chosen) + 0.1
    assert loss_of_pair(section, chosen, rejected) == pytest.approx(
        loss_of_pair(DPO(), chosen, rejected), rel=1e-12
    )


@on_a_grid
def test_robust_dpo_is_dpo_on_average_over_flipped_labels(chosen, rejected):
    section = RobustDPO(beta=0.1, label_smoothing=0.3)
    kept, *_ = loss_of_pair(section, chosen, rejected)
    flipped, *_ = loss_of_pair(section, rejected, chosen)
    clean, *_ = loss_of_pair(DPO(), chosen, rejected)
    assert 0.7 * kept + 0.3 * flipped == pytest.approx(clean, rel=1e-12)


def test_cdpo_is_smallest_where_the_policy_is_as_sure_as_the_labels():
    at_minimum = math.log(0.9 / 0.1) / 0.1
    _, slope, _ = loss_of_pair(CDPO(label_smoothing=0.1), at_minimum, 0.0)
    assert slope == pytest.approx(0, abs=1e-15)


@on_a_grid
def test_exo_is_the_kl_from_the_policy_s_preference_to_the_labels(chosen, rejected):
    right = 1 / (1 + math.exp(-0.1 * (chosen - rejected)))
    kl = right * math.log(right / 0.8) + (1 - right) * math.log((1 - right) / 0.2)
    section = EXO(label_smoothing=0.2)
    assert loss_of_pair(section, chosen, rejected)[0] == pytest.approx(kl, rel=1e-12)


@on_a_grid
def test_alpha_divergence_goes_from_reverse_to_forward_kl(chosen, rejected):
    def of(**options):
        return loss_of_pair(FDPO(**options), chosen, rejected)[0]

    near_reverse = of(divergence="alpha", alpha=1e-7)
    assert near_reverse == pytest.approx(loss_of_pair(DPO(), chosen, rejected)[0], abs=1e-6)
    near_forward = of(divergence="alpha", alpha=1 - 1e-9)
    assert near_forward == pytest.approx(of(divergence="forward_kl"), abs=1e-7)


def test_js_bounds_what_the_chosen_side_can_gain():
    assert loss_of_pair(FDPO(), 1e3, 0.0)[0] == pytest.approx(
        math.log1p(math.exp(-0.1 * LOG_2)), rel=1e-12
    )


@on_a_grid
def test_ipo_and_hinge_are_their_equations(chosen, rejected):
    assert loss_of_pair(IPO(beta=0.2), chosen, rejected)[0] == pytest.approx(
        (chosen - rejected - 2.5) ** 2
    )
    assert loss_of_pair(Hinge(beta=0.5), chosen, rejected)[0] == pytest.approx(
        max(0, 1 - 0.5 * (chosen - rejected))
    )


def test_dpop_pays_for_an_unlearnt_chosen_side():
    # a⁺ = −0.2, a⁻ = −1, λ = 50, β = 0.3: z = 0.3 · (−0.2 + 1 − 50 · 0.2) = −2.76
    loss, to_chosen, to_rejected = loss_of_pair(DPOP(), -0.2, -1.0)
    assert loss == pytest.approx(math.log1p(math.exp(2.76)), rel=1e-12)
    assert to_chosen == pytest.approx(-51 * to_rejected, rel=1e-12)


def test_dpop_s_first_step_is_dpo_s():
    assert loss_of_pair(DPOP(beta=0.1), 0.0, 0.0) == loss_of_pair(DPO(), 0.0, 0.0)


def test_rpo_is_dpo_plus_sft_per_completion():
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    dpo, sft, rpo = (
        build_objective(section)(outputs, batch).sum
        for section in (DPO(), SFT(mean_over="completions"), RPO(nll_weight=0.3))
    )
    torch.testing.assert_close(rpo, dpo + 0.3 * sft, rtol=1e-12, atol=0)


def test_losses_per_token_are_those_of_whole_completions_over_equal_lengths():
    batch = batch_pairs([EncodedPair((1,), (1, 2, 3, 4), (5, 6, 7, 8))])
    outputs = outputs_of(batch)

    def of(section):
        return build_objective(section)(outputs, batch).sum.item()

    assert of(DPONorm(beta=2.0)) == pytest.approx(of(DPO(beta=0.5)), rel=1e-12)
    # (m/4 − 1/2β)² = (m − 1/(2·β/4))² / 16
    assert of(IPONorm(beta=2.0)) == pytest.approx(of(IPO(beta=0.5)) / 16, rel=1e-12)


def test_simpo_without_a_margin_is_dpo_per_token_without_a_reference():
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    flat = outputs._replace(reference_logps_NT=torch.zeros_like(outputs.reference_logps_NT))
    torch.testing.assert_close(
        build_objective(SimPO(gamma=0.0))(outputs._replace(reference_logps_NT=None), batch).sum,
        build_objective(DPONorm(beta=2.0))(flat, batch).sum,
        rtol=1e-12,
        atol=0,
    )


def test_orpo_by_hand():
    # One token a side: p⁺ = 1/2, odds 1; p⁻ = 1/5, odds 1/4. Log odds ratio log 4.
    loss, *_ = loss_of_pair(ORPO(), math.log(1 / 2), math.log(1 / 5))
    assert loss == pytest.approx(math.log(2) + 0.1 * math.log1p(1 / 4), rel=1e-12)


# ------------------------------------------------------------------ BCO's reward shift


def test_bco_of_a_pair_shifted_to_its_middle_is_dpo_of_half_beta_twice():
    objective, batch = build_objective(BCO(beta=0.2)), batch_pairs([PAIRS[0]])
    outputs = outputs_of(batch)
    rewards = 0.2 * outputs.log_ratios_N.detach()
    objective.load_state_dict({"delta": float(rewards.mean())})
    dpo = build_objective(DPO(beta=0.1))
    torch.testing.assert_close(
        objective(outputs, batch).sum, 2 * dpo(outputs, batch).sum, rtol=1e-12, atol=0
    )


def test_bco_s_shift_moves_after_a_step_and_survives_a_checkpoint():
    objective = build_objective(BCO(beta=0.01, shift_decay=0.75))
    # ¾·0 + ¼·(0.6 + 0.2)/2 = 0.1, then ¾·0.1 + ¼·(0.8 − 0.4)/2 = 0.125
    objective.after_step({"log_ratio/chosen": 60.0, "log_ratio/rejected": 20.0})
    assert objective.state_dict() == {"delta": pytest.approx(0.1)}
    objective.after_step({"log_ratio/chosen": 80.0, "log_ratio/rejected": -40.0})
    resumed = build_objective(BCO(shift_decay=0.75))
    resumed.load_state_dict(objective.state_dict())
    assert resumed.state_dict() == {"delta": pytest.approx(0.125)}


def test_what_an_objective_learnt_from_steps_is_in_the_checkpoint(tmp_path):
    """Stopped at step 2 and called again, BCO gives the losses of the unbroken run."""
    path = save_tiny_model(tmp_path / "model", "gpt2")
    config = TrainConfig(objective=BCO(beta=1.0), learning_rate=1e-2, per_device_train_batch_size=2)

    def run(run_dir, stop_at):
        losses = []

        def stop():
            return len(losses) == stop_at

        policy = load_policy(ModelConfig(model_name_or_path=str(path)))
        train(
            policy,
            text_pairs(8),
            config,
            run_dir=tmp_path / run_dir,
            seed=0,
            on_step=lambda report: losses.append((report.loss, report.metrics["delta"])),
            should_stop=stop,
        )
        return losses

    unbroken = run("unbroken", None)
    # 0 at the first step, and after it, since the first step starts at the reference.
    assert len({delta for _, delta in unbroken}) == 3
    assert run("broken", 2) + run("broken", None) == unbroken


# ------------------------------------------------------------------ KTO's anchor


def test_a_mismatched_completion_is_the_next_prompt_s_first_chosen():
    pairs = [PAIRS[0], PAIRS[1], PAIRS[2], PAIRS[4]]  # prompts (1), (1), (2), (3)
    batch = batch_pairs(pairs, mismatched=mismatches(pairs))
    rows = [batch.rows()[n] for n in batch.mismatched_M]
    assert rows == [((1,), (3, 1, 4, 1)), ((2,), (7,)), ((3,), (1, 2))]
    assert batch.weights_N[batch.mismatched_M].tolist() == [0.0, 0.0, 0.0]
    assert not mismatches(pairs[:2]), "one prompt"
    # Never longer than what the pairs need themselves: here 4 tokens.
    long_prompt = EncodedPair((1, 1), (1, 2), (3,))
    assert mismatches([long_prompt, EncodedPair((2,), (1, 2, 3), (6,))]) == {(2,): (1, 2)}


def test_kto_s_anchor_is_the_mean_of_the_step_before_and_never_negative():
    objective, batch = build_objective(KTO()), batch_pairs(PAIRS, mismatched=mismatches(PAIRS))
    outputs = outputs_of(batch)
    loss = objective(outputs, batch)
    ratios_N = outputs.log_ratios_N.detach()
    assert loss.metrics["kl"].tolist() == ratios_N[batch.mismatched_M].tolist()
    for measured, z0 in ((0.4, 0.4), (-0.3, 0.0)):
        objective.after_step({"kl": measured})
        assert objective.state_dict() == {"z0": z0}
    objective.load_state_dict({"z0": 0.4})
    objective.after_step({"rewards/chosen": 1.0})
    assert objective.state_dict() == {"z0": 0.4}, "no mismatched completion was in the step"


def test_kto_is_its_equation():
    batch = batch_pairs([EncodedPair((9,), (1,), (2,))])
    logps_NT = torch.tensor([[0.5], [-0.3]], dtype=torch.float64)
    objective = build_objective(KTO(desirable_weight=1.0, undesirable_weight=1.3))
    objective.load_state_dict({"z0": 0.2})
    loss = objective(Outputs(logps_NT, torch.zeros(2, 1), batch.lengths_N), batch).sum
    chosen = 1 - 1 / (1 + math.exp(-0.1 * (0.5 - 0.2)))
    rejected = 1 - 1 / (1 + math.exp(-0.1 * (0.2 + 0.3)))
    assert loss.item() == pytest.approx((chosen + 1.3 * rejected) / 2, rel=1e-12)


# ------------------------------------------------------------------ RFT


def test_rft_takes_each_chosen_program_once_and_sft_as_often_as_it_is_chosen():
    again = EncodedPair((2,), (3, 1, 4, 1), (8,), weight=2.0)
    encoded = EncodedPairs([*PAIRS[:3], again], Counter({"too_long": 1}))
    distinct = encoded.with_distinct_chosen()
    assert [(pair.chosen_ids, pair.weight) for pair in distinct.pairs] == [
        ((1, 2), 1.0),
        ((3, 1, 4, 1), 2.0),
    ]
    assert distinct.left_out == {"too_long": 1, "chosen_before": 2}
    counts = [
        build_objective(section).count(batch_pairs(pairs, with_rejected=False))
        for section, pairs in ((SFT(), encoded.pairs), (RFT(), distinct.pairs))
    ]
    assert counts == [(1 + 0.5) * 2 + (1 + 2) * 4, 1 * 2 + 2 * 4]


# ------------------------------------------------------------------ through the loop


@pytest.mark.parametrize("section", [KTO(beta=1.0), RFT(), WPO()], ids=lambda section: section.kind)
def test_what_an_objective_needs_comes_from_the_loop(section, tmp_path):
    """Six pairs, of which the last two have the chosen programs of the first two again; three epochs."""
    policy = load_policy(
        ModelConfig(model_name_or_path=str(save_tiny_model(tmp_path / "model", "gpt2")))
    )
    pairs = text_pairs(4)
    pairs += [pair.model_copy(update={"rejected": f"{pair.rejected} + 1"}) for pair in pairs[:2]]
    config = TrainConfig(
        objective=section, learning_rate=1e-2, per_device_train_batch_size=6, num_train_epochs=3
    )
    rows = []
    result = train(
        policy,
        pairs,
        config,
        run_dir=tmp_path / "run",
        seed=0,
        on_step=lambda report: rows.append(report.metrics),
    )
    if section.kind == "rft":
        assert (result.num_pairs, result.left_out) == (4, {"chosen_before": 2})
    if section.kind == "kto":
        assert rows[0]["kl"] == 0.0, "the policy is the reference"
        assert rows[-1]["kl"] != 0.0
    if section.kind == "wpo":
        assert all(row["wpo_weight"] > 0 for row in rows)


# ------------------------------------------------------------------ around another, and sums


def test_ld_counts_tokens_beyond_the_shorter_side_by_alpha(batch):
    """Completion 0 has two tokens: it shares both with completion 1, one with completion 2."""
    outputs = make_outputs()
    ratios_NT = (outputs.logps_NT - outputs.reference_logps_NT).detach()
    first = ratios_NT[0, :2].sum() - (ratios_NT[1, :2].sum() + 0.25 * ratios_NT[1, 2])
    second = (ratios_NT[0, 0] + 0.25 * ratios_NT[0, 1]) - ratios_NT[2, 0]
    by_hand = -F.logsigmoid(0.1 * first) - 0.5 * F.logsigmoid(0.1 * second)
    loss = build_objective(LDDPO(alpha=0.25))(outputs, batch)
    torch.testing.assert_close(loss.sum, by_hand, rtol=1e-12, atol=0)
    torch.testing.assert_close(loss.metrics["rewards/margins"], 0.1 * torch.stack([first, second]))


@pytest.mark.parametrize("inner", [DPO(), IPONorm(), AOT(), MinorDPO()], ids=lambda s: s.kind)
def test_ld_of_alpha_one_is_the_objective_itself(inner):
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    plain, wrapped = (
        build_objective(section)(outputs, batch).sum
        for section in (inner, LDDPO(objective=inner, alpha=1.0))
    )
    torch.testing.assert_close(wrapped, plain, rtol=1e-12, atol=0)


def weighed(weight: float | None) -> Batch:
    """`PAIRS` with the same weight for each token."""
    return batch_pairs(
        pair._replace(
            chosen_weights=None if weight is None else (weight,) * len(pair.chosen_ids),
            rejected_weights=None if weight is None else (weight,) * len(pair.rejected_ids),
        )
        for pair in PAIRS
    )


@pytest.mark.parametrize("weight", [1.0, 0.5, 2.0])
def test_tis_dpo_of_equal_weights_is_dpo_of_beta_times_that(weight):
    batch = weighed(weight)
    outputs = outputs_of(batch)
    torch.testing.assert_close(
        build_objective(TISDPO(objective=DPO(beta=0.2)))(outputs, batch).sum,
        build_objective(DPO(beta=0.2 * weight))(outputs, batch).sum,
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.parametrize(
    "inner",
    [KTO(), RPO(), SimPO(), SFT(), SFT(mean_over="completions"), MinorSFT()],
    ids=lambda section: section.kind,
)
def test_weights_of_one_change_no_objective(inner):
    batch = replace(weighed(1.0), mismatched_M=torch.tensor([1, 0]))
    outputs = outputs_of(batch)
    objectives = [build_objective(section) for section in (inner, TISDPO(objective=inner))]
    assert objectives[0].count(batch) == pytest.approx(objectives[1].count(batch))
    plain, wrapped = (objective(outputs, batch) for objective in objectives)
    torch.testing.assert_close(wrapped.sum, plain.sum, rtol=1e-12, atol=0)
    if inner.kind == "kto":
        torch.testing.assert_close(wrapped.metrics["kl"], plain.metrics["kl"])


def test_weighed_sft_weighs_each_token_of_the_chosen_side():
    pair = PAIRS[0]
    weights = tuple(float(n) for n in range(len(pair.chosen_ids)))
    batch = batch_pairs([pair._replace(chosen_weights=weights)])
    outputs = outputs_of(batch)
    (chosen,) = batch.chosen_P.tolist()
    logps_T = outputs.logps_NT[chosen, : len(weights)]
    loss = build_objective(TISDPO(objective=SFT()))(outputs, batch)
    torch.testing.assert_close(
        loss.sum, -(torch.tensor(weights, dtype=torch.float64) * logps_T).sum()
    )


def test_tis_dpo_subtracts_the_kl_of_each_side():
    batch = weighed(1.0)
    outputs = outputs_of(batch)
    found = build_objective(TISDPO(kl_weight=1.0))(outputs, batch).sum
    scores_N = outputs.log_ratios_N - outputs.kls_NT.sum(-1)
    margins_P = scores_N[batch.chosen_P] - scores_N[batch.rejected_P]
    expected = -(batch.pair_weights_P * F.logsigmoid(0.1 * margins_P)).sum()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_tis_dpo_s_gradient_is_the_pair_s_times_the_token_s_weight():
    pair = PAIRS[0]._replace(rejected_weights=(1.5, 0.0, 2.0))
    batch = batch_pairs([pair])
    outputs = outputs_of(batch)
    loss = build_objective(TISDPO())(outputs, batch)
    loss.sum.backward()
    wrong = 0.1 * torch.sigmoid(-loss.metrics["rewards/margins"]).item()
    gradient_NT = outputs.logps_NT.grad
    assert gradient_NT[0, :2].tolist() == pytest.approx([-wrong * w for w in (0.5, 0.75)])
    assert gradient_NT[1].tolist() == pytest.approx([wrong * w for w in (1.5, 0.0, 2.0)])


def test_tis_dpo_s_kl_does_not_change_the_first_gradient():
    batch = batch_pairs(PAIRS[:1])
    gradients = []
    for section in (TISDPO(), TISDPO(kl_weight=1.0)):
        generator = torch.Generator().manual_seed(0)
        logits_NTV = torch.randn(2, 3, 7, dtype=torch.float64, generator=generator)
        logps_NTV = logits_NTV.requires_grad_().log_softmax(-1)
        kls_NT = (logps_NTV.exp() * (logps_NTV - logps_NTV.detach())).sum(-1)
        mask_NT = torch.tensor([[1, 1, 0], [1, 1, 1]])
        logps_NT = logps_NTV[..., 0] * mask_NT
        outputs = Outputs(logps_NT, logps_NT.detach(), batch.lengths_N, kls_NT=kls_NT * mask_NT)
        loss = build_objective(section)(outputs, batch).sum
        assert loss.item() == pytest.approx(LOG_2, rel=1e-12)
        loss.backward()
        gradients.append(logits_NTV.grad)
    assert gradients[0].abs().sum() > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-14)


def test_token_weights_come_from_the_pairs_file_and_fit_their_tokens(policy_and_reference):
    policy, _ = policy_and_reference
    (pair,) = text_pairs(1)
    (bare,) = encode_pairs(policy, [pair], None).pairs
    weights = [float(t) for t, _ in enumerate(bare.chosen_ids)]
    weighed_pair = pair.model_copy(update={"chosen_weights": weights})
    encoded = encode_pairs(policy, [weighed_pair], None)
    batch = batch_pairs(encoded.pairs)
    assert batch.token_weights_ST[0, : len(weights)].tolist() == weights
    assert batch.token_weights_ST[1].sum() == len(bare.rejected_ids), (
        "1 for each where none are given"
    )
    assert encoded.hash != encode_pairs(policy, [pair], None).hash, "a resumed run must notice"
    short = pair.model_copy(update={"chosen_weights": weights[:-1]})
    with pytest.raises(DataError, match=f"chosen_weights are not {len(weights)} numbers"):
        encode_pairs(policy, [short], None)


def test_tis_dpo_without_weights_is_an_error():
    batch = weighed(None)
    with pytest.raises(DataError, match="give the pairs chosen_weights"):
        build_objective(TISDPO())(outputs_of(batch), batch)


def test_tis_weights_are_clamped_before_the_sign():
    contrast_T = torch.arange(-4.0, 5.0, dtype=torch.float64)
    chosen, rejected = (tis_weights(contrast_T, chosen=side).tolist() for side in (True, False))
    assert chosen == pytest.approx([0.6065] * 4 + [1, 2.7183] + [4.4817] * 3, abs=5e-5)
    assert rejected == pytest.approx([1.6487] * 4 + [1, 0.3679] + [0.2231] * 3, abs=5e-5)


def test_tis_dpo_golden_numbers():
    def weights(positive, negative, *, chosen):
        logps = [torch.tensor(each, dtype=torch.float64) for each in (positive, negative)]
        return tis_weights(logps[0] - logps[1], chosen=chosen)

    chosen_T = weights([-0.8, -0.4, -3.0], [-1.0, -2.9, -1.0], chosen=True)
    rejected_T = weights([-1.0, -2.0], [-0.6, -0.2], chosen=False)
    assert chosen_T.tolist() == pytest.approx([1.2214028, 4.4816891, 0.6065307], abs=5e-8)
    assert rejected_T.tolist() == pytest.approx([1.4918247, 1.6487213], abs=5e-8)
    batch = batch_pairs([EncodedPair((9,), (1, 2, 3), (4, 5))])
    weights_ST = torch.nn.utils.rnn.pad_sequence([chosen_T, rejected_T], batch_first=True)
    batch = replace(batch, token_weights_ST=weights_ST)
    logps_NT = torch.tensor([[-1.0, -0.5, -2.0], [-0.7, -1.5, 0.0]], dtype=torch.float64)
    reference_NT = torch.tensor([[-1.2, -0.5, -1.5], [-0.9, -1.0, 0.0]], dtype=torch.float64)
    outputs = Outputs(logps_NT, reference_NT, batch.lengths_N)
    loss = build_objective(TISDPO(objective=DPO(beta=0.1)))(outputs, batch)
    assert loss.metrics["rewards/margins"].item() == pytest.approx(0.04670109176, abs=1e-9)
    assert loss.sum.item() == pytest.approx(0.6700692339, abs=1e-10)
    assert build_objective(DPO())(outputs, batch).sum.item() == pytest.approx(LOG_2, rel=1e-12)


def test_wpo_weighs_pairs_by_their_likelihood_per_token(batch):
    outputs = make_outputs()
    collisions_NT = -torch.arange(9, dtype=torch.float64).view(3, 3) / 10 * (outputs.logps_NT != 0)
    outputs = outputs._replace(collisions_NT=collisions_NT.detach())
    weights = [
        math.exp((outputs.logps_NT[n] - collisions_NT[n]).sum().item() / length)
        for n, length in enumerate(LENGTHS)
    ]
    weighted = replace(
        batch,
        pair_weights_P=torch.tensor([weights[0] * weights[1], 0.5 * weights[0] * weights[2]]),
    )
    objective = build_objective(WPO())
    torch.testing.assert_close(
        objective(outputs, batch).sum,
        build_objective(DPO())(outputs, weighted).sum,
        rtol=1e-6,
        atol=0,
    )
    assert objective.count(batch) == 1.5


def test_wpo_has_no_gradient_through_its_weights(batch):
    outputs = make_outputs()._replace(collisions_NT=torch.zeros(3, 3, dtype=torch.float64))
    loss = build_objective(WPO())(outputs, batch)
    (gradient,) = torch.autograd.grad(loss.sum, outputs.logps_NT)
    weights_P = loss.metrics["wpo_weight"]
    weighted = replace(batch, pair_weights_P=batch.pair_weights_P * weights_P)
    (expected,) = torch.autograd.grad(
        build_objective(DPO())(outputs, weighted).sum, outputs.logps_NT
    )
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=0)


def test_a_sum_adds_its_terms_and_logs_each():
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    sections = [DPO(beta=0.3), NCA(), SFT(mean_over="completions")]
    weights = [0.5, 2.0, 1.0]
    terms = [build_objective(section)(outputs, batch) for section in sections]
    section = Sum(
        terms=[Term(weight=w, objective=s) for w, s in zip(weights, sections, strict=True)]
    )
    loss = build_objective(section)(outputs, batch)
    expected = sum(weight * term.sum for weight, term in zip(weights, terms, strict=True))
    torch.testing.assert_close(loss.sum, expected, rtol=1e-12, atol=0)
    for each, term in zip(sections, terms, strict=True):
        torch.testing.assert_close(loss.metrics[f"loss/{each.kind}"].sum(), term.sum.detach())
    torch.testing.assert_close(loss.metrics["rewards/margins"], terms[0].metrics["rewards/margins"])


def test_a_sum_keeps_what_its_terms_learn():
    section = Sum(terms=[Term(objective=DPO()), Term(objective=WPO(objective=BCO(beta=1.0)))])
    objective, resumed = build_objective(section), build_objective(section)
    objective.after_step({"log_ratio/chosen": 3.0, "log_ratio/rejected": 1.0})
    assert objective.state_dict() == {"dpo": {}, "wpo": {"delta": pytest.approx(0.2)}}
    resumed.load_state_dict(objective.state_dict())
    assert resumed.state_dict() == objective.state_dict()


def test_a_sum_refuses_terms_that_count_something_else_or_have_one_name():
    with pytest.raises(ValidationError, match="set mean_over: completions for sft"):
        Sum(terms=[Term(objective=DPO()), Term(objective=SFT())])
    with pytest.raises(ValidationError, match="each kind once"):
        Sum(terms=[Term(objective=DPO()), Term(objective=DPO(beta=0.2))])


# ------------------------------------------------------------------ MRPO: the formulas


def random_references(num_references: int, seed: int = 0) -> mrpo.Sides:
    generator = torch.Generator().manual_seed(seed)
    tables = -10 - 5 * torch.rand(2, 6, num_references, dtype=torch.float64, generator=generator)
    return mrpo.Sides(*tables)


def margins(virtual: mrpo.Sides) -> torch.Tensor:
    return virtual.chosen - virtual.rejected


def test_one_reference_and_equal_ones_are_that_reference():
    one = random_references(1)
    three = mrpo.Sides(*(logps.expand(-1, 3) for logps in one))
    for logps in (one, three):
        alphas_PK = mrpo.adaptive_weights(logps)
        clipped = mrpo.clip_to_primary(logps, mrpo.adaptive_epsilons(logps, 0.1))
        for combine in (mrpo.harmonic, mrpo.geometric):
            torch.testing.assert_close(margins(combine(clipped, alphas_PK)), margins(one)[:, 0])


def test_one_hot_weights_choose_a_reference():
    logps = random_references(3)
    alphas_PK = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64).expand(6, -1)
    for combine in (mrpo.harmonic, mrpo.geometric):
        torch.testing.assert_close(margins(combine(logps, alphas_PK)), margins(logps)[:, 1])


def test_harmonic_is_below_geometric_and_near_the_least_likely():
    logps = random_references(3)
    alphas_PK = mrpo.adaptive_weights(logps)
    harmonic, geometric = (c(logps, alphas_PK).chosen for c in (mrpo.harmonic, mrpo.geometric))
    arithmetic = (alphas_PK.log() + logps.chosen).logsumexp(1)
    lowest, where = logps.chosen.min(1)
    alphas_of_lowest = alphas_PK.gather(1, where[:, None])[:, 0]
    assert (lowest <= harmonic).all()
    assert (harmonic <= lowest - alphas_of_lowest.log() + 1e-12).all()
    assert (harmonic <= geometric).all()
    assert (geometric <= arithmetic).all()


def test_clipping_keeps_references_near_the_primary():
    logps = random_references(3)
    epsilons = mrpo.adaptive_epsilons(logps, 0.1)
    torch.testing.assert_close(sum(epsilons), torch.full((6,), 0.1, dtype=torch.float64))
    for side, epsilon, clipped in zip(
        logps, epsilons, mrpo.clip_to_primary(logps, epsilons), strict=True
    ):
        ratios_PK = clipped / side[:, :1]
        assert ((ratios_PK - 1).abs() <= epsilon[:, None] + 1e-12).all()
    nothing = mrpo.clip_to_primary(logps, mrpo.adaptive_epsilons(logps, 0.0))
    torch.testing.assert_close(nothing.chosen, logps.chosen[:, :1].expand(-1, 3))
    everything = mrpo.clip_to_primary(logps, mrpo.Sides(*torch.full((2, 6), 0.9)))
    torch.testing.assert_close(everything.chosen, logps.chosen)


def test_the_order_of_unclipped_references_and_what_they_have_in_common_change_nothing():
    logps = random_references(3)
    expected = margins(mrpo.harmonic(logps, mrpo.adaptive_weights(logps)))
    turned = mrpo.Sides(*(side[:, [2, 0, 1]] for side in logps))
    torch.testing.assert_close(
        margins(mrpo.harmonic(turned, mrpo.adaptive_weights(turned))), expected
    )
    lifted = mrpo.Sides(*(side + 3 for side in logps))
    torch.testing.assert_close(
        margins(mrpo.harmonic(lifted, mrpo.adaptive_weights(lifted))), expected
    )


def test_references_that_tell_nothing_apart_have_equal_weights():
    same = torch.full((2, 4), -7.0)
    assert mrpo.adaptive_weights(mrpo.Sides(same, same)).tolist() == [[0.25] * 4] * 2


def test_mrpo_golden_numbers():
    def row(*values):
        return torch.tensor([values], dtype=torch.float64)

    logps = mrpo.Sides(row(-10, -10.4), row(-12, -11))
    policy = mrpo.Sides(row(-9)[0], row(-12.5)[0])
    alphas_PK = mrpo.adaptive_weights(logps)
    assert alphas_PK[0].tolist() == pytest.approx([0.7692308, 0.2307692], abs=5e-8)
    epsilons = mrpo.adaptive_epsilons(logps, 0.1)
    assert [e.item() for e in epsilons] == pytest.approx([0.0470046, 0.0529954], abs=5e-8)
    clipped = mrpo.clip_to_primary(logps, epsilons)
    assert clipped.chosen.tolist() == logps.chosen.tolist()
    assert clipped.rejected[0].tolist() == pytest.approx([-12, -11.3640553], abs=5e-8)
    virtual = mrpo.harmonic(clipped, alphas_PK)
    assert [v.item() for v in virtual] == pytest.approx([-10.1075064, -11.8850471], abs=5e-8)
    loss = -F.logsigmoid(0.1 * (margins(policy) - margins(virtual)))
    assert loss.item() == pytest.approx(0.6107282203, abs=1e-10)
    primary = -F.logsigmoid(0.1 * (margins(policy) - margins(logps)[:, 0]))
    assert primary.item() == pytest.approx(0.6209570478, abs=1e-10)
    multi = mrpo.multi_dpo(policy, clipped, alphas_PK, 0.1)
    assert multi.item() == pytest.approx(0.6102055598, abs=1e-10)


def test_all_formulas_are_finite_where_every_log_prob_is_zero():
    zeros = mrpo.Sides(*torch.zeros(2, 4, 3, dtype=torch.float64))
    epsilons = mrpo.adaptive_epsilons(zeros, 0.1)
    assert epsilons.chosen.tolist() == epsilons.rejected.tolist() == [0.05] * 4
    clipped = mrpo.clip_to_primary(zeros, epsilons)
    assert margins(mrpo.harmonic(clipped, mrpo.adaptive_weights(zeros))).tolist() == [0.0] * 4


def test_validation_weights_are_shares_of_the_mean_gap_per_token():
    """Gaps per token, by hand: reference 0 has 2 and 4, mean 3; reference 1 has 1 and 1, mean 1."""
    logps = mrpo.Sides(
        torch.tensor([[-2.0, -4.0], [-12.0, -6.0]], dtype=torch.float64),
        torch.tensor([[-12.0, -9.0], [-8.0, -8.0]], dtype=torch.float64),
    )
    lengths = mrpo.Sides(torch.tensor([2, 2]), torch.tensor([4, 4]))
    # |-1 + 3| = 2, |-2 + 2.25| = 0.25;   |-6 + 2| = 4, |-3 + 2| = 1
    expected = [3 / 3.625, 0.625 / 3.625]
    assert mrpo.validation_weights(logps, lengths).tolist() == pytest.approx(expected, rel=1e-15)
    nothing = mrpo.Sides(logps.chosen, logps.chosen)
    even = mrpo.Sides(lengths.chosen, lengths.chosen)
    assert mrpo.validation_weights(nothing, even).tolist() == [0.5, 0.5]


def test_weights_clipping_and_references_carry_no_gradient_of_the_policy():
    """R10: what they are made of is data and the reference's log-probs, never `logps_NT`."""
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    metrics = build_objective(mrpo_section())(outputs, batch).metrics
    moved = outputs._replace(logps_NT=outputs.logps_NT - 3.0)
    after = build_objective(mrpo_section())(moved, batch).metrics
    for name in ("reference_weight/0", "reference_weight/2", "reference_epsilon/chosen"):
        assert torch.equal(metrics[name], after[name])


# ------------------------------------------------------------------ MRPO: the objective

GOLDEN_PAIR = EncodedPair(
    (9,), (1,), (2,), chosen_reference_logps=(-10.4,), rejected_reference_logps=(-11.0,)
)
"""The others' log-probs; the policy says −9 and −12.5, its reference −10 and −12."""


def golden_loss(**options):
    batch = batch_pairs([GOLDEN_PAIR])
    policy, reference = (
        torch.tensor([[chosen], [rejected]], dtype=torch.float64)
        for chosen, rejected in ((-9.0, -12.5), (-10.0, -12.0))
    )
    return build_objective(mrpo_section(1, **options))(
        Outputs(policy, reference, batch.lengths_N), batch
    )


@pytest.mark.parametrize(
    ("combine", "expected"), [("harmonic", 0.6107282203), ("multi_dpo", 0.6102055598)]
)
def test_mrpo_golden_numbers_through_the_objective_and_its_batch(combine, expected):
    assert golden_loss(combine=combine).sum.item() == pytest.approx(expected, abs=1e-9)


def test_mrpo_logs_to_the_own_reference_and_what_it_made_of_the_others():
    metrics = {name: values.item() for name, values in golden_loss().metrics.items()}
    assert metrics["log_ratio/chosen"] == 1.0
    assert metrics["rewards/rejected"] == pytest.approx(-0.05, rel=1e-12)
    assert metrics["reference_weight/0"] == pytest.approx(0.7692308, abs=5e-8)
    assert metrics["reference_weight/1"] == pytest.approx(0.2307692, abs=5e-8)
    assert metrics["reference_epsilon/chosen"] == pytest.approx(0.0470046, abs=5e-8)
    assert metrics["reference_epsilon/rejected"] == pytest.approx(0.0529954, abs=5e-8)
    assert metrics["log_ratio/virtual_chosen"] == pytest.approx(10.1075064 - 9, abs=5e-8)
    assert "reference_epsilon/chosen" not in golden_loss(clipping={"kind": "none"}).metrics
    assert "log_ratio/virtual_chosen" not in golden_loss(combine="multi_dpo").metrics


def loss_and_gradient(section, pairs=PAIRS, **changed):
    batch = replace(batch_pairs(pairs), **changed)
    outputs = outputs_of(batch)
    loss = build_objective(section)(outputs, batch).sum
    loss.backward()
    return loss.detach(), outputs.logps_NT.grad


def own_logps_SK(num_others: int) -> torch.Tensor:
    """[2P, K − 1]: every other reference says what the first one does."""
    batch = batch_pairs(PAIRS)
    logps_N = outputs_of(batch).reference_logps_NT.sum(-1)
    return logps_N[torch.cat([batch.chosen_P, batch.rejected_P])][:, None].expand(-1, num_others)


every_mrpo = pytest.mark.parametrize(
    "options",
    [
        {"combine": combine, "weights": weights, "clipping": {"kind": clipping}}
        for combine in ("harmonic", "geometric", "multi_dpo")
        for weights in (
            {"kind": "per_pair"},
            {"kind": "per_pair", "length_normalised": True},
            {"kind": "fixed", "alphas": [0.2, 0.5, 0.3]},
            {"kind": "validation"},
        )
        for clipping in ("adaptive", "fixed", "none")
    ],
    ids=lambda o: "-".join([o["combine"], *map(str, o["weights"].values()), o["clipping"]["kind"]]),
)


@every_mrpo
def test_references_that_are_all_the_own_one_are_dpo(options):
    """R1 and R2, with whatever weights."""
    same = loss_and_gradient(mrpo_section(**options), reference_logps_SK=own_logps_SK(2))
    torch.testing.assert_close(same, loss_and_gradient(DPO()), rtol=1e-12, atol=1e-14)


@every_mrpo
def test_a_neighbourhood_of_nothing_is_dpo(options):
    """R5: with ε → 0 every reference is clipped to the own one, and weights have nothing to weigh."""
    options = {**options, "clipping": {"kind": "fixed", "epsilon": 1e-14}}
    same = loss_and_gradient(mrpo_section(**options))
    torch.testing.assert_close(same, loss_and_gradient(DPO()), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("combine", ["harmonic", "geometric", "multi_dpo"])
@pytest.mark.parametrize("chosen_one", [0, 1, 2])
def test_all_weight_on_one_reference_is_dpo_against_it(combine, chosen_one):
    """R3, unclipped."""
    alphas = [float(k == chosen_one) for k in range(3)]
    found = loss_and_gradient(
        mrpo_section(
            combine=combine, clipping={"kind": "none"}, weights={"kind": "fixed", "alphas": alphas}
        )
    )
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    own_S = own_logps_SK(1)[:, 0]
    reference_S = torch.column_stack([own_S, batch.reference_logps_SK])[:, chosen_one]
    sides_S = outputs.logps_N[torch.cat([batch.chosen_P, batch.rejected_P])]
    ratios_P = (sides_S - reference_S).view(2, -1)
    loss = -(batch.pair_weights_P * F.logsigmoid(0.1 * (ratios_P[0] - ratios_P[1]))).sum()
    loss.backward()
    torch.testing.assert_close(
        found, (loss.detach(), outputs.logps_NT.grad), rtol=1e-12, atol=1e-14
    )


@every_mrpo
def test_the_order_of_the_other_references_changes_nothing(options):
    """R7: the own one stays the first."""
    turned = {**options}
    if "alphas" in options["weights"]:
        turned["weights"] = {"kind": "fixed", "alphas": [0.2, 0.3, 0.5]}
    batch = batch_pairs(PAIRS)
    torch.testing.assert_close(
        loss_and_gradient(
            mrpo_section(**turned),
            reference_logps_SK=batch.reference_logps_SK.flip(1),
            reference_weights_PK=batch.reference_weights_PK[:, [0, 2, 1]],
        ),
        loss_and_gradient(mrpo_section(**options)),
        rtol=1e-12,
        atol=1e-14,
    )


@pytest.mark.parametrize(("clipping", "changes"), [("none", False), ("adaptive", True)])
def test_a_constant_in_all_references_changes_nothing_but_what_is_clipped(clipping, changes):
    """R8: the bounds are multiples of the own reference's log-prob."""
    section = mrpo_section(clipping={"kind": clipping})
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    first_T = (torch.arange(outputs.logps_NT.shape[1]) == 0).double()
    lifted = outputs._replace(
        logps_NT=outputs.logps_NT - 3.0 * first_T,
        reference_logps_NT=outputs.reference_logps_NT - 3.0 * first_T,
    )
    lower = replace(batch, reference_logps_SK=batch.reference_logps_SK - 3.0)
    before = build_objective(section)(outputs, batch).sum.item()
    after = build_objective(section)(lifted, lower).sum.item()
    assert (abs(after - before) > 1e-3) == changes


@pytest.mark.parametrize("clipping", ["adaptive", "fixed"])
def test_more_room_than_any_reference_needs_is_no_clipping(clipping):
    """R6: with ε of 1 and more the upper bound is above 0."""
    wide = loss_and_gradient(mrpo_section(clipping={"kind": clipping, "epsilon": 1e3}))
    none = loss_and_gradient(mrpo_section(clipping={"kind": "none"}))
    torch.testing.assert_close(wide, none, rtol=1e-12, atol=1e-14)


def test_the_released_order_gives_each_of_two_references_the_other_one_s_weight():
    """− log( α/p_1 + (1 − α)/p_2 ) with α of reference 2, on the golden pair; equal where α = ½."""
    swapped = golden_loss(weights={"kind": "per_pair", "swap_alpha": True})
    given = golden_loss(weights={"kind": "fixed", "alphas": [0.6 / 2.6, 2.0 / 2.6]})
    assert swapped.sum.item() == pytest.approx(given.sum.item(), abs=1e-15)
    assert swapped.sum.item() != pytest.approx(golden_loss().sum.item(), abs=1e-4)


def test_pairs_without_columns_or_of_other_references_are_refused(batch):
    with pytest.raises(DataError, match="log-probs of 0 references, and 2 are named"):
        build_objective(mrpo_section())(make_outputs(), batch)
    whole = batch_pairs(PAIRS)
    with pytest.raises(
        DataError, match=r"(?s)log-probs of 2 references, and 3 are named.*or choose dpo"
    ):
        build_objective(mrpo_section(3))(outputs_of(whole), whole)
    without = batch_pairs(pair._replace(reference_weights=None) for pair in PAIRS)
    section = mrpo_section(weights={"kind": "validation"})
    with pytest.raises(
        DataError, match=r"(?s)pairs have no reference_weights.*or choose kind: per_pair"
    ):
        build_objective(section)(outputs_of(without), without)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_others": 0}, "at least 1 item"),
        ({"weights": {"kind": "fixed", "alphas": [0.5, 0.4, 0.2]}}, "alphas sum to 1.1"),
        ({"weights": {"kind": "fixed", "alphas": [1.5, -0.5, 0]}}, "greater than or equal to 0"),
        ({"weights": {"kind": "fixed", "alphas": [0.5, 0.5]}}, "2 numbers and there are 3"),
        ({"weights": {"kind": "per_pair", "swap_alpha": True}}, "one more reference"),
        ({"weights": {"kind": "per_pair", "share": 0.1}}, "Extra inputs"),
        ({"weights": {"kind": "validation", "length_normalised": True}}, "Extra inputs"),
        ({"clipping": {"kind": "none", "epsilon": 0.1}}, "Extra inputs"),
        ({"clipping": {"kind": "fixed", "epsilon": 0.0}}, "greater than 0"),
        (
            {
                "num_others": 1,
                "combine": "multi_dpo",
                "weights": {"swap_alpha": True, "kind": "per_pair"},
            },
            "combine: harmonic alone",
        ),
    ],
)
def test_settings_of_mrpo_that_would_be_ignored_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        mrpo_section(**options)


@pytest.mark.parametrize("kind", ["tis_dpo", "ld"])
def test_mrpo_has_no_meaning_for_parts_of_a_completion(kind):
    with pytest.raises(ValidationError, match="tag 'mrpo' found"):
        TypeAdapter(Objective).validate_python({"kind": kind, "objective": {"kind": "mrpo"}})


# ------------------------------------------------------------------ MinorDPO and MinorSFT


@on_a_grid
def test_minor_dpo_is_dpo_until_the_rejected_side_is_below_the_reference(chosen, rejected):
    minor = loss_of_pair(MinorDPO(), chosen, rejected)
    if rejected >= 0:
        assert minor == pytest.approx(loss_of_pair(DPO(), chosen, rejected), rel=1e-15)
    else:
        alone = math.log1p(math.exp(-0.1 * chosen))
        assert minor[0] == pytest.approx(alone, rel=1e-12)
        assert minor[2] == 0.0
        assert minor[0] > loss_of_pair(DPO(), chosen, rejected)[0]


def test_minor_dpo_s_first_step_is_dpo_s():
    """a⁻ is exactly 0 then for every pair; `relu` would take the slope 0, `maximum` ½."""
    assert loss_of_pair(MinorDPO(), 0.0, 0.0) == loss_of_pair(DPO(), 0.0, 0.0)
    assert loss_of_pair(MinorDPO(), 0.0, 0.0)[1:] == (-0.05, 0.05)


def test_minor_dpo_is_continuous_and_monotone():
    at_zero, *_ = loss_of_pair(MinorDPO(), 0.4, 0.0)
    for near in (1e-9, -1e-9):
        assert loss_of_pair(MinorDPO(), 0.4, near)[0] == pytest.approx(at_zero, abs=1e-9)
    for chosen, rejected in GRID:
        _, to_chosen, to_rejected = loss_of_pair(MinorDPO(), chosen, rejected)
        assert to_chosen < 0 <= to_rejected


@pytest.mark.parametrize(
    ("rejected", "loss", "gradients"),
    [
        (0.3, 0.6831971797, (-0.0495000167, 0.0495000167)),
        (-0.3, 0.6684596480, (-0.0487502604, 0.0)),
    ],
)
def test_minor_dpo_golden_numbers(rejected, loss, gradients):
    found, *slopes = loss_of_pair(MinorDPO(beta=0.1), 0.5, rejected)
    assert found == pytest.approx(loss, abs=1e-10)
    assert slopes == pytest.approx(gradients, abs=1e-10)
    assert loss_of_pair(DPO(beta=0.1), 0.5, -0.3)[0] == pytest.approx(0.6539469673, abs=1e-10)


def test_minor_dpo_is_not_antisymmetric():
    """DPO's two losses of a pair and its mirror image differ by the margin; MinorDPO's don't."""
    dpo, minor = (
        loss_of_pair(section, -0.3, 0.5)[0] - loss_of_pair(section, 0.5, -0.3)[0]
        for section in (DPO(beta=0.1), MinorDPO(beta=0.1))
    )
    assert dpo == pytest.approx(0.1 * 0.8, rel=1e-12)
    assert abs(minor - 0.1 * 0.8) > 0.01


def test_minor_dpo_logs_unclamped_rewards_and_the_open_gates():
    batch = batch_pairs(PAIRS)
    outputs = outputs_of(batch)
    metrics = build_objective(MinorDPO())(outputs, batch).metrics
    rejected_P = outputs.log_ratios_N.detach()[batch.rejected_P]
    assert 0 < (rejected_P < 0).sum() < 8, "the case should have both"
    torch.testing.assert_close(metrics["rewards/rejected"], 0.1 * rejected_P)
    assert metrics["gate_open"].tolist() == (rejected_P >= 0).float().tolist()


def slope_of_minor_sft(log_ratio: float, num_tokens: int = 7, beta: float = 0.1) -> float:
    """dL/da of one completion."""
    ids = tuple(range(num_tokens))
    batch = batch_pairs([EncodedPair((9,), ids, ids)], with_rejected=False)
    logps_NT = torch.full((1, num_tokens), log_ratio / num_tokens, dtype=torch.float64)
    outputs = Outputs(logps_NT.requires_grad_(), torch.zeros_like(logps_NT), batch.lengths_N)
    build_objective(MinorSFT(beta=beta))(outputs, batch).sum.backward()
    return logps_NT.grad[0, 0].item()


def test_minor_sft_fades_from_sft_to_nothing():
    assert slope_of_minor_sft(0.0) == pytest.approx(-1 / 7, rel=1e-15)
    assert slope_of_minor_sft(0.4) == pytest.approx(-0.1400003809, abs=1e-10)
    assert slope_of_minor_sft(1e3) == pytest.approx(0, abs=1e-12)
    assert slope_of_minor_sft(-1e3) == pytest.approx(-2 / 7, rel=1e-12)


def test_minor_sft_s_gradient_at_the_reference_is_sft_s():
    batch = batch_pairs(PAIRS, with_rejected=False)
    gradients = []
    for section in (MinorSFT(), SFT(mean_over="completions")):
        outputs = outputs_of(batch, at_reference=True)
        build_objective(section)(outputs, batch).sum.backward()
        gradients.append(outputs.logps_NT.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=0)


# ------------------------------------------------------------------ TRL


TRL_GOLDEN = json.loads((GOLDEN_DIR / "trl_1_16.json").read_text())


def trl_batch() -> Batch:
    """Six pairs with completions of the recorded lengths, chosen ones first."""
    lengths = TRL_GOLDEN["lengths"]
    num_pairs = len(lengths["chosen"])
    ids = [tuple(range(length)) for length in lengths["chosen"] + lengths["rejected"]]
    return Batch(
        prompts=((9,),),
        completions=tuple(ids),
        prompt_of_N=torch.zeros(2 * num_pairs, dtype=torch.long),
        chosen_P=torch.arange(num_pairs),
        rejected_P=num_pairs + torch.arange(num_pairs),
        pair_weights_P=torch.ones(num_pairs),
        weights_N=torch.tensor([1.0] * num_pairs + [0.0] * num_pairs),
    )


def with_labels(batch: Batch, labels: list[int]) -> Batch:
    """The same completions, in no pairs: each a row with its label."""
    none = torch.zeros(0, dtype=torch.long)
    return replace(
        batch,
        chosen_P=none,
        rejected_P=none,
        pair_weights_P=torch.zeros(0),
        labelled_R=torch.arange(batch.num_completions),
        labels_R=torch.tensor(labels, dtype=torch.bool),
        label_weights_R=torch.ones(batch.num_completions),
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "case", TRL_GOLDEN["cases"], ids=lambda case: f"{case['ours']['kind']}={case['trl']}"
)
def test_loss_and_gradient_equal_what_trl_gave(case, dtype):
    """`python -m tests.golden.record_trl` records them anew, by TRL's own code."""
    if dtype not in case:
        pytest.skip("TRL has no such case")
    batch = trl_batch()
    if "labels" in case:
        batch = with_labels(batch, case["labels"])
    tables = {
        name: torch.tensor(table, dtype=getattr(torch, dtype))
        for name, table in TRL_GOLDEN["inputs"].items()
    }
    logps_NT = tables["logps"].requires_grad_()
    outputs = Outputs(
        logps_NT,
        tables["reference_logps"],
        batch.lengths_N,
        collisions_NT=tables["log_sum_squares"],
    )
    objective = build_objective(TypeAdapter(Objective).validate_python(case["ours"]))
    if "z0" in case:
        objective.load_state_dict({"z0": case["z0"]})
    loss = objective(outputs, batch).sum / objective.count(batch)
    if case.get("part") == "odds":
        loss = loss + (outputs.logps_N / outputs.lengths_N)[batch.chosen_P].mean()
    loss.backward()
    mask = torch.arange(logps_NT.shape[1]) < batch.lengths_N[:, None]
    theirs = case[dtype]
    # TRL has ORPO's logarithms and EXO's ε in float32 whatever it is given.
    exact = dtype == "float64" and case["ours"]["kind"] not in {"orpo", "exo"}
    assert loss.item() == pytest.approx(
        theirs["loss"], rel=1e-12 if exact else 1e-6, abs=1e-6 * (not exact)
    )
    gradient_NT = torch.tensor(theirs["gradient"], dtype=logps_NT.dtype)
    # A gradient at padding is one of ours or TRL's that nothing reads.
    torch.testing.assert_close(logps_NT.grad * mask, gradient_NT * mask, rtol=1e-6, atol=1e-7)


@pytest.fixture(scope="module")
def policy_and_reference(tmp_path_factory) -> tuple[Policy, Policy]:
    """Two tiny Llamas with different weights, so that log-ratios are far from zero."""
    root = tmp_path_factory.mktemp("models")
    paths = [save_tiny_model(root / str(seed), "llama", seed=seed) for seed in (0, 1)]
    policies = [load_policy(ModelConfig(model_name_or_path=str(path))) for path in paths]
    return policies[0], policies[1]


def trl_loss(policy: Policy, reference: Policy, pairs: list[EncodedPair], beta: float, out: str):
    """TRL 1.16's DPO loss on the same token ids, through its own collator and trainer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        text = [{"prompt": "def f():", "chosen": " return 1", "rejected": " return 2"}]
        trainer = DPOTrainer(
            model=policy.model,
            ref_model=reference.model,
            args=DPOConfig(
                out, beta=beta, report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False
            ),
            train_dataset=Dataset.from_list(text),
            processing_class=policy.tokenizer,
        )
        rows = [
            {
                "prompt_ids": list(pair.prompt_ids),
                "chosen_ids": list(pair.chosen_ids),
                "rejected_ids": list(pair.rejected_ids),
            }
            for pair in pairs
        ]
        inputs = trainer.data_collator(rows)
        return trainer.compute_loss(trainer.model, inputs)


def test_dpo_loss_and_gradient_equal_trl(policy_and_reference, tmp_path):
    policy, reference = policy_and_reference
    pairs = encode_pairs(policy, text_pairs(4), None).pairs
    batch = batch_pairs(pairs)
    with torch.no_grad():
        reference_logps_NT = reference.token_logps(batch)
    outputs = Outputs(policy.token_logps(batch), reference_logps_NT, batch.lengths_N)
    objective = build_objective(DPO(beta=0.5))
    ours = objective(outputs, batch).sum / objective.count(batch)
    ours.backward()
    gradients = [p.grad.clone() for _, p in policy.trainable_parameters()]
    policy.model.zero_grad()

    theirs = trl_loss(policy, reference, pairs, 0.5, str(tmp_path))
    theirs.backward()

    assert abs(ours.item() - math.log(2)) > 0.1, "at the reference the comparison would say nothing"
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    for (name, parameter), gradient in zip(policy.trainable_parameters(), gradients, strict=True):
        error = (parameter.grad - gradient).norm() / gradient.norm().clamp_min(1e-6)
        assert error < 1e-4, name
