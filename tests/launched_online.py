"""Online training of a random model, alone or as one of several processes. Started as a program it takes a JSON object:

    model, run_dir                  directories
    objective, experience, train    settings that differ from those of test_online
    stop_after                      steps; without, it goes to the end

Each process leaves its trained weights, `weights-RANK.pt`, and how many programs it judged, `judged-RANK.txt`.
"""

import json
import sys
from pathlib import Path

import torch
from test_online import PROBLEMS, SAMPLE, PlannedJudge, passes, settings

from codealign.config import JudgeConfig, ModelConfig
from codealign.online import train_online
from codealign.policy import load_policy
from codealign.processes import process_index


def train_once(run: dict) -> None:
    run_dir, judge = Path(run["run_dir"]), PlannedJudge()
    policy = load_policy(ModelConfig(model_name_or_path=run["model"], device="cpu"))
    steps = iter(range(1, run.get("stop_after", 10**6)))
    train_online(
        policy,
        PROBLEMS,
        settings(run["objective"], run.get("experience"), **run.get("train", {})),
        judge,  # pyright: ignore[reportArgumentType]
        run_dir=run_dir,
        seed=0,
        sample=SAMPLE,
        judging=JudgeConfig(extract="raw"),
        reward=passes,
        should_stop=lambda: next(steps, None) is None,
    )
    torch.save(policy.model.state_dict(), run_dir / f"weights-{process_index()}.pt")
    (run_dir / f"judged-{process_index()}.txt").write_text(str(len(judge.asked)))


if __name__ == "__main__":
    train_once(json.loads(sys.argv[1]))
