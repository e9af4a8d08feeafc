"""Golden losses of TRL 1.16's own code, so that the comparison runs where TRL is not installed.

    python -m tests.golden.record_trl    # from the repository root; then review the diff like code

TRL's trainers are called as they are, on a model that answers with given log-probabilities. A case says which
objective of ours it is to be compared with, the inputs are in the file, and so are TRL's loss and its gradient
with respect to the policy's log-probabilities, in float64 (where TRL's code takes it) and float32.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

PATH = Path(__file__).with_name("trl_1_16.json")
LENGTHS = {"chosen": [3, 1, 5, 2, 4, 2], "rejected": [2, 4, 5, 1, 3, 3]}
NUM_PAIRS, NUM_COLUMNS = 6, 5

DPO_CASES: list[dict[str, Any]] = [
    {"ours": {"kind": "dpo", "beta": 0.1}, "loss_type": ["sigmoid"]},
    {"ours": {"kind": "dpo_norm", "beta": 5.0}, "loss_type": ["sigmoid_norm"]},
    {"ours": {"kind": "hinge", "beta": 0.5}, "loss_type": ["hinge"]},
    {"ours": {"kind": "ipo_norm", "beta": 0.1}, "loss_type": ["ipo"]},
    {"ours": {"kind": "exo", "beta": 0.1, "label_smoothing": 1e-3}, "loss_type": ["exo_pair"]},
    {"ours": {"kind": "robust", "beta": 0.1, "label_smoothing": 0.1}, "loss_type": ["robust"]},
    {"ours": {"kind": "nca", "beta": 0.1}, "loss_type": ["nca_pair"]},
    {"ours": {"kind": "bco", "beta": 0.1, "shift_decay": None}, "loss_type": ["bco_pair"]},
    {"ours": {"kind": "sppo_hard", "beta": 0.1}, "loss_type": ["sppo_hard"]},
    {"ours": {"kind": "aot", "beta": 0.1}, "loss_type": ["aot"]},
    {"ours": {"kind": "aot_unpaired", "beta": 0.1}, "loss_type": ["aot_unpaired"]},
    {"ours": {"kind": "apo_zero", "beta": 0.1}, "loss_type": ["apo_zero"]},
    {"ours": {"kind": "apo_down", "beta": 0.1}, "loss_type": ["apo_down"]},
    {"ours": {"kind": "discopop", "beta": 0.1, "tau": 0.05}, "loss_type": ["discopop"]},
    {"ours": {"kind": "sft"}, "loss_type": ["sft"]},
    {
        "ours": {"kind": "f_dpo", "beta": 0.1, "divergence": "forward_kl"},
        "loss_type": ["sigmoid"],
        "f_divergence_type": "forward_kl",
    },
    {
        "ours": {"kind": "f_dpo", "beta": 0.1, "divergence": "js"},
        "loss_type": ["sigmoid"],
        "f_divergence_type": "js_divergence",
    },
    {
        "ours": {"kind": "f_dpo", "beta": 0.1, "divergence": "alpha", "alpha": 0.5},
        "loss_type": ["sigmoid"],
        "f_divergence_type": "alpha_divergence",
        "f_alpha_divergence_coef": 0.5,
    },
    {
        "ours": {"kind": "ld", "alpha": 0.3, "objective": {"kind": "dpo", "beta": 0.1}},
        "loss_type": ["sigmoid"],
        "ld_alpha": 0.3,
    },
    {
        "ours": {"kind": "ld", "alpha": 0.3, "objective": {"kind": "ipo_norm", "beta": 0.1}},
        "loss_type": ["ipo"],
        "ld_alpha": 0.3,
    },
    {
        "ours": {"kind": "wpo", "objective": {"kind": "dpo", "beta": 0.1}},
        "loss_type": ["sigmoid"],
        "use_weighting": True,
    },
    # Not hinge: TRL multiplies its loss in place, and the backward of relu refuses.
    {
        "ours": {"kind": "wpo", "objective": {"kind": "nca", "beta": 0.1}},
        "loss_type": ["nca_pair"],
        "use_weighting": True,
    },
    {
        "ours": {
            "kind": "sum",
            "terms": [
                {"weight": 0.8, "objective": {"kind": "dpo", "beta": 0.1}},
                {"weight": 0.2, "objective": {"kind": "nca", "beta": 0.1}},
            ],
        },
        "loss_type": ["sigmoid", "nca_pair"],
        "loss_weights": [0.8, 0.2],
    },
    # TRL's coefficient is 1 minus the paper's α.
    {
        "ours": {"kind": "f_dpo", "beta": 0.1, "divergence": "alpha", "alpha": 0.3},
        "loss_type": ["sigmoid"],
        "f_divergence_type": "alpha_divergence",
        "f_alpha_divergence_coef": 0.7,
    },
]
CPO_CASES: list[dict[str, Any]] = [
    {
        "ours": {"kind": "simpo", "beta": 2.0, "gamma": 0.6},
        "loss_type": "simpo",
        "reads": "logps_per_token",
        "simpo_gamma": 0.6,
    },
    {
        "ours": {"kind": "cdpo", "beta": 0.3, "label_smoothing": 0.2},
        "loss_type": "sigmoid",
        "reads": "log_ratios",
        "label_smoothing": 0.2,
    },
    {"ours": {"kind": "ipo", "beta": 0.2}, "loss_type": "ipo", "reads": "log_ratios"},
]


KTO_CASES: list[dict[str, Any]] = [
    {
        "ours": {"kind": "kto", "beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.5},
        "loss_type": "kto",
        "z0": 0.7,
    },
    # Labels without pairs: four desirable rows and eight others.
    {
        "ours": {"kind": "kto", "beta": 0.1, "desirable_weight": 2.2, "undesirable_weight": 1.0},
        "loss_type": "kto",
        "z0": 0.3,
        "labels": [0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0],
    },
]


def make_inputs() -> dict[str, list[list[float]]]:
    """Log-probs (nats) of tokens, chosen rows first, 0 where padded."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(NUM_COLUMNS) < _lengths()[:, None]
    tables = {
        name: (mask * -3 * torch.rand(mask.shape, generator=generator, dtype=torch.float64))
        for name in ("logps", "reference_logps", "log_sum_squares")
    }
    return {
        name: (table * 1e4).round().div(1e4).abs().neg().tolist() for name, table in tables.items()
    }


def _lengths() -> torch.Tensor:
    return torch.tensor(LENGTHS["chosen"] + LENGTHS["rejected"])


class _Answers(torch.nn.Module):
    """What a TRL trainer takes for a model: it answers with given log-probabilities."""

    is_gradient_checkpointing = False

    def __init__(self, logps: torch.Tensor, log_sum_squares: torch.Tensor) -> None:
        super().__init__()
        self.outputs = SimpleNamespace(
            log_probs=logps,
            log_sum_sq_probs=log_sum_squares,
            entropy=torch.zeros_like(logps),
            mean_logits=torch.zeros_like(logps),
            is_top1=torch.zeros_like(logps, dtype=torch.bool),
        )

    def forward(self, **_: Any) -> SimpleNamespace:
        return self.outputs


class _Metrics(dict[str, Any]):
    def __missing__(self, key: str) -> list[Any]:
        return self.setdefault(key, [])


def _trainer(model: _Answers, reference: _Answers, **settings: Any) -> SimpleNamespace:
    def same(value: Any) -> Any:
        return value

    return SimpleNamespace(
        model=model,
        ref_model=reference,
        accelerator=SimpleNamespace(
            device=torch.device("cpu"), gather=same, gather_for_metrics=same
        ),
        args=SimpleNamespace(
            gradient_checkpointing_kwargs=None, discopop_tau=settings.pop("discopop_tau", 0.05)
        ),
        precompute_ref_logps=False,
        aux_loss_enabled=False,
        _metrics={"train": _Metrics(), "eval": _Metrics()},
        _total_train_tokens=0,
        _tp_size=1,
        **settings,
    )


def dpo_loss(case: dict[str, Any], logps: torch.Tensor, others: dict[str, torch.Tensor]) -> Any:
    """`DPOTrainer._compute_loss`."""
    from trl import DPOTrainer

    trainer = _trainer(
        _Answers(logps, others["log_sum_squares"]),
        _Answers(others["reference_logps"], others["log_sum_squares"]),
        beta=case["ours"].get("beta", 0.1),
        loss_types=case["loss_type"],
        loss_weights=case.get("loss_weights", [1.0] * len(case["loss_type"])),
        label_smoothing=case["ours"].get("label_smoothing", 0.0),
        f_divergence_type=case.get("f_divergence_type", "reverse_kl"),
        f_alpha_divergence_coef=case.get("f_alpha_divergence_coef", 0.5),
        ld_alpha=case.get("ld_alpha"),
        use_weighting=case.get("use_weighting", False),
    )
    # One prompt token before the completions.
    columns = torch.arange(NUM_COLUMNS + 1)
    mask = ((columns > 0) & (columns <= _lengths()[:, None])).long()
    inputs = {"input_ids": mask, "attention_mask": mask, "completion_mask": mask}
    return DPOTrainer._compute_loss(trainer, trainer.model, inputs, False)


def cpo_loss(case: dict[str, Any], logps: torch.Tensor, others: dict[str, torch.Tensor]) -> Any:
    """`CPOTrainer.cpo_loss`, which is as indifferent to what its log-probs are as ours is."""
    from trl.experimental.cpo import CPOTrainer

    scores = {
        "logps_per_token": logps.sum(1) / _lengths(),
        "log_ratios": (logps - others["reference_logps"]).sum(1),
    }[case["reads"]]
    trainer = _trainer(
        _Answers(logps, logps),
        _Answers(logps, logps),
        alpha=0.0,
        beta=case["ours"]["beta"],
        loss_type=case["loss_type"],
        simpo_gamma=case.get("simpo_gamma", 0.0),
        label_smoothing=case.get("label_smoothing", 0.0),
    )
    return CPOTrainer.cpo_loss(trainer, *scores.chunk(2))[0].mean()


def kto_loss(case: dict[str, Any], logps: torch.Tensor, others: dict[str, torch.Tensor]) -> Any:
    """`KTOTrainer._compute_loss`, with mismatched completions whose log-ratio is `z0`."""
    from trl import KTOTrainer

    model = _Answers(logps, logps)
    trainer = _trainer(
        model,
        _Answers(others["reference_logps"], logps),
        beta=case["ours"]["beta"],
        loss_type="kto",
        calculate_KL=True,
        desirable_weight=case["ours"]["desirable_weight"],
        undesirable_weight=case["ours"]["undesirable_weight"],
        _compute_kl_logps=lambda which, _: logps.new_full(
            (1,), case["z0"] if which is model else 0
        ),
    )
    columns = torch.arange(NUM_COLUMNS + 1)
    mask = ((columns > 0) & (columns <= _lengths()[:, None])).long()
    label = torch.arange(2 * NUM_PAIRS) < NUM_PAIRS
    if "labels" in case:
        label = torch.tensor(case["labels"], dtype=torch.bool)
    inputs = {"input_ids": mask, "attention_mask": mask, "completion_mask": mask, "label": label}
    return KTOTrainer._compute_loss(trainer, model, inputs, False)


def orpo_odds_loss(
    case: dict[str, Any], logps: torch.Tensor, others: dict[str, torch.Tensor]
) -> Any:
    """The odds-ratio part of ORPO alone: TRL's likelihood is over the prompt too."""
    from trl.experimental.orpo import ORPOTrainer

    trainer = _trainer(_Answers(logps, logps), _Answers(logps, logps), beta=0.1)
    means = logps.sum(1) / _lengths()
    return -ORPOTrainer.odds_ratio_loss(trainer, *means.chunk(2))[0].mean()


CALLS = [
    (dpo_loss, DPO_CASES),
    (cpo_loss, CPO_CASES),
    (kto_loss, KTO_CASES),
    (orpo_odds_loss, [{"ours": {"kind": "orpo", "odds_weight": 0.1}, "part": "odds"}]),
]


def record_case(call: Any, case: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The case with what TRL gives: {"float64": {"loss", "gradient"}, "float32": …}."""
    name = case.get("loss_type", "orpo")
    row = {"trl": "+".join(name) if isinstance(name, list) else name, **case}
    for precision in ("float64", "float32"):
        dtype = getattr(torch, precision)
        logps = torch.tensor(inputs["logps"], dtype=dtype, requires_grad=True)
        others = {key: torch.tensor(value, dtype=dtype) for key, value in inputs.items()}
        try:
            loss = call(case, logps, others)
        except KeyError:
            continue  # TRL's α-divergence knows no float64
        loss.backward()
        row[precision] = {
            "loss": loss.item(),
            "gradient": [
                [float(f"{x:.10g}") for x in gradients] for gradients in logps.grad.tolist()
            ],
        }
    return row


def main() -> None:
    inputs = make_inputs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [record_case(call, case, inputs) for call, cases in CALLS for case in cases]
    lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    tables = ",\n".join(f"    {json.dumps(name)}: {json.dumps(t)}" for name, t in inputs.items())
    PATH.write_text(
        f'{{\n  "lengths": {json.dumps(LENGTHS)},\n  "inputs": {{\n{tables}\n  }},\n'
        f'  "cases": [\n{lines}\n  ]\n}}\n',
        encoding="utf-8",
    )
    print(f"recorded {len(rows)} cases in {PATH.name}")


if __name__ == "__main__":
    main()
