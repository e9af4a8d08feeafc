"""One training run, alone or one of several processes. Started as a program it takes a JSON object:

    model, run_dir       directories
    num_pairs            pairs to train on
    labelled             whether on their sides as labelled completions, without every third rejected one
    train, policy        settings that differ from those below
    stop_after           steps; without, it goes to the end
    validates            whether validation samples a text

Each process leaves in the run directory its trained weights, `weights-RANK.pt`, and in `held-RANK.txt` how many numbers
of the model it held between two steps.
"""

import json
import sys
from pathlib import Path

import torch
from model_fixtures import labelled_sides, text_pairs
from torch.distributed.tensor import DTensor

from codealign.config import ModelConfig, TrainConfig, TransformersEngine
from codealign.policy import Policy, load_policy
from codealign.processes import process_index
from codealign.sampling import Request, SamplingParams, open_engine
from codealign.training import train


def mean_logit(policy: Policy) -> float:
    """As a score, a number that any change of the weights changes, after a text that the policy samples."""
    engine = open_engine(TransformersEngine(), policy)
    greedy = SamplingParams(max_new_tokens=4, temperature=0.0)
    [completion] = engine.sample([Request("t/0", "def f0(a, b):\n")], greedy)
    ids = torch.tensor([[*completion.prompt_ids, *completion.completion_ids]])
    with torch.no_grad():
        return float(policy.model(ids).logits.mean())


def train_once(run: dict) -> None:
    run_dir = Path(run["run_dir"])
    settings = {
        "learning_rate": 1e-3,
        "gradient_accumulation_steps": 2,
        "num_train_epochs": 2,
        "save_steps": 3,
        "reference_cache": str(run_dir / "reference"),
        **run.get("train", {}),
    }
    options = {"model_name_or_path": run["model"], "device": "cpu", **run.get("policy", {})}
    policy = load_policy(ModelConfig(**options))
    steps = iter(range(1, run.get("stop_after", 10**6)))

    def should_stop() -> bool:
        held = [p.to_local() if isinstance(p, DTensor) else p for p in policy.model.parameters()]
        number = sum(part.numel() for part in held)
        (run_dir / f"held-{process_index()}.txt").write_text(str(number))
        return next(steps, None) is None

    train(
        policy,
        labelled_sides(run["num_pairs"]) if run.get("labelled") else text_pairs(run["num_pairs"]),
        TrainConfig(**settings),
        run_dir=run_dir,
        seed=0,
        evaluate=mean_logit if run.get("validates") else None,
        should_stop=should_stop,
    )
    torch.save(policy.model.state_dict(), run_dir / f"weights-{process_index()}.pt")


if __name__ == "__main__":
    train_once(json.loads(sys.argv[1]))
