"""Golden policy-gradient losses of TRL 1.16's own code: `GRPOTrainer._compute_loss` and `RLOOTrainer._compute_loss`.

    python -m tests.golden.record_trl_policy_gradient    # from the repository root; then review the diff like code

As `record_trl`: TRL's methods are called as they are, on a trainer that answers with given log-probabilities. One
batch of six completions, in float64; the gradient is with respect to the policy's log-probabilities.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

PATH = Path(__file__).with_name("trl_1_16_policy_gradient.json")
LENGTHS = [3, 1, 5, 2, 4, 2]
NUM_COLUMNS = 5
LIMIT = 7

FREE = {"kl": {"kind": "none"}, "max_ratio": None}
HELD = {"kl": {"kind": "loss", "coefficient": 0.04, "clamp": None}, "max_ratio": None}
CASES: list[dict[str, Any]] = [
    {"ours": {"kind": "grpo", **FREE}, "trl": "grpo"},
    {"ours": {"kind": "grpo", **HELD}, "trl": "grpo", "beta": 0.04},
    {"ours": {"kind": "dr_grpo", "limit": LIMIT, **HELD}, "trl": "dr_grpo", "beta": 0.04},
    {"ours": {"kind": "dapo", **HELD}, "trl": "dapo", "beta": 0.04, "epsilon_high": 0.28},
    {"ours": {"kind": "dapo", "clip_high": 0.2, **FREE}, "trl": "bnpo"},
    {
        "ours": {"kind": "dapo", "entropy_coefficient": 0.01, **FREE},
        "trl": "dapo",
        "epsilon_high": 0.28,
        "entropy_coef": 0.01,
    },
    {
        "ours": {"kind": "grpo", "ratio": "sequence_mean", **FREE},
        "trl": "grpo",
        "importance_sampling_level": "sequence",
    },
    {
        "ours": {
            "kind": "grpo",
            "ratio": "sequence_mean",
            "clip_low": 0.05,
            "clip_high": 0.1,
            **HELD,
        },
        "trl": "grpo",
        "importance_sampling_level": "sequence",
        "epsilon_low": 0.05,
        "epsilon_high": 0.1,
        "beta": 0.04,
    },
    {"ours": {"kind": "rloo", **FREE}, "trl": "rloo"},
    {
        "ours": {"kind": "rloo", "clip_low": 0.9, "clip_high": 9.0, **FREE},
        "trl": "rloo",
        "epsilon_low": 0.9,
        "epsilon_high": 9.0,
    },
]


def _mask() -> torch.Tensor:
    return (torch.arange(NUM_COLUMNS) < torch.tensor(LENGTHS)[:, None]).long()


def make_inputs() -> dict[str, Any]:
    """Log-probs and entropies (nats) of tokens, 0 where padded; ratios to the old policy are from 0.5 to 2."""
    generator = torch.Generator().manual_seed(0)

    def uniform() -> torch.Tensor:
        return torch.rand(_mask().shape, generator=generator, dtype=torch.float64)

    logps = -3 * uniform()
    tables = {
        "logps": logps,
        "old_logps": logps + 1.4 * (uniform() - 0.5),
        "reference_logps": logps + uniform() - 0.5,
        "entropies": 2 * uniform(),
    }
    rounded = {
        name: [[round(x, 4) + 0.0 for x in row] for row in (table * _mask()).tolist()]
        for name, table in tables.items()
    }
    return {**rounded, "advantages": [1.1, -0.7, 0.4, -1.3, 0.0, 0.6]}


class _Metrics(dict[str, Any]):
    def __missing__(self, key: str) -> list[Any]:
        return self.setdefault(key, [])


def _trainer(case: dict[str, Any], logps: torch.Tensor, entropies: torch.Tensor) -> SimpleNamespace:
    def same(value: Any, **_: Any) -> Any:
        return value

    return SimpleNamespace(
        model=torch.nn.Module().eval(),
        accelerator=SimpleNamespace(gather=same, reduce=same, num_processes=1),
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=case.get("importance_sampling_level", "token"),
        beta=case.get("beta", 0.0),
        epsilon_low=case.get("epsilon_low", 0.2),
        epsilon_high=case.get("epsilon_high", 0.2),
        loss_type=case["trl"],
        use_vllm=False,
        max_completion_length=LIMIT,
        entropy_coef=case.get("entropy_coef", 0.0),
        _entropy_bonus_enabled="entropy_coef" in case,
        use_adaptive_entropy=False,
        _metrics={"train": _Metrics(), "eval": _Metrics()},
        _get_per_token_logps_and_entropies=lambda *_, **__: (logps, entropies, None),
    )


def record_case(case: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The case with TRL's loss and gradient."""
    from trl import GRPOTrainer, RLOOTrainer

    tables = {name: torch.tensor(table, dtype=torch.float64) for name, table in inputs.items()}
    logps, mask = tables["logps"].requires_grad_(), _mask()
    given = {
        "prompt_ids": mask[:, :1],
        "prompt_mask": mask[:, :1],
        "completion_ids": mask,
        "completion_mask": mask,
        "advantages": tables["advantages"],
        "old_per_token_logps": tables["old_logps"],
        "old_logps": tables["old_logps"].sum(1),
        "ref_per_token_logps": tables["reference_logps"],
        "num_items_in_batch": mask.sum(),
    }
    trainer = _trainer(case, logps, tables["entropies"])
    method = RLOOTrainer if case["trl"] == "rloo" else GRPOTrainer
    loss = method._compute_loss(trainer, trainer.model, given)
    loss.backward()
    gradient = [[float(f"{x:.12g}") for x in row] for row in logps.grad.tolist()]
    return {**case, "loss": loss.item(), "gradient": gradient}


def main() -> None:
    inputs = make_inputs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [record_case(case, inputs) for case in CASES]
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
