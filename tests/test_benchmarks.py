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


@pytest.mark.parametrize("clock", ["auto", pytest.param("rusage", marks=pytest.mark.slow)])
def test_every_rival_of_the_judge_judges_every_program(clock: str) -> None:
    # 6 fast programs and the 4 slow ones.
    # rusage is a difference of two processes: on a busy machine only the median of several says anything.
    num_rounds = "5" if clock == "rusage" else "1"
    options = ["--num-fast", "6", "--rounds", num_rounds, "--clock", clock]
    told = benchmark("judge", *options, "--only", "fork_and_run")
    by_key = {line["key"]: line for line in told["rivals"]}
    assert set(by_key) == {"judge:auto:1", "fork_and_run"}
    for line in by_key.values():
        assert line["num_passed"] == 10
        assert line["per_s"] == pytest.approx(1000 / line["fast_ms"]["median"])
        # Six programs cost less than the start varies by, so that their own cost may come out below 0.
        assert line["fast_ms"]["low"] <= line["fast_ms"]["median"] <= line["fast_ms"]["high"]
    # The slow four alone take 0.1 s of CPU and more, whoever runs them.
    assert all(10 * line["all_ms"]["median"] > 100 for line in by_key.values())


def test_the_judge_is_compared_with_itself_as_one() -> None:
    told = benchmark("judge", "--num-fast", "3", "--rounds", "1", "--only", "judge:auto:1")
    (ours,) = told["rivals"]
    assert ours["slower_fast"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    (speed,) = told["bars"]
    assert speed["reached"] == ours["per_s"]
    assert speed["met"] == (speed["reached"] >= speed["least"])


# --- verdicts beside one process --------------------------------------------------------------------


@pytest.mark.slow
def test_parity_judges_on_both_sides_and_goes_on_where_it_was(tmp_path: Path) -> None:
    options = ["--work-dir", str(tmp_path), "--num"]
    first = benchmark("parity", *options, "40")
    assert (first["num"], first["judged_now"]) == (40, 40)
    assert first["passed_here"] == first["passed_there"] > 0
    assert (first["equal"], first["differences"]) == (1.0, [])
    torn = (tmp_path / "codealign.jsonl").read_bytes()[:-10]
    (tmp_path / "codealign.jsonl").write_bytes(torn)
    again = benchmark("parity", *options, "40")
    # A kill tore the last line: that completion alone is judged again.
    assert again["judged_now"] == 1
    measured = {"judged_now", "wall_s", "cpu_s", "machine"}
    assert {name: again[name] for name in again.keys() - measured} == {
        name: first[name] for name in first.keys() - measured
    }


@pytest.mark.slow
def test_parity_lists_and_explains_a_difference(tmp_path: Path) -> None:
    options = ["--work-dir", str(tmp_path), "--num", "10"]
    benchmark("parity", *options)
    kept = [json.loads(line) for line in (tmp_path / "plain.jsonl").read_text().splitlines()]
    passed = next(row for row in kept if row["result"] == "passed")
    failed = next(row for row in kept if row["result"].startswith("failed"))
    passed["result"], failed["result"] = "timed out", "passed"
    (tmp_path / "plain.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    told = benchmark("parity", *options)
    assert told["equal"] == pytest.approx(1 - 2 / 10)
    why = {row["key"]: row["why"] for row in told["differences"]}
    assert why == {passed["key"]: "their clock", failed["key"]: ""}
    assert told["unexplained"] == 1


@pytest.mark.slow
def test_mutants_fare_here_as_in_one_process() -> None:
    told = benchmark("mutants", "--num-problems", "12", "--per-problem", "3")
    assert told["made"]["stub"] >= 12
    assert told["num"] == sum(told["made"].values()) >= 36
    assert sum(told["passed"].values()) < told["num"] / 2
    assert (told["passed_here_only"], told["unexplained"], told["not_judged"]) == (0, 0, 0)


# --- time and wear -------------------------------------------------------------------------------


@pytest.mark.slow
def test_reference_solutions_pass_every_time_idle_and_oversubscribed() -> None:
    told = benchmark("repeats", "--repeats", "2", "--num-programs", "20")
    assert [phase["name"] for phase in told["phases"]] == ["idle", "oversubscribed"]
    for phase in told["phases"]:
        assert phase["num_judged"] == 2 * 20
        assert phase["flakes"] == []


def test_scaled_limits_change_no_pass() -> None:
    told = benchmark("sensitivity", "--num", "30")
    assert set(told["outcomes"]) == {"0.5", "1.0", "2.0"}
    assert all(sum(outcomes.values()) == 30 for outcomes in told["outcomes"].values())
    assert told["num_pass_changed"] == 0


def test_a_soak_leaves_nothing_behind() -> None:
    told = benchmark("soak", "--num", "400")
    assert (told["num_attacks"], told["unexpected"]) == (4, [])
    before, after = told["before"], told["after"]
    assert before["processes"] > 1
    for name in ("processes", "descriptors", "mounts"):
        assert after[name] == before[name], name
    assert after["memory_mb"] < before["memory_mb"] + 10
    assert told["closed"]["processes"] == 1  # the soak itself
