"""The whole loop on a handful of kata problems: it ends, says it is done, and survives being killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codealign import sampling
from codealign.config import KATA_POLICY, load_run_config
from codealign.pipeline import Run, judge_stage, sample_and_judge
from codealign.progress import Progress
from codealign.records import Completion
from codealign.rundir import RunDir

pytestmark = pytest.mark.skipif(
    not (KATA_POLICY / "model.safetensors").is_file(), reason="the packaged kata policy is missing"
)

SMALL = [
    "problems.num_train=16",
    "problems.num_validation=6",
    "problems.num_heldout=8",
    "sample.num_samples=6",
    "train.per_device_train_batch_size=2",
    "train.save_steps=2",
    "train.eval_steps=4",
    "train.num_train_epochs=1",
    "eval.num_samples=2",
    "eval.k=[1,2]",
]


def command(run_dir: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "codealign", "run", "--json", f"run_dir={run_dir}", *SMALL, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run_to_the_end(run_dir: Path, *more: str) -> dict:
    done = subprocess.run(
        command(run_dir, *more), capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_and_kill(run_dir: Path, seconds: float) -> None:
    process = subprocess.Popen(
        command(run_dir), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


MEASURED = ("cpu_s", "system_s", "wall_s", "peak_bytes", "retried")
"""Columns that say how it went, not what came out."""


def what_counts(run_dir: Path) -> dict[str, object]:
    """Everything of a run that may not depend on when it was interrupted.

    The `logprob` column is compared to five decimals: which completions share a batch moves its last bits.
    """
    rows: dict[str, object] = {}
    for path in sorted(run_dir.glob("**/part-*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines()):
            row = {key: value for key, value in json.loads(line).items() if key not in MEASURED}
            logprob = row.pop("logprob", None)
            name = f"{path.relative_to(run_dir)} {row['task_id']} {row.get('sample_index', number)}"
            rows[name] = row
            rows[f"{name} logprob"] = logprob and pytest.approx(logprob, abs=1e-5)
    rows["weights"] = (run_dir / "model" / "model.safetensors").read_bytes()
    metrics = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    rows["losses"] = [(row["step"], row["loss"]) for row in metrics if "loss" in row]
    return rows


def differences(one: Path, other: Path) -> list[str]:
    """Names of what two runs do not share; empty when they ended in the same place."""
    mine, theirs = what_counts(one), what_counts(other)
    return [name for name in {**mine, **theirs} if mine.get(name) != plain(theirs.get(name))]


def plain(value: object) -> object:
    return getattr(value, "expected", value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    return run_dir, run_to_the_end(run_dir)


def test_the_summary_has_the_promised_shape(finished: tuple[Path, dict]) -> None:
    run_dir, summary = finished
    assert summary["run_dir"] == str(run_dir)
    for name in ("base", "aligned"):
        assert set(summary[name]) == {"greedy_pass@1", "pass@1", "pass@2"}
        assert all(0.0 <= value <= 1.0 for value in summary[name].values())
    gain = summary["gain"]["greedy_pass@1"]
    assert gain["value"] == pytest.approx(
        summary["aligned"]["greedy_pass@1"] - summary["base"]["greedy_pass@1"]
    )
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert 0.0 <= gain["p"] <= 1.0
    assert summary["isolation"] in ("S3", "S2", "S1", "S0")
    assert list(summary["stages"]) == [
        "sample",
        "judge",
        "pairs",
        "eval/base",
        "train",
        "eval/aligned",
    ]
    assert all(stage["seconds"] >= 0 for stage in summary["stages"].values())


def test_every_artefact_is_there_and_the_model_loads_in_plain_transformers(finished) -> None:
    run_dir, _ = finished
    for name in ("config.json", "metrics.jsonl", "report.html", "run.log", "summary.json"):
        assert (run_dir / name).stat().st_size > 0
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(run_dir / "model")
    tokenizer = AutoTokenizer.from_pretrained(run_dir / "model")
    assert model.get_input_embeddings().weight.shape[0] >= len(tokenizer)


def test_token_ids_reach_the_pairs_as_they_were_sampled(finished) -> None:
    run_dir, _ = finished
    sampled = {}
    for line in (run_dir / "completions" / "part-00000.jsonl").read_text().splitlines():
        row = json.loads(line)
        sampled[row["task_id"], row["sample_index"]] = row
    pairs = [
        json.loads(x) for x in (run_dir / "pairs" / "part-00000.jsonl").read_text().splitlines()
    ]
    assert pairs
    for pair in pairs:
        chosen = sampled[pair["task_id"], pair["chosen_index"]]
        assert pair["chosen_ids"] == chosen["completion_ids"]
        assert pair["prompt_ids"] == chosen["prompt_ids"]
        assert pair["chosen"] == chosen["completion"]


def test_running_again_says_that_it_is_done_and_changes_nothing(finished) -> None:
    run_dir, summary = finished
    before = {path: path.stat().st_mtime_ns for path in run_dir.glob("**/part-*.jsonl")}
    weights = (run_dir / "model" / "model.safetensors").read_bytes()
    done = subprocess.run(command(run_dir), capture_output=True, text=True, env=environment())
    assert done.returncode == 0
    assert "every stage is done" in done.stderr
    again = json.loads(done.stdout)
    assert again["aligned"] == summary["aligned"]
    assert {path: path.stat().st_mtime_ns for path in run_dir.glob("**/part-*.jsonl")} == before
    assert (run_dir / "model" / "model.safetensors").read_bytes() == weights


@pytest.mark.slow
@pytest.mark.parametrize("delays", [(4.0, 5.0, 6.0, 7.0), (5.5, 6.5, 8.0, 9.0)])
def test_kill_nine_at_any_moment_ends_in_the_same_place(finished, tmp_path: Path, delays) -> None:
    run_dir, summary = finished
    for delay in delays:
        run_and_kill(tmp_path / "killed", delay)
    again = run_to_the_end(tmp_path / "killed")
    assert differences(tmp_path / "killed", run_dir) == []
    assert again["base"] == summary["base"]
    assert again["aligned"] == summary["aligned"]


@pytest.mark.slow
def test_another_learning_rate_redoes_training_alone_and_keeps_the_old_model(
    finished, tmp_path
) -> None:
    run_dir = tmp_path / "run"
    run_to_the_end(run_dir)
    sampled = (run_dir / "completions" / "part-00000.jsonl").stat().st_mtime_ns
    old_weights = (run_dir / "model" / "model.safetensors").read_bytes()
    run_to_the_end(run_dir, "learning_rate=1e-6")
    assert (run_dir / "completions" / "part-00000.jsonl").stat().st_mtime_ns == sampled
    assert (run_dir / "model" / "model.safetensors").read_bytes() != old_weights
    kept = list((run_dir / "superseded").glob("train-*/model/model.safetensors"))
    assert [path.read_bytes() for path in kept] == [old_weights]


def test_programs_are_judged_while_the_next_are_drawn(tmp_path: Path, monkeypatch) -> None:
    """Interrupted late, it has verdicts on the first already; going on, nothing that was written is drawn again."""
    config = load_run_config(None, ["problems.num_train=20", "sample.num_samples=8"])
    drawn: list[tuple[str, int]] = []

    class SlowEngine:
        def __init__(self, stop_after: int) -> None:
            self.stop_after = stop_after

        def sample(self, requests, params):
            for number, request in enumerate(requests):
                if number == self.stop_after:
                    raise KeyboardInterrupt
                time.sleep(0.03)
                drawn.append((request.task_id, request.sample_index))
                yield Completion(
                    task_id=request.task_id,
                    sample_index=request.sample_index,
                    completion=f"    return {request.sample_index}\n",
                )

    def num_verdicts() -> int:
        return sum(path.read_text().count("\n") for path in tmp_path.glob("verdicts/*.jsonl"))

    for stop_after in (130, 10**6):
        engine = SlowEngine(stop_after)
        monkeypatch.setattr(sampling, "open_engine", lambda *_, engine=engine: engine)
        run = Run(config, RunDir(tmp_path), Progress(quiet=True))
        run.__dict__["policy"] = None
        with contextlib.suppress(KeyboardInterrupt):
            sample_and_judge(run)
        run.judge.close()
        if stop_after == 130:
            assert num_verdicts() >= 32
    judge_stage(Run(config, RunDir(tmp_path), Progress(quiet=True)))
    # The last chunk before the interruption had not been written.
    assert 160 <= len(drawn) <= 160 + 32
    assert num_verdicts() == 160
    assert len({*drawn}) == 160
