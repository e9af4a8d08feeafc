"""The bar of the embedded run: gains on held-out problems, per seed, and how long it took.

    python benchmarks/kata.py --seeds 0 1 2
    python benchmarks/kata.py --seeds 0 --method vineppo

Runs `codealign run` once a seed, in fresh directories, one after another, and prints for each: base and aligned
greedy pass@1 and sampled pass@1 and pass@8, gains with intervals, seconds in all and per stage. Exit code 1 when a seed
misses a bar: base greedy pass@1 in 35-65 %, base sampled pass@8 above 80 %, gains of 10 points in greedy and in
sampled pass@1, five minutes; for methods that train on rollouts a gain of 8 points in greedy pass@1, ten minutes. Time
counts from process start to the written report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple


class Bar(NamedTuple):
    """What a method is to reach."""

    max_seconds: float
    min_greedy_gain: float
    min_sampled_gain: float


ROLLOUTS = [
    "problems.validation=null",
    "train.eval_steps=null",
    "train.experience.kind=rollouts",
    "train.learning_rate=2e-4",
    "train.lr_scheduler_type=constant",
    "train.warmup_ratio=0",
    "train.per_device_train_batch_size=64",
]
METHODS: dict[str, list[str]] = {
    "dpo": [],
    "grpo": [
        *ROLLOUTS,
        "train.objective={kind: grpo, kl: {kind: none}}",
        "train.experience.num_iterations=12",
    ],
    "vineppo": [
        *ROLLOUTS,
        "train.objective={kind: vineppo, num_rollouts: 3}",
        "train.experience.num_iterations=8",
        "train.experience.problems_per_iteration=32",
    ],
}
"""Changes to the embedded run."""
BARS = {"dpo": Bar(300.0, 0.10, 0.10)}
OF_ROLLOUTS = Bar(600.0, 0.08, 0.0)


def run_seed(seed: int, directory: Path, overrides: list[str]) -> dict[str, Any]:
    """One whole run in its own process; its summary with `seconds` and `seed`."""
    words = [
        "run",
        "--json",
        "-q",
        f"seed={seed}",
        f"run_dir={directory / f'seed{seed}'}",
        *overrides,
    ]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "codealign", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return {"seed": seed, "seconds": time.perf_counter() - started, **json.loads(done.stdout)}


def missed_bars(summary: dict[str, Any], bar: Bar) -> list[str]:
    """Which bars a run missed, in words."""
    base, gain = summary["base"], summary["gain"]
    greedy, sampled = gain["greedy_pass@1"]["value"], gain["pass@1"]["value"]
    bars = {
        f"base greedy pass@1 {base['greedy_pass@1']:.1%} in 35-65 %": 0.35
        <= base["greedy_pass@1"]
        <= 0.65,
        f"base pass@8 {base['pass@8']:.1%} above 80 %": base["pass@8"] > 0.8,
        f"greedy gain {greedy:+.1%} of {bar.min_greedy_gain:.0%}": greedy >= bar.min_greedy_gain,
        f"sampled gain {sampled:+.1%} of {bar.min_sampled_gain:.0%}": sampled
        >= bar.min_sampled_gain,
        f"{summary['seconds']:.0f} s of {bar.max_seconds:.0f}": summary["seconds"]
        <= bar.max_seconds,
    }
    return [name for name, kept in bars.items() if not kept]


def show(summary: dict[str, Any]) -> None:
    print(f"seed {summary['seed']}: {summary['seconds']:.0f} s, isolation {summary['isolation']}")
    for metric in ("greedy_pass@1", "pass@1", "pass@8"):
        gain = summary["gain"][metric]
        print(
            f"  {metric:<14} {summary['base'][metric]:6.1%} → {summary['aligned'][metric]:6.1%}   "
            f"{gain['value'] * 100:+5.1f} points [{gain['low'] * 100:+.1f}, {gain['high'] * 100:+.1f}]  p {gain['p']:.2g}"
        )
    stages = ", ".join(
        f"{name} {record['seconds']:.0f}" for name, record in summary["stages"].items()
    )
    print(f"  seconds: {stages}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--method", choices=METHODS, default="dpo")
    parser.add_argument("--dir", type=Path, help="keep the runs there")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.dir or Path(temporary)
        missed = []
        for seed in options.seeds:
            overrides = [*METHODS[options.method], *options.overrides]
            summary = run_seed(seed, directory, overrides)
            show(summary)
            bar = BARS.get(options.method, OF_ROLLOUTS)
            missed += [f"seed {seed}: {name}" for name in missed_bars(summary, bar)]
    print("\n".join(["missed:", *missed]) if missed else "every bar is met")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
