"""Several processes over gloo give what one gives: each with all weights (DDP), with a part of each (FSDP2), or with all
weights and a part of the moments (DeepSpeed's ZeRO)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import is_deepspeed_available
from launched_run import train_once
from model_fixtures import save_tiny_model

from codealign import launching
from codealign.config import ModelConfig
from codealign.errors import ConfigError, ModelError
from codealign.policy import load_policy
from codealign.records import read_rows

SCRIPT = Path(__file__).with_name("launched_run.py")


needs_deepspeed = pytest.mark.skipif(
    not is_deepspeed_available(),
    reason="deepspeed is not installed: pip install 'codealign[deepspeed]'",
)

FLAGS = {
    "fsdp": ["--use_fsdp", "--fsdp_version", "2"],
    "zero1": ["--use_deepspeed", "--zero_stage", "1"],
    "zero2": ["--use_deepspeed", "--zero_stage", "2"],
}


def launched(
    num_processes: int, *words: str, kind: str = "ddp"
) -> subprocess.CompletedProcess[str]:
    """Start `words` as a user does; any free port, so that tests can run side by side."""
    if kind in FLAGS:
        launcher = ["accelerate.commands.launch", *FLAGS[kind]]
        launcher += ["--main_process_port", "0", "--num_processes", str(num_processes)]
    else:
        # Where there is no accelerator, plain `accelerate launch` starts one process. torchrun starts several,
        # and accelerate finds them in the same environment variables.
        launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(num_processes)]
    return subprocess.run(
        [sys.executable, "-m", *launcher, *words],
        # DeepSpeed's: without, the launcher remarks on standard output that it found no GPU.
        env={**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def train_in(processes: tuple[str, int], run: dict) -> None:
    """Train in ("alone", 1), ("ddp", 2), ("fsdp", 3), ("zero2", 2) …"""
    kind, number = processes
    if kind == "alone":
        train_once(run)
        return
    done = launched(number, str(SCRIPT), json.dumps(run), kind=kind)
    assert done.returncode == 0, done.stderr[-3000:]


def rows_of(run_dir: Path) -> list[dict]:
    return [row for _, row in read_rows(run_dir / "metrics.jsonl")]


def assert_same(one: Path, other: Path, processes: int) -> None:
    """Equal metrics, checkpoints of the same files and tensors, and the trained weights in every process."""
    for row, another in zip(rows_of(one), rows_of(other), strict=True):
        if "warning" in row:
            assert another == row
            continue
        # A zeroth-order slope is a difference of losses over 2e-3, and so is its rounding.
        assert another == pytest.approx(row, rel=1e-4, abs=2e-4)
        assert another.get("loss", 0.0) == pytest.approx(row.get("loss", 0.0), rel=0, abs=1e-5)
    assert files_of(other) == files_of(one)
    wanted = torch.load(one / "weights-0.pt")
    for rank in range(processes):
        found = torch.load(other / f"weights-{rank}.pt")
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5, msg=name)


def files_of(run_dir: Path) -> list[tuple[str, int]]:
    """Names and sizes, so also shapes and types, of what the checkpoints hold."""
    return sorted(
        (str(path.relative_to(run_dir)), path.stat().st_size)
        for path in run_dir.glob("checkpoint-*/*")
        if path.suffix in (".safetensors", ".pt", ".pth")
    )


def test_two_processes_with_sharded_weights_give_what_one_gives(tmp_path):
    """8 pairs a step as 1 × 4 × 2 and as 2 × 2 × 2; the last step has 6. Tied embeddings, a moving average, a score."""
    run = {"model": str(save_tiny_model(tmp_path / "model", "qwen2")), "num_pairs": 22}
    run |= {"validates": True}
    for kind, number, batch_size in (("alone", 1, 4), ("fsdp", 2, 2)):
        train = {"per_device_train_batch_size": batch_size, "eval_steps": 2, "num_train_epochs": 1}
        train["update"] = {"kind": "backprop", "ema_decay": 0.5}
        train_in((kind, number), run | {"run_dir": str(tmp_path / kind), "train": train})
    assert [row["step"] for row in rows_of(tmp_path / "alone") if "loss" in row] == [1, 2, 3]
    assert_same(tmp_path / "alone", tmp_path / "fsdp", 2)
    [whole], parts = held_in(tmp_path / "alone"), held_in(tmp_path / "fsdp")
    assert sum(parts) == whole
    assert max(parts) < 0.51 * whole


def held_in(run_dir: Path) -> list[int]:
    """How many numbers of the model each process held between two steps."""
    return [int(path.read_text()) for path in sorted(run_dir.glob("held-*.txt"))]


def zero(*values):
    return pytest.param(*values, marks=needs_deepspeed)


LORA = {"use_peft": True, "lora_target_modules": ["q_proj", "down_proj", "lm_head"]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")  # PEFT's word on lm_head
@pytest.mark.parametrize(
    ("kind", "model", "policy", "train"),
    [
        ("ddp", "llama", {}, {}),
        ("ddp", "llama", LORA, {}),
        ("fsdp", "llama", {}, {}),
        ("fsdp", "kata", {"dtype": "float32"}, {"learning_rate": 1e-5}),
        ("fsdp", "llama", LORA | {"gradient_checkpointing": True}, {"learning_rate": 1e-2}),
        ("fsdp", "qwen2", {"use_peft": True}, {"eval_steps": 2, "early_stopping": {"patience": 9}}),
        ("fsdp", "qwen2", {}, {"update": {"kind": "zeroth_order", "ema_decay": 0.5}}),
        ("fsdp", "qwen2", {}, {"objective": {"kind": "sft"}, "eval_steps": 2}),
        ("ddp", "llama", {}, {"objective": {"kind": "bco", "beta": 0.1}}),
        zero("zero1", "llama", {}, {}),
        zero("zero2", "kata", {"dtype": "float32"}, {"learning_rate": 1e-5}),
        zero("zero2", "llama", LORA | {"gradient_checkpointing": True}, {"learning_rate": 1e-2}),
        zero("zero2", "qwen2", {}, {"eval_steps": 2, "early_stopping": {"patience": 9}}),
    ],
    ids=[
        *("ddp", "ddp-lora", "untied", "kata", "lora-on-head", "lora-best-step", "zeroth", "sft"),
        *("labels", "zero1", "zero-kata", "zero-lora-on-head", "zero-best-step"),
    ],
)
def test_two_processes_give_what_one_gives(tmp_path, kind, model, policy, train):
    path = "kata" if model == "kata" else str(save_tiny_model(tmp_path / "model", model))
    run = {"model": path, "num_pairs": 22, "policy": policy, "validates": True}
    run["labelled"] = train.get("objective", {}).get("kind") == "bco"
    for each, number, batch_size in (("alone", 1, 4), (kind, 2, 2)):
        settings = train | {"per_device_train_batch_size": batch_size}
        train_in((each, number), run | {"run_dir": str(tmp_path / each), "train": settings})
    assert_same(tmp_path / "alone", tmp_path / kind, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("alone", 1), ("ddp", 2)),
        (("ddp", 2), ("alone", 1)),
        (("fsdp", 2), ("alone", 1)),
        (("alone", 1), ("fsdp", 2)),
        (("fsdp", 2), ("fsdp", 3)),
        zero(("zero2", 2), ("alone", 1)),
        zero(("alone", 1), ("zero1", 2)),
        zero(("zero1", 2), ("zero2", 3)),
    ],
)
def test_a_run_continues_in_another_number_of_processes(tmp_path, first, second):
    """12 pairs a step and 6 in the last of an epoch: 3 steps an epoch, stopped after 4 of 6."""
    run = {"model": str(save_tiny_model(tmp_path / "model", "qwen2")), "num_pairs": 30}

    def settings(number: int, run_dir: str) -> dict:
        train = {"per_device_train_batch_size": 6 // number, "save_steps": 2}
        return run | {"run_dir": str(tmp_path / run_dir), "train": train}

    train_in(("alone", 1), settings(1, "whole"))
    train_in(first, settings(first[1], "halved") | {"stop_after": 4})
    train_in(second, settings(second[1], "halved"))
    assert_same(tmp_path / "whole", tmp_path / "halved", second[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "update"), [("fsdp", {"ema_decay": 0.5}), zero("zero1", {}), zero("zero2", {})]
)
def test_masters_and_averages_in_parts_come_back_to_the_bit(tmp_path, kind, update):
    """bfloat16 weights alone would not tell where their float32 masters were."""
    train = {"per_device_train_batch_size": 2, "save_steps": 2}
    train |= {"update": {"kind": "backprop", **update}}
    run = {"model": str(save_tiny_model(tmp_path / "model", "qwen2")), "num_pairs": 22}
    run |= {"policy": {"dtype": "bfloat16"}, "train": train}
    train_in((kind, 2), run | {"run_dir": str(tmp_path / "whole")})
    for stop in ({"stop_after": 3}, {}):
        train_in((kind, 2), run | {"run_dir": str(tmp_path / "halved")} | stop)
    assert rows_of(tmp_path / "halved") == rows_of(tmp_path / "whole")
    assert_same(tmp_path / "whole", tmp_path / "halved", 2)


@pytest.mark.slow
def test_a_process_that_knows_its_reference_joins_in_the_forwards_of_one_that_does_not(tmp_path):
    """One process's log-probs are deleted; without company its forwards would wait for ever."""
    run = {"model": str(save_tiny_model(tmp_path / "model", "qwen2")), "num_pairs": 22}
    run |= {"train": {"per_device_train_batch_size": 2, "num_train_epochs": 1}}
    train_in(("fsdp", 2), run | {"run_dir": str(tmp_path / "first")})
    shutil.copytree(tmp_path / "first" / "reference", tmp_path / "second" / "reference")
    deleted, *kept = (tmp_path / "second").glob("reference/*/*.safetensors")
    deleted.unlink()
    assert kept
    train_in(("fsdp", 2), run | {"run_dir": str(tmp_path / "second")})
    for row, other in zip(rows_of(tmp_path / "first"), rows_of(tmp_path / "second"), strict=True):
        assert other == pytest.approx(row, rel=1e-5, abs=1e-5)


def sampled_run(run_dir: Path, *more: str) -> None:
    """A run up to its pairs, made by one process, with validation scores every two steps."""
    for verb in ("sample", "judge", "pairs"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "codealign", verb, f"run_dir={run_dir}"),
                *("problems.num_train=16", "problems.num_validation=4", "problems.num_heldout=4"),
                *("sample.num_samples=6", "train.eval_steps=2", *more),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp", zero("zero2")])
def test_train_works_in_several_processes_and_every_other_verb_says_that_it_does_not(
    tmp_path, kind
):
    """4 pairs a step, as one process of 4 and as two of 2; then again, when it is done."""
    sampled_run(tmp_path / "one", "train.per_device_train_batch_size=4")
    alone = [sys.executable, "-m", "codealign", "train", str(tmp_path / "one")]
    assert subprocess.run(alone, capture_output=True).returncode == 0
    sampled_run(tmp_path / "two", "train.per_device_train_batch_size=2")
    together = ("-m", "codealign", "train", str(tmp_path / "two"), "--json")
    for _ in ("first", "again"):
        done = launched(2, *together, kind=kind)
        assert done.returncode == 0, done.stderr[-3000:]
        assert json.loads(done.stdout)["done"] is True  # one process speaks, once
    for row, other in zip(rows_of(tmp_path / "one"), rows_of(tmp_path / "two"), strict=True):
        assert other == pytest.approx(row, rel=1e-3, abs=1e-4)
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()
    refused = launched(2, "-m", "codealign", "eval", str(tmp_path / "two"), kind=kind)
    assert refused.returncode != 0
    assert "2 processes were launched, and this verb works in one" in refused.stderr


def test_a_launched_verb_that_is_not_for_several_processes_is_bad_input(tmp_path):
    launched = {"LOCAL_RANK": "1", "RANK": "1", "WORLD_SIZE": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "codealign", "run", f"run_dir={tmp_path / 'run'}"],
        env={**os.environ, **launched},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "launch `codealign train` alone" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variable", "value", "refusal"),
    [
        ("FSDP_VERSION", "1", "fsdp_version"),
        ("FSDP_OFFLOAD_PARAMS", "true", "fsdp_offload_params"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "gradient_checkpointing in the run file"),
        ("FSDP_RESHARD_AFTER_FORWARD", "false", "fsdp_reshard_after_forward"),
    ],
)
def test_a_setting_of_fsdp_that_would_be_ignored_is_refused(monkeypatch, variable, value, refusal):
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert launching.fsdp_settings().fsdp_version == 2
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=refusal):
        launching.fsdp_settings()


def test_a_model_whose_layers_have_no_known_name_is_not_sharded(tmp_path):
    policy = load_policy(ModelConfig(model_name_or_path=str(save_tiny_model(tmp_path))))
    with pytest.raises(ModelError, match="no module is a NoSuchLayer"):
        policy.shard(["NoSuchLayer"])


def test_the_precision_of_a_launcher_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(Accelerator, "mixed_precision", "bf16")
    with pytest.raises(ConfigError, match=r"model\.dtype in the run file"):
        launching.open_accelerator((), torch.device("cpu"), tmp_path)
