"""Comparisons: what a file of methods means, what runs share, and the arithmetic of the table."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from codealign.comparison import (
    Comparison,
    conclude_comparison,
    load_comparison,
    run_comparison,
    summarise_comparison,
)
from codealign.config import KATA_POLICY, overlaid
from codealign.errors import ConfigError, InputError
from codealign.passk import mean_gain, paired_gain
from codealign.records import Verdict, write_records
from codealign.rundir import ARTEFACTS, RunDir, write_json

BASE = """
base:
  problems: {train: "kata:train", heldout: "kata:heldout", num_train: 2, num_heldout: 4}
  eval: {num_samples: 1, k: [1]}
"""


def methods_file(directory: Path, text: str) -> Path:
    path = directory / "methods.yaml"
    path.write_text(f"run_dir: {directory / 'out'}\n{text}", encoding="utf-8")
    return path


def load(directory: Path, text: str, *overrides: str) -> Comparison:
    return load_comparison(methods_file(directory, text), overrides)


# ---------------------------------------------------------------- the file


def test_a_method_changes_the_base_and_another_kind_takes_no_option_along():
    base = {"train": {"objective": {"kind": "dpop", "penalty": 5}, "max_length": 9}, "seed": 1}
    assert overlaid(base, {"train": {"objective": {"beta": 0.2}}})["train"] == {
        "objective": {"kind": "dpop", "penalty": 5, "beta": 0.2},
        "max_length": 9,
    }
    changed = overlaid(base, {"train": {"objective": {"kind": "ipo"}}})
    assert changed["train"]["objective"] == {"kind": "ipo"}
    assert base["train"]["objective"]["kind"] == "dpop", "the base itself is left alone"


def test_runs_are_planned_seed_by_seed_with_overrides_for_all(tmp_path: Path):
    text = f"{BASE}seeds: [3, 5]\nmethods: {{a: {{}}, b: {{train: {{learning_rate: 0.5}}}}}}"
    comparison = load(tmp_path, text, "train.max_length=77")
    assert [(run.method, run.seed) for run in comparison.runs] == [
        ("a", 3),
        ("a", 5),
        ("b", 3),
        ("b", 5),
    ]
    assert {run.config.train.max_length for run in comparison.runs} == {77}
    assert [run.config.train.learning_rate for run in comparison.runs[1:3]] == [1e-6, 0.5]
    assert comparison.runs[3].path == tmp_path / "out" / "b" / "seed-5"
    assert comparison.baseline == "a"


def test_without_a_base_it_is_kata_and_a_path_is_from_the_file(tmp_path: Path):
    kata = load(tmp_path, "methods: {a: {}}").runs[0].config
    assert kata.problems.train == "kata:train"
    (tmp_path / "mine.yaml").write_text("problems: {train: t.jsonl, heldout: h.jsonl}")
    mine = load(tmp_path, "base: mine.yaml\nmethods: {a: {}}").runs[0].config
    assert mine.problems.train == "t.jsonl"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("methods: {a: {train: {learning_rat: 1}}}", "methods.a.*did you mean"),
        ("methods: {a: {}}\nbaseline: b", "'b' is not one of the methods"),
        ("methods: {'../a': {}}", "can't be a directory's name"),
        ("methods: {}", "methods"),
        ("methods: {a: {}}\nseeds: [1, 1]", "seeds: each once"),
        ("method: {a: {}}", "unknown key 'method'"),
        ("methods: {a: {problems: {heldout: null}}}", "no held-out problems"),
        ("base: gone.yaml\nmethods: {a: {}}", "no such run file"),
    ],
)
def test_a_file_that_can_not_be_run_is_refused_before_anything_is(
    tmp_path: Path, text: str, words: str
):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert re.search(words, str(caught.value)), str(caught.value)


BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", ["methods", "online", "online_time", "online_rates"])
def test_the_files_behind_our_tables_can_be_run(name: str):
    comparison = load_comparison(BENCHMARKS / f"{name}.yaml")
    assert comparison.config.name == name
    assert {run.config.problems.num_heldout for run in comparison.runs} == {300}


# ---------------------------------------------------------------- taking a stage from another run


def finished_stage(run_dir: Path, name: str = "sample", key: str = "k", done: bool = True) -> None:
    stage = RunDir(run_dir).stage(name, key)
    write_records(run_dir / ARTEFACTS[name][0] / "part-00000.jsonl", [{"task_id": "a"}])
    stage.finish() if done else stage.tick()
    if not done:
        write_json(run_dir / "stages" / f"{name}.json", {"key": key})


def test_a_stage_that_another_run_has_done_is_copied(tmp_path: Path):
    finished_stage(tmp_path / "runs" / "one")
    mine = RunDir(tmp_path / "runs" / "two", reuse=tmp_path / "runs")
    assert mine.stage("sample", "k").done
    copied = mine.path / "completions" / "part-00000.jsonl"
    theirs = tmp_path / "runs" / "one" / "completions" / "part-00000.jsonl"
    assert copied.read_text() == theirs.read_text()
    assert copied.stat().st_ino != theirs.stat().st_ino, "writing here must not write there"


@pytest.mark.parametrize(("key", "done"), [("other", True), ("k", False)])
def test_other_settings_and_unfinished_work_are_not_taken(tmp_path: Path, key: str, done: bool):
    finished_stage(tmp_path / "runs" / "one", key=key, done=done)
    mine = RunDir(tmp_path / "runs" / "two", reuse=tmp_path / "runs")
    assert not mine.stage("sample", "k").done
    assert not (mine.path / "completions").exists()


def test_without_being_asked_nothing_is_taken(tmp_path: Path):
    finished_stage(tmp_path / "runs" / "one")
    assert not RunDir(tmp_path / "runs" / "two").stage("sample", "k").done


def test_own_work_is_gone_on_with_and_what_no_longer_fits_is_kept(tmp_path: Path):
    finished_stage(tmp_path / "runs" / "one")
    finished_stage(tmp_path / "runs" / "two", key="old")
    mine = RunDir(tmp_path / "runs" / "two", reuse=tmp_path / "runs")
    assert mine.stage("sample", "k").done
    assert (mine.path / "superseded" / "sample-old" / "completions").is_dir()


# ---------------------------------------------------------------- numbers


def verdicts(passed: list[int], temperature: float = 0.0) -> list[Verdict]:
    return [
        Verdict(
            task_id=f"t{number}",
            outcome="passed" if value else "failed",
            passed=bool(value),
            tests_passed=value,
            tests_total=1,
            sampler={"temperature": temperature},  # pyright: ignore[reportCallIssue]
        )
        for number, value in enumerate(passed)
    ]


def test_the_mean_gain_of_one_repeat_is_its_gain():
    base, aligned = verdicts([0, 0, 1, 1]), verdicts([1, 0, 1, 0])
    assert mean_gain([(base, aligned)]).value == paired_gain(base, aligned).value == 0.0


def test_the_mean_gain_is_each_problems_mean_over_repeats():
    repeats = [
        (verdicts([0, 0, 0, 0]), verdicts([1, 1, 0, 0])),
        (verdicts([0, 0, 0, 0]), verdicts([1, 0, 0, 0])),
    ]
    gain = mean_gain(repeats)
    assert gain.value == pytest.approx((1 + 0.5) / 4)
    assert gain.low <= gain.value <= gain.high
    assert gain == mean_gain(repeats[::-1])
    # More repeats of the same say no more about other problems.
    assert mean_gain(repeats * 3) == gain


def done_run(comparison: Comparison, method: str, seed: int, aligned: list[int]) -> None:
    """A run as its stages would have left it."""
    from codealign.pipeline import Run
    from codealign.progress import Progress

    (planned,) = [run for run in comparison.runs if (run.method, run.seed) == (method, seed)]
    run = Run(planned.config, RunDir(planned.path), Progress(quiet=True))
    for name in run.keys:
        run.stage(name).finish(
            **{"train": {"num_pairs": 7, "num_steps": 2, "num_tokens": 10}}.get(name, {}),
            **{"eval/base": {"solution_nll": 0.5}, "eval/aligned": {"solution_nll": 0.75}}.get(
                name, {}
            ),
        )
    for name, passed in (("base", [0, 0, 1, 1]), ("aligned", aligned)):
        for kind, temperature in (("greedy", 0.0), ("sampled", 0.8)):
            path = planned.path / "eval" / name / kind / "part-00000.jsonl"
            write_records(path, verdicts(passed, temperature))
    rows = [{"step": n, "loss": 1.0, "log_ratio/chosen": float(-n)} for n in range(8)]
    write_records(planned.path / "metrics.jsonl", rows)


TWO = f"{BASE}seeds: [0, 1]\nmethods: {{a: {{}}, b: {{train: {{learning_rate: 0.5}}}}}}"


def test_the_summary_adds_up(tmp_path: Path):
    comparison = load(tmp_path, TWO)
    done_run(comparison, "a", 0, [1, 0, 1, 1])
    done_run(comparison, "a", 1, [0, 0, 1, 1])
    done_run(comparison, "b", 0, [1, 1, 1, 1])
    done_run(comparison, "b", 1, [1, 0, 1, 0])
    summary = conclude_comparison(comparison)
    a, b = (summary["methods"][name]["greedy_pass@1"] for name in "ab")
    assert (a["base"], a["aligned"], a["gain"]["value"]) == (0.5, 0.625, 0.125)
    assert (b["aligned"], b["gain"]["value"]) == (0.75, 0.25)
    assert "difference" not in a
    assert b["difference"]["value"] == pytest.approx(0.125)
    assert b["difference"]["seeds"] == [0, 1]
    seed = summary["methods"]["b"]["seeds"]["1"]
    # both solve two of four, not the same two: 1 - 0, 0 - 0, 1 - 1, 0 - 1
    assert seed["greedy_pass@1"] == {
        "gain": 0.0,
        "base": 0.5,
        "aligned": 0.5,
        "difference": 0.0,
    }
    assert seed["log_ratio_chosen"] == -5.0, "the mean of the last five steps"
    assert seed["solution_nll_change"] == 0.25
    assert summary["missing"] == []
    assert json.loads((comparison.path / "comparison.json").read_text()) == summary


@pytest.mark.parametrize(
    ("changes", "records", "drawn", "seconds"),
    [
        (
            "{}",
            {
                "sample": {"num_completions": 9, "num_tokens": 90, "seconds": 5.0},
                "judge": {"seconds": 6.0},  # began with the sampling, and went on after it
                "pairs": {"seconds": 1.0},
                "train": {"seconds": 3.0},
            },
            (9, 90),
            10.0,
        ),
        (
            "{train: {objective: {kind: vineppo}, experience: {kind: rollouts}}}",
            {
                "train": {
                    "num_rollouts": 4,
                    "num_continuations": 20,
                    "num_sampled_tokens": 70,
                    "seconds": 3.0,
                }
            },
            (24, 70),
            3.0,
        ),
    ],
)
def test_what_was_drawn_and_how_long_it_took_are_counted_alike(
    tmp_path: Path,
    changes: str,
    records: dict[str, dict[str, Any]],
    drawn: tuple[int, int],
    seconds: float,
):
    comparison = load(tmp_path, f"{BASE}seeds: [0]\nmethods: {{a: {changes}}}")
    done_run(comparison, "a", 0, [1, 0, 1, 1])
    for name, record in {**records, "eval/base": {"seconds": 50.0}}.items():
        path = comparison.runs[0].path / "stages" / f"{name.replace('/', '-')}.json"
        write_json(path, {**json.loads(path.read_text()), **record})
    facts = summarise_comparison(comparison)["methods"]["a"]["seeds"]["0"]
    assert (facts["num_sampled"], facts["num_sampled_tokens"]) == drawn
    assert facts["seconds"] == pytest.approx(seconds, abs=0.1)


def test_the_page_is_written_with_the_curves_of_each_run(tmp_path: Path):
    comparison = load(tmp_path, TWO)
    for method, seed in (("a", 0), ("a", 1), ("b", 0)):
        done_run(comparison, method, seed, [1, 0, 1, 1])
    conclude_comparison(comparison)
    page = (comparison.path / "comparison.html").read_text()
    assert "a: log_ratio/chosen 0 at first, -7 at last (mean of 2 seeds)." in page
    assert "b: log_ratio/chosen 0 at first, -7 at last (one seed)." in page
    assert 'href="b/seed-0/report.html"' in page
    assert "Not done, and in no number here: b, seed 1." in page


def test_runs_that_are_missing_are_named_and_seeds_are_paired_with_their_own(tmp_path: Path):
    comparison = load(tmp_path, TWO)
    done_run(comparison, "a", 0, [1, 0, 1, 1])
    done_run(comparison, "b", 1, [1, 1, 1, 1])
    summary = summarise_comparison(comparison)
    assert summary["missing"] == ["a, seed 1", "b, seed 0"]
    assert "difference" not in summary["methods"]["b"]["greedy_pass@1"]


def test_nothing_done_is_an_error_with_the_cure(tmp_path: Path):
    with pytest.raises(InputError, match="no run of this comparison is done"):
        summarise_comparison(load(tmp_path, TWO))


def test_a_run_of_other_settings_does_not_count(tmp_path: Path):
    done_run(load(tmp_path, TWO), "a", 0, [1, 0, 1, 1])
    changed = load(tmp_path, TWO, "eval.temperature=0.7")
    assert not any(run.done for run in changed.runs)


def test_a_method_that_fails_leaves_the_others_alone(tmp_path: Path):
    text = (
        f"{BASE}seeds: [0]\nmethods: {{a: {{}}, b: {{model: {{model_name_or_path: {tmp_path}}}}}}}"
    )
    comparison = load(tmp_path, text)
    done_run(comparison, "a", 0, [1, 0, 1, 1])
    events = []
    failures = run_comparison(comparison, lambda run, event: events.append((run.method, event)))
    assert events == [("a", "done before"), ("b", "started"), ("b", "failed")]
    assert list(failures) == ["b, seed 0"]
    assert failures["b, seed 0"].startswith("error")
    assert summarise_comparison(comparison)["missing"] == ["b, seed 0"]


def test_an_interrupt_reaches_the_runs_and_starts_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    comparison = load(tmp_path, TWO)
    # Stands in for codealign: it says that it lives, and what ended it.
    stand_in = (
        "import pathlib, sys, time\n"
        "here = pathlib.Path(sys.argv[2])\n"
        "(here / 'alive').touch()\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    (here / 'interrupted').touch()\n"
    )
    original = subprocess.Popen

    def launch(command: list[str], **options: Any) -> Any:
        return original([sys.executable, "-c", stand_in, *command[3:]], **options)

    monkeypatch.setattr(subprocess, "Popen", launch)
    first = comparison.runs[0].path

    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while not (first / "alive").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_comparison(comparison, lambda run, event: None)
    assert (first / "interrupted").exists()
    assert not any(run.path.exists() for run in comparison.runs[1:])


# ---------------------------------------------------------------- end to end


@pytest.mark.slow
@pytest.mark.skipif(
    not (KATA_POLICY / "model.safetensors").is_file(), reason="the packaged kata policy is missing"
)
def test_two_methods_share_what_they_can_and_the_second_call_does_nothing(tmp_path: Path):
    text = """
seeds: [0]
base:
  model: {model_name_or_path: kata}
  problems: {train: "kata:train", heldout: "kata:heldout", num_train: 16, num_heldout: 6}
  sample: {num_samples: 6, max_new_tokens: 160}
  train: {per_device_train_batch_size: 4}
  eval: {num_samples: 1, k: [1], max_new_tokens: 160}
methods:
  dpo: {}
  tis: {train: {objective: {kind: tis_dpo}}, token_weights: {kind: dpo}}
"""
    command = [sys.executable, "-m", "codealign", "compare", "--json"]
    command.append(str(methods_file(tmp_path, text)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def compare() -> tuple[dict[str, Any], str]:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    summary, _ = compare()
    assert summary["missing"] == []
    one, other = (tmp_path / "out" / name / "seed-0" for name in ("dpo", "tis"))
    for shared in ("completions", "verdicts", "pairs", "eval/base/greedy"):
        name = f"{shared}/part-00000.jsonl"
        assert (one / name).read_bytes() == (other / name).read_bytes()
    again, said = compare()
    assert again == summary
    assert said.count("done before") == 2
    facts = summary["methods"]["tis"]["seeds"]["0"]
    assert facts["num_sampled"] == 16 * 6
    assert facts["seconds"] > summary["methods"]["dpo"]["seeds"]["0"]["seconds"] > 0
