"""The judge's benchmarks run, in a small size, and their numbers mean what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("CODEALIGN_DATA", ""))

pytestmark = pytest.mark.skipif(
    not (DATA / "humaneval").is_dir(), reason="CODEALIGN_DATA is unset or has no humaneval"
)


def benchmark(name: str, *options: str) -> dict[str, Any]:
    """What a benchmark prints with --json."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--json", *options],
        stdout=subprocess.PIPE,
        check=True,
        timeout=100,
    )
    return json.loads(done.stdout)


# --- judge.py ------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", ["auto", "rusage"])
def test_every_rival_of_the_judge_judges_every_program(clock: str) -> None:
    # 6 fast programs and the 4 slow ones.
    options = ["--num-fast", "6", "--rounds", "1", "--clock", clock]
    told = benchmark("judge", *options, "--only", "fork_and_run", "python_bare")
    by_key = {line["key"]: line for line in told["rivals"]}
    assert set(by_key) == {"judge:auto:1", "fork_and_run", "python_bare"}
    for line in by_key.values():
        assert line["num_passed"] == 10
        assert line["per_s"] == pytest.approx(1000 / line["fast_ms"]["median"])
        assert 0 < line["fast_ms"]["low"] <= line["fast_ms"]["median"] <= line["fast_ms"]["high"]
    # The slow four alone take 0.1 s of CPU and more, whoever runs them.
    assert all(10 * line["all_ms"]["median"] > 100 for line in by_key.values())


def test_the_judge_is_compared_with_itself_as_one() -> None:
    told = benchmark("judge", "--num-fast", "3", "--rounds", "1", "--only", "judge:auto:1")
    (ours,) = told["rivals"]
    assert ours["slower_fast"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    (speed,) = told["bars"]
    assert speed["reached"] == ours["per_s"]
    assert speed["met"] == (speed["reached"] >= speed["least"])
