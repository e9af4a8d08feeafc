"""References that follow the policy: what they are at each step, and that the policy never notices."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from full_disk import files_of_at_most
from model_fixtures import save_tiny_model, text_pairs
from safetensors.torch import load_file

from codealign.config import DPO, SFT, FollowingReference, ModelConfig, TrainConfig
from codealign.errors import ConfigError, InputError, StorageError
from codealign.policy import Policy, load_policy
from codealign.records import read_rows
from codealign.reference import Follower
from codealign.training import train

EVERY = 2
NUM_STEPS = 6


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("following") / "model", "llama")


def load(path: Path, **options: Any) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=str(path), dtype="float32", **options))


def config_of(mixup: float | None, run_dir: Path, **options: Any) -> TrainConfig:
    following = None if mixup is None else FollowingReference(every=EVERY, mixup=mixup)
    settings = {
        "objective": DPO(beta=1.0),
        "learning_rate": 1e-2,
        "per_device_train_batch_size": 2,
        "save_steps": 1,
        "save_total_limit": 9,
        "following_reference": following,
        "reference_cache": str(run_dir / "cache"),
    }
    return TrainConfig(**settings | options)


def trained(path: Path, run_dir: Path, mixup: float | None, **options: Any) -> Policy:
    stop = options.pop("should_stop", None)
    policy = load(path)
    config = config_of(mixup, run_dir, **options)
    train(policy, text_pairs(12), config, run_dir=run_dir, seed=0, should_stop=stop)
    return policy


def losses(run_dir: Path) -> list[float]:
    return [row["loss"] for _, row in read_rows(run_dir / "metrics.jsonl") if "loss" in row]


def weights_at(run_dir: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(run_dir / f"checkpoint-{step}" / "model.safetensors")


def test_a_hard_update_puts_the_reference_where_the_policy_is(path: Path, tmp_path: Path):
    trained(path, tmp_path, mixup=1.0)
    found = losses(tmp_path)
    assert len(found) == NUM_STEPS
    for step, loss in enumerate(found):
        at_reference = loss == pytest.approx(math.log(2), abs=1e-6)
        assert at_reference == (step % EVERY == 0), found


def test_until_it_moves_it_is_the_reference_that_stays(path: Path, tmp_path: Path):
    trained(path, tmp_path / "stays", mixup=None)
    trained(path, tmp_path / "moves", mixup=0.5)
    stays, moves = losses(tmp_path / "stays"), losses(tmp_path / "moves")
    assert moves[:EVERY] == stays[:EVERY]
    assert moves[EVERY:] != stays[EVERY:]
    before, after = (weights_at(tmp_path / name, EVERY) for name in ("stays", "moves"))
    assert all(after[name].equal(tensor) for name, tensor in before.items()), "bit for bit"


def test_a_soft_update_is_the_mixture_of_old_reference_and_policy(path: Path, tmp_path: Path):
    trained(path, tmp_path, mixup=0.25)
    reference = {
        step: load_file(tmp_path / "reference" / f"step-{step}.safetensors")
        for step in (0, EVERY, 2 * EVERY)
    }
    for step in (EVERY, 2 * EVERY):
        policy = weights_at(tmp_path, step)
        for name, tensor in reference[step].items():
            old = reference[step - EVERY][name]
            torch.testing.assert_close(tensor, 0.75 * old + 0.25 * policy[name])


@pytest.mark.parametrize("stop_after", range(1, NUM_STEPS))
def test_a_resumed_run_has_the_references_of_the_unbroken_one(
    path: Path, tmp_path: Path, stop_after: int
):
    whole = trained(path, tmp_path / "whole", mixup=0.5)
    asked = iter(range(1, 99))
    trained(path, tmp_path / "broken", 0.5, should_stop=lambda: next(asked) == stop_after)
    # What the reference said may be gone as well: its weights say it again.
    shutil.rmtree(tmp_path / "broken" / "cache")
    resumed = trained(path, tmp_path / "broken", 0.5)
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    ours = dict(resumed.model.named_parameters())
    for name, parameter in whole.model.named_parameters():
        assert parameter.equal(ours[name])


def test_weights_that_no_checkpoint_needs_are_deleted(path: Path, tmp_path: Path):
    trained(path, tmp_path, mixup=1.0, save_total_limit=1)
    kept = sorted(file.name for file in (tmp_path / "reference").iterdir())
    assert kept == ["step-2.safetensors", "step-4.safetensors"]


def test_without_its_weights_a_run_can_not_go_on_and_says_so(path: Path, tmp_path: Path):
    asked = iter(range(1, 99))
    trained(path, tmp_path, 0.5, should_stop=lambda: next(asked) == 3)
    (tmp_path / "reference" / "step-2.safetensors").unlink()
    with pytest.raises(InputError, match="the reference of step 2 are gone"):
        trained(path, tmp_path, 0.5)


def test_no_room_for_its_weights_says_where_and_what_to_do(path: Path, tmp_path: Path):
    policy = load(path)
    follower = Follower(policy, FollowingReference(every=EVERY), tmp_path, tmp_path / "cache")
    with files_of_at_most(1 << 14), pytest.raises(StorageError, match="no room") as caught:
        follower.begin([])
    assert "step-0.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "model", "words"),
    [
        ({"objective": SFT()}, {}, "sft reads no reference"),
        ({}, {"use_peft": True}, "the base is the reference"),
    ],
)
def test_where_no_reference_can_move_it_is_refused(
    path: Path, tmp_path: Path, options: dict[str, Any], model: dict[str, Any], words: str
):
    config = config_of(0.5, tmp_path, **options)
    with pytest.raises(ConfigError, match=words):
        train(load(path, **model), text_pairs(4), config, run_dir=tmp_path, seed=0)
