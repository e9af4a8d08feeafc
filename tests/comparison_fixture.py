"""A made-up comparison with realistic shapes, to look at and to test its page with. Every number has a seed.

    python -m tests.comparison_fixture DIRECTORY [methods=16] [seeds=3]

writes comparison.html and curves.svg to look at in a browser.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

from codealign.passk import mean_gain, paired_gain
from codealign.records import Verdict
from codealign.report.comparing import (
    ComparisonData,
    comparison_data,
    write_comparison_page,
    write_curves_svg,
)

METHODS = (
    "dpo",
    "minor_dpo",
    "dpop",
    "rpo",
    "ipo",
    "simpo",
    "kto",
    "rft",
    "tis_dpo_sft",
    "tis_dpo_random",
    "wpo",
    "ld_dpo",
    "mrpo",
    "f_dpo_forward_kl",
    "orpo",
    "sft",
)
SCORES = {"greedy_pass@1": 1, "pass@1": 1}


def make_comparison(
    num_methods: int = 16, num_seeds: int = 3, num_steps: int = 90, num_problems: int = 60
) -> ComparisonData:
    """Methods of every kind: better, worse, collapsed, without log-ratios."""
    names, seeds = METHODS[:num_methods], list(range(num_seeds))
    rng = random.Random(5)
    skills = [rng.betavariate(0.9, 0.9) for _ in range(num_problems)]
    shifts = {name: 0.2 - 0.05 * (index % 7) for index, name in enumerate(names)}
    base = {seed: _verdicts(skills, 0.0, seed) for seed in seeds}
    aligned = {
        (name, seed): _verdicts(skills, shifts[name], 100 * index + seed)
        for index, name in enumerate(names)
        for seed in seeds
    }
    methods = {
        name: _method(names[0], name, index, base, aligned) for index, name in enumerate(names)
    }
    summary = {
        "name": "made up",
        "run_dir": "runs/made-up",
        "baseline": names[0],
        "seeds": seeds,
        "confidence": 0.95,
        "metrics": SCORES,
        "methods": methods,
        "missing": [],
    }
    rows = {
        name: {seed: _rows(index, seed, num_steps) for seed in seeds}
        for index, name in enumerate(names)
    }
    return comparison_data(summary, rows)


def _verdicts(skills: list[float], shift: float, seed: int) -> dict[str, list[Verdict]]:
    """One greedy verdict a problem and four samples."""
    rng = random.Random(seed)
    found: dict[str, list[Verdict]] = {"greedy_pass@1": [], "pass@1": []}
    for number, skill in enumerate(skills):
        for score, num_samples in (("greedy_pass@1", 1), ("pass@1", 4)):
            for index in range(num_samples):
                passed = rng.random() < skill + shift
                outcome = "passed" if passed else "failed"
                verdict = Verdict(
                    task_id=f"t/{number}", sample_index=index, outcome=outcome, passed=passed
                )
                found[score].append(verdict)
    return found


def _method(
    baseline: str,
    name: str,
    index: int,
    base: dict[int, dict[str, list[Verdict]]],
    aligned: dict[tuple[str, int], dict[str, list[Verdict]]],
) -> dict[str, Any]:
    seeds: dict[str, Any] = {str(seed): _facts(index, seed) for seed in base}
    result: dict[str, Any] = {"seeds": seeds}
    for score in SCORES:
        for seed, before in base.items():
            after, rival = aligned[name, seed][score], aligned[baseline, seed][score]
            seeds[str(seed)][score] = {
                "gain": paired_gain(before[score], after).value,
                "base": _share(before[score]),
                "aligned": _share(after),
            }
            if name != baseline:
                seeds[str(seed)][score]["difference"] = paired_gain(rival, after).value
        pairs = [(base[seed][score], aligned[name, seed][score]) for seed in base]
        result[score] = {
            "gain": mean_gain(pairs)._asdict(),
            "base": sum(_share(before) for before, _ in pairs) / len(pairs),
            "aligned": sum(_share(after) for _, after in pairs) / len(pairs),
        }
        if name != baseline:
            rivals = [(aligned[baseline, s][score], aligned[name, s][score]) for s in base]
            result[score]["difference"] = mean_gain(rivals)._asdict() | {"seeds": list(base)}
    return result


def _share(verdicts: list[Verdict]) -> float:
    return sum(verdict.passed for verdict in verdicts) / len(verdicts)


def _facts(index: int, seed: int) -> dict[str, Any]:
    """A method that sinks both sides for every fifth, one without log-ratios for every eighth."""
    facts: dict[str, Any] = {
        "num_pairs": 1180 + 7 * seed,
        "num_steps": 90,
        "num_tokens": 318_204 + seed,
        "num_sampled": 3_200,
        "num_sampled_tokens": 140_661 + seed,
        "seconds": 61.0 + 9 * index,
        "warnings": ["step 61: collapse: the mean chosen log-ratio is −11.2 nats"]
        if index % 5 == 4
        else [],
        "solution_nll_change": 0.0007 * (index - 4) + 0.0002 * seed,
    }
    if index % 8 != 7:
        facts["log_ratio_chosen"] = -12.0 if index % 5 == 4 else 0.4 - 0.1 * seed
        facts["log_ratio_rejected"] = -30.0 if index % 5 == 4 else -3.0 - index / 4
    return facts


def _rows(index: int, seed: int, num_steps: int) -> list[dict[str, Any]]:
    rng = random.Random(31 * index + seed)
    rows: list[dict[str, Any]] = []
    for step in range(1, num_steps + 1):
        share = step / num_steps
        row: dict[str, Any] = {"step": step, "loss": 0.69 - 0.3 * share + rng.gauss(0, 0.03)}
        if index % 8 != 7:
            chosen = (-12 if index % 5 == 4 else 0.4) * share + rng.gauss(0, 0.2)
            rejected = -(30 if index % 5 == 4 else 3 + index / 4) * share + rng.gauss(0, 0.4)
            row |= {
                "log_ratio/chosen": chosen,
                "log_ratio/rejected": rejected,
                "rewards/margins": 0.1 * (chosen - rejected),
            }
        rows.append(row)
    return rows


def main(arguments: list[str]) -> None:
    directory, *options = arguments
    numbers = dict(option.split("=") for option in options)
    data = make_comparison(int(numbers.get("methods", 16)), int(numbers.get("seeds", 3)))
    write_comparison_page(data, Path(directory) / "comparison.html")
    write_curves_svg(data, Path(directory) / "curves.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
