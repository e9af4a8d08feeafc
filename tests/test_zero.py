"""What is refused of DeepSpeed, and steps that its engine must not take. Its losses are in `test_train_processes`."""

import json
import os

import pytest
import torch
from model_fixtures import save_tiny_model
from test_train_processes import launched, needs_deepspeed

from codealign import launching, zero
from codealign.config import Backprop, ZerothOrder
from codealign.errors import ConfigError


@pytest.fixture
def launcher(monkeypatch):
    """As if accelerate had been launched with DeepSpeed; the variables that it sets are the test's to add."""
    for name in [name for name in os.environ if name.startswith("ACCELERATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr(zero, "is_deepspeed_available", lambda: True)
    return monkeypatch


def test_how_gradients_travel_is_the_launchers(launcher, tmp_path):
    assert zero.zero_settings() == {"stage": 2}
    path = tmp_path / "ds.json"
    asked = {"stage": 1, "overlap_comm": False, "reduce_bucket_size": "auto", "stage3_x": 1}
    whole = {"zero_optimization": asked, "gradient_clipping": "auto", "bf16": {"enabled": "auto"}}
    path.write_text(json.dumps(whole))
    launcher.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", str(path))
    assert zero.zero_settings() == {"stage": 1, "overlap_comm": False}


@pytest.mark.parametrize(
    ("variable", "value", "refusal"),
    [
        ("DEEPSPEED_ZERO_STAGE", "3", "zero_stage 3 .*--use_fsdp --fsdp_version 2"),
        ("DEEPSPEED_ZERO_STAGE", "0", "zero_stage 0"),
        ("DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "cpu", "offload_optimizer"),
        ("GRADIENT_ACCUMULATION_STEPS", "4", r"train\.gradient_accumulation_steps in the run"),
        ("GRADIENT_CLIPPING", "0.5", r"train\.update\.max_grad_norm in the run file"),
        ("DEEPSPEED_CONFIG_FILE", "no-such-file.json", "no-such-file"),
    ],
)
def test_a_setting_of_the_launcher_that_would_be_ignored_is_refused(
    launcher, tmp_path, variable, value, refusal
):
    launcher.setenv(f"ACCELERATE_{variable}", value)
    with pytest.raises(ConfigError, match=f"(?s){refusal}"):
        launching.open_accelerator((), torch.device("cpu"), tmp_path)


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"optimizer": {"type": "AdamW", "params": {"lr": 1e-3}}}, r"set train\.update in the run"),
        ({"scheduler": {"type": "WarmupLR"}}, r"train\.lr_scheduler_type"),
        ({"bf16": {"enabled": True}}, r"bf16 .*model\.dtype"),
        ({"train_batch_size": 16}, r"train\.pairs_per_step"),
        ({"communication_data_type": "fp16"}, "communication_data_type"),
        ({"zero_optimization": {"stage": 2, "zero_quantized_gradients": True}}, "zero_quantized"),
    ],
)
def test_a_setting_of_deepspeeds_own_file_that_would_be_ignored_is_refused(
    launcher, tmp_path, settings, refusal
):
    path = tmp_path / "ds.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 2}} | settings))
    launcher.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", str(path))
    with pytest.raises(ConfigError, match=f"(?s){refusal}"):
        zero.zero_settings()


def test_deepspeed_that_is_not_installed_is_said(launcher):
    launcher.setattr(zero, "is_deepspeed_available", lambda: False)
    with pytest.raises(ConfigError, match=r"pip install 'codealign\[deepspeed\]'"):
        zero.zero_settings()


@pytest.mark.parametrize(
    ("update", "where"),
    [
        (ZerothOrder(), "train.update"),
        (Backprop(optim="adamw_bnb_8bit"), "train.update.optim"),
        (Backprop(ema_decay=0.5), "train.update.ema_decay"),
        (Backprop(float32_masters=False), "train.update.float32_masters"),
    ],
)
def test_an_update_that_the_engine_would_make_another_one_is_refused(launcher, update, where):
    launching.check_update(Backprop())
    with pytest.raises(ConfigError) as caught:
        launching.check_update(update)
    assert caught.value.where == where
    launcher.delenv("ACCELERATE_USE_DEEPSPEED")
    launching.check_update(update)


def test_weights_of_two_types_are_refused(launcher):
    parameters = [torch.nn.Parameter(torch.zeros(2, dtype=dtype)) for dtype in (torch.float32,) * 2]
    assert "bf16" not in zero.engine_settings(Backprop(), parameters)
    with pytest.raises(ConfigError, match="one type"):
        zero.engine_settings(Backprop(), [parameters[0], parameters[1].bfloat16()])


NON_FINITE = """
import sys
from pathlib import Path

import torch

from codealign import launching
from codealign.config import Backprop, ModelConfig
from codealign.objectives import Loss
from codealign.policy import load_policy
from codealign.updates import NonFiniteError

model, dtype = sys.argv[1:]
policy = load_policy(ModelConfig(model_name_or_path=model, device="cpu", dtype=dtype))
accelerator = launching.open_accelerator((), policy.device, Path.cwd())
update = launching.build_update(Backprop(), policy, accelerator, 0)


class Bend:
    # d√x/dx at 0 is infinite, and 0 · ∞ is not a number: the loss is 0 and its gradient is NaN.
    def __init__(self, bends):
        self.bends = bends

    def count(self, batch):
        return 1.0

    def __call__(self, batch):
        weights = policy.trainable_parameters()
        value = policy._compute(lambda: sum((each.float() ** 2).sum() for _, each in weights))
        return Loss((value * 0).sqrt() if self.bends else value, {})


def state():
    copies = [each.detach().clone() for _, each in policy.trainable_parameters()]
    saved = update.state_dict()
    return copies, saved["masters"], saved["optimizer"]["state"]


assert update.step([None, None], Bend(False), 1e-3, 0).grad_norm > 0
before = state()
try:
    update.step([None, None], Bend(True), 1e-3, 1)
    raise SystemExit("a step of NaN was taken")
except NonFiniteError as error:
    print(error)
torch.testing.assert_close(state(), before, rtol=0, atol=0)
accelerator.end_training()
"""


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("kind", ["zero1", "zero2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gradient_that_is_not_a_number_moves_nothing(tmp_path, kind, dtype):
    script = tmp_path / "bend.py"
    script.write_text(NON_FINITE)
    model = save_tiny_model(tmp_path / "model", "llama")
    done = launched(2, str(script), str(model), dtype, kind=kind)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "gradient norm" in done.stdout
