"""Golden losses: what a few steps of each method gave when they were last looked at.

    python -m tests.golden.record        # from the repository root; then review the diff like code

The runs are in float64 on a GPT-2 (float64 throughout) of two layers, so that another processor or
thread count moves only the last digits: the test allows a relative 1e-9.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

GOLDEN_DIR = Path(__file__).parent
sys.path.insert(0, str(GOLDEN_DIR.parent))

from model_fixtures import save_tiny_model, text_pairs  # noqa: E402

from codealign.config import (  # noqa: E402
    DPO,
    SFT,
    Backprop,
    ModelConfig,
    TrainConfig,
    ZerothOrder,
)
from codealign.policy import load_policy  # noqa: E402
from codealign.records import read_rows  # noqa: E402
from codealign.training import train  # noqa: E402

OBJECTIVES = (DPO(), SFT())
UPDATES = ((Backprop(), 1e-3), (ZerothOrder(), 1e-5))
KEPT = ("step", "loss", "grad_norm", "learning_rate", "num_tokens")

CASES = {
    f"{objective.kind}_{update.kind}": TrainConfig(
        objective=objective,
        update=update,
        learning_rate=rate,
        per_device_train_batch_size=3,
        gradient_accumulation_steps=2,
        num_train_epochs=2,
    )
    for objective in OBJECTIVES
    for update, rate in UPDATES
}


def losses_of(name: str) -> list[dict[str, float]]:
    """The metric rows of golden case `name`, computed now: 20 pairs, 6 a step, 8 steps."""
    with tempfile.TemporaryDirectory() as directory:
        model_path = save_tiny_model(Path(directory) / "model", "gpt2")
        policy = load_policy(ModelConfig(model_name_or_path=str(model_path)))
        policy.model.double()
        run_dir = Path(directory) / "run"
        # A cache of its own: elsewhere another run may have rounded the reference otherwise.
        config = CASES[name].model_copy(update={"reference_cache": f"{directory}/reference"})
        train(policy, text_pairs(20), config, run_dir=run_dir, seed=0)
        rows = [row for _, row in read_rows(run_dir / "metrics.jsonl")]
        return [{key: row[key] for key in KEPT} for row in rows if "loss" in row]


def golden_path(name: str) -> Path:
    return GOLDEN_DIR / f"{name}.json"


def main() -> None:
    for name in CASES:
        rows = ",\n".join(f"  {json.dumps(row)}" for row in losses_of(name))
        golden_path(name).write_text(f"[\n{rows}\n]\n", encoding="utf-8")
        print(f"recorded {golden_path(name).name}")


if __name__ == "__main__":
    main()
