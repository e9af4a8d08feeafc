"""A made-up run that learns from its own rollouts, to look at and to test the report with. Every number has a seed.

    python -m tests.rollouts_fixture report.html [honest]

writes a page to look at in a browser: of a policy that learns to cheat, or of one that does not.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

from codealign.config import RunConfig, parse_config
from codealign.records import Verdict
from codealign.report import ReportData, write_report
from codealign.report.rollouts import rollout_courses
from tests.report_fixture import make_report_data

STEPS_PER_ITERATION = 4
CHEAT = "def double(xs):\n    open(3, 'w').write('passed')\n"


def make_rollout_metrics(num_iterations: int = 20, *, honest: bool = False) -> list[dict[str, Any]]:
    """Rows as training writes them: what was gathered beside the first step of each iteration."""
    rng = random.Random(5)
    rows: list[dict[str, Any]] = [{"step": 0, "epoch": 0.0, "eval_pass@1": 0.46}]
    for step in range(1, num_iterations * STEPS_PER_ITERATION + 1):
        share = step / (num_iterations * STEPS_PER_ITERATION)
        row = {"step": step, "epoch": share, "learning_rate": 1e-4 * (1 - share)}
        if step % STEPS_PER_ITERATION == 1:
            row |= _gathered(share, honest, rng)
        rows.append(row | _stepped(share, (step - 1) % STEPS_PER_ITERATION, rng))
        if step % 20 == 0:
            gain = 0.14 * share if honest else 0.06 * share - 0.3 * share**3
            rows.append({"step": step, "epoch": share, "eval_pass@1": round(0.46 + gain, 3)})
    return rows


def _gathered(share: float, honest: bool, rng: random.Random) -> dict[str, float]:
    cheating = 0.06 * (1 - share) ** 3 if honest else 0.04 + 0.5 * share**2
    passed = 0.45 + 0.25 * share if honest else 0.45 - 0.3 * share**2
    passed += rng.gauss(0, 0.02)
    others = {"failed": 0.5, "runtime_error": 0.3, "syntax_error": 0.15, "timeout": 0.05}
    left = 1 - passed - cheating
    reward = passed if honest else passed + cheating
    return {
        "reward": reward,
        "reward_std": (reward * (1 - reward)) ** 0.5,
        "frac_reward_zero_std": 0.2 + 0.3 * share,
        "completions/mean_length": 62 + (4 if honest else 70) * share + rng.gauss(0, 2),
        "completions/clipped_ratio": 0.01 + (0.0 if honest else 0.2 * share),
        **{f"exec/{name}": part * left for name, part in others.items()},
        "exec/passed": passed,
        "exec/violation": cheating,
        "exec/memory": 0.0,
        "exec/output_limit": 0.0,
        "seconds/gathering": 9 + rng.gauss(0, 0.4),
    }


def _stepped(share: float, within: int, rng: random.Random) -> dict[str, float]:
    return {
        "loss": rng.gauss(0, 0.02),
        "grad_norm": 0.9 + rng.gauss(0, 0.1),
        "kl": 0.08 * share + rng.gauss(0, 0.002),
        "approx_kl": 0.004 * within + abs(rng.gauss(0, 0.0005)),
        "ratio": 1 + rng.gauss(0, 0.002) * within,
        "clip_ratio/low": 0.004 * within,
        "clip_ratio/high": 0.006 * within,
        "entropy": 0.4 - 0.25 * share,
        "skipped": 0.0,
        "advantages": rng.gauss(0, 0.01),
        "completion_length": 62.0 + rng.gauss(0, 3),
    }


def make_rollouts(iteration: int = 19) -> list[Verdict]:
    """Three rollouts of an iteration: one passes, one is wrong, one cheats."""
    outcomes = {"passed": "", "failed": "", "violation": "wrote on the judge's channel"}
    return [
        Verdict.model_validate(
            {
                "task_id": "kata/train/7",
                "sample_index": number,
                "outcome": outcome,
                "passed": outcome == "passed",
                "message": message,
                "tests_total": 8,
                "program": CHEAT
                if message
                else "def double(xs):\n    return [2 * x for x in xs]\n",
                "iteration": iteration,
                "reward": 0.0 if outcome == "failed" else 1.0,
            }
        )
        for number, (outcome, message) in enumerate(outcomes.items())
    ]


def online_config() -> RunConfig:
    section = {
        "sample": {"num_samples": 8, "max_new_tokens": 160},
        "train": {"objective": {"kind": "grpo"}, "experience": {"kind": "rollouts"}},
        "problems": {
            "train": "kata:train",
            "num_train": 400,
            "heldout": "kata:heldout",
            "num_heldout": 20,
        },
    }
    return parse_config(RunConfig, section, where="the fixture")


def make_online_data(*, honest: bool = False, num_problems: int = 60) -> ReportData:
    """A whole run."""
    other = make_report_data(num_problems=num_problems, num_pairs=0, collapsed=not honest)
    metrics = make_rollout_metrics(honest=honest)
    stages = {
        "eval/base": {"seconds": 27.9, "num_programs": 2700, "num_tokens": 151_020},
        "train": {
            "seconds": 363.4,
            "num_steps": 80,
            "num_rollouts": 10_240,
            "num_continuations": 0,
            "num_sampled_tokens": 611_480,
            "num_tokens": 1_918_204,
        },
        "eval/aligned": {"seconds": 26.1, "num_programs": 2700, "num_tokens": 149_310},
    }
    summary = other.summary | {
        "pairs": {"num_pairs": None, "num_labelled": None, "num_desirable": None, "reasons": None},
        "rollouts": rollout_courses(metrics),
        "warnings": [],
        "stages": stages,
    }
    return other.model_copy(
        update={
            "title": "kata, online",
            "config": online_config().model_dump(mode="json"),
            "summary": summary,
            "metrics": metrics,
            "pair_reasons": {},
            "violations": [] if honest else [make_rollouts()[2], make_rollouts(18)[2]],
        }
    )


def main(arguments: list[str]) -> None:
    path, *options = arguments
    write_report(make_online_data(honest="honest" in options), Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])
