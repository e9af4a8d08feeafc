"""AdamW in DeepSpeed's engine: ZeRO-1 and ZeRO-2, where each process keeps the moments of a part of the weights.

Weights are whole in every process, as with DDP. Their float32 masters and the two moments are in parts; gradients are
exchanged once a step (stage 1) or after each microbatch, and kept in parts too (stage 2). The engine owns backward, clipping
and step, so it is an update; the division by the count is in the losses that it gets. A checkpoint is the one that
`updates.Backprop` writes, and either continues from the other's.

Made by `deepspeed.initialize`, not by `Accelerator.prepare`: on CPUs accelerate 1.15 takes each of DeepSpeed's processes
for the only one, so that what is tested there would not be what runs on GPUs.

Not promised: ZeRO-3. A weight is whole there only while its module computes, and the output layer's is read, and kept for
backward, outside of that; FSDP2 does what it is for. Nor offloading, 8-bit moments and averages of the weights.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DeepSpeedPlugin, is_deepspeed_available
from torch import Tensor, nn

from codealign import config
from codealign.batches import Batch
from codealign.errors import ConfigError
from codealign.policy import Policy
from codealign.updates import (
    BatchLoss,
    NonFiniteError,
    StepResult,
    Tally,
    Weights,
    adamw,
    total_count,
)

PASSED_ON = {
    "stage",
    "reduce_bucket_size",
    "allgather_bucket_size",
    "overlap_comm",
    "contiguous_gradients",
    "reduce_scatter",
    "allgather_partitions",
}
"""What a launcher may say of ZeRO: how gradients and weights travel, not what is learnt."""


class ZeroBackprop:
    """AdamW (arXiv 1711.05101) on clipped gradients, with optimizer states in parts (arXiv 1910.02054)."""

    def __init__(
        self, section: config.Backprop, policy: Policy, accelerator: Accelerator, seed: int
    ) -> None:
        self.accelerator = accelerator
        self.weights = Weights(policy, "in_place")
        self.optimizer = adamw(section, [list(self.weights.parameters)])
        self._deepspeed = _deepspeed(policy.device)
        self._engine: Any = None
        settings = engine_settings(section, self.weights.parameters)

        def wrap(module: nn.Module) -> nn.Module:
            with contextlib.redirect_stdout(sys.stderr):
                self._engine, *_ = self._deepspeed.initialize(
                    model=module,
                    optimizer=self.optimizer,
                    config=settings,
                    dist_init_required=False,
                )
            return self._engine

        policy.distribute(wrap)

    def step(
        self, batches: Sequence[Batch], loss: BatchLoss, learning_rate: float, step: int
    ) -> StepResult:
        total = total_count(batches, loss, self.accelerator)
        # The engine averages gradients over processes; the loss is a sum over them.
        scale = self.accelerator.num_processes / total
        tally = Tally()
        for index, batch in enumerate(batches):
            self._engine.set_gradient_accumulation_boundary(index == len(batches) - 1)
            value = loss(batch)
            self._engine.backward(value.sum * scale)
            tally.add(value)
        result = tally.result(total, 0.0, self.accelerator)
        return result._replace(grad_norm=self._move(learning_rate))

    def _move(self, learning_rate: float) -> float:
        """Clip and step; the norm before clipping.

        Raises:
            NonFiniteError: it is not finite, and the engine has left out the step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        norm = float(self._engine.get_global_grad_norm())
        if not (math.isfinite(norm) and self._engine.was_step_applied()):
            raise NonFiniteError(f"gradient norm {norm}")
        return norm

    # ---------------------------------------------------------------- checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Whole, in the first process: the others only lend their parts."""
        [group] = self.optimizer.param_groups
        parameters = self.weights.parameters
        state = dict(enumerate(map(self._moments, parameters))) if self.optimizer.state else {}
        masters = {
            str(index): self._kept(self._deepspeed.utils.safe_get_full_fp32_param(parameter))
            for index, parameter in enumerate(parameters)
            if parameter.dtype != torch.float32
        }
        groups = [{**group, "params": list(range(len(parameters)))}]
        optimizer = {"state": state, "param_groups": groups}
        return {"optimizer": optimizer, **self.weights.state_dict(), "masters": masters}

    def _moments(self, parameter: nn.Parameter) -> dict[str, Any]:
        """What AdamW remembers of one parameter."""
        [of_part] = self.optimizer.state.values()
        whole = {
            name: self._kept(self._deepspeed.utils.safe_get_full_optimizer_state(parameter, name))
            for name in of_part
            if name != "step"
        }
        return {"step": of_part["step"].clone(), **whole}

    def _kept(self, full: Tensor) -> Tensor | None:
        return full.to("cpu", copy=True) if self.accelerator.is_main_process else None

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        write_master = self._deepspeed.utils.safe_set_full_fp32_param
        for parameter in self.weights.parameters:
            write_master(parameter, parameter.detach().float())
        if state["optimizer"]["state"]:
            self._load_moments(state["optimizer"]["state"])
        for index, master in state["masters"].items():
            write_master(self.weights.parameters[int(index)], master)

    def _load_moments(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        if not self.optimizer.state:
            self._make_room_for_moments()
        for index, moments in state.items():
            for name, full in moments.items():
                if name != "step":
                    self._deepspeed.utils.safe_set_full_optimizer_state(
                        self.weights.parameters[index], full, name
                    )
        for of_part in self.optimizer.state.values():
            of_part["step"].copy_(state[0]["step"])

    def _make_room_for_moments(self) -> None:
        """A step of gradient 0 at rate 0, because the engine knows of moments only after a step."""
        parameters = self.weights.parameters
        self._engine.set_gradient_accumulation_boundary(True)
        self._engine.backward(self._engine(lambda: sum((each * 0.0).sum() for each in parameters)))
        self._move(0.0)


# ------------------------------------------------------------------- settings


def check_update(section: config.Update) -> None:
    """Refuse an update that the engine would make another one.

    Raises:
        ConfigError: one of those.
    """
    if isinstance(section, config.ZerothOrder):
        raise ConfigError(
            "zeroth_order makes no gradients, and DeepSpeed's engine moves weights by them",
            where="train.update",
            cure="launch without --use_deepspeed: DDP and FSDP2 do it",
        )
    refused = (
        ("optim", section.optim != "adamw_torch_fused", "use adamw_torch_fused"),
        ("ema_decay", section.ema_decay is not None, "remove it"),
        (
            "float32_masters",
            not section.float32_masters,
            "remove it: ZeRO moves narrow weights through float32 masters, in parts",
        ),
    )
    for name, is_asked, cure in refused:
        if is_asked:
            raise ConfigError(
                f"{name} {getattr(section, name)} does not work with DeepSpeed",
                where=f"train.update.{name}",
                cure=f"{cure}, or launch without --use_deepspeed",
            )


def zero_settings() -> dict[str, Any]:
    """What the launcher says of ZeRO.

    Raises:
        ConfigError: DeepSpeed is not installed, or the launcher says what would be ignored here.
    """
    if not is_deepspeed_available():
        raise ConfigError(
            "accelerate was launched with DeepSpeed, which is not installed",
            where="the launcher",
            cure="pip install 'codealign[deepspeed]', or launch with --use_fsdp --fsdp_version 2",
        )
    try:
        asked: dict[str, Any] = DeepSpeedPlugin().deepspeed_config
    except ValueError as error:
        raise ConfigError(
            f"accelerate can't read DeepSpeed's settings: {error}",
            where="the launcher",
            cure="leave out deepspeed_config_file and set zero_stage: 2",
        ) from error
    for name, cure in _refused(asked):
        raise ConfigError(
            f"accelerate was launched with DeepSpeed and a {name} that training does not do",
            where="the launcher",
            cure=cure,
        )
    zero = asked["zero_optimization"]
    return {name: zero[name] for name in sorted(PASSED_ON & zero.keys()) if zero[name] != "auto"}


def _refused(asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, cure) of each setting that would be ignored, or contradict the run file."""
    in_run_file = {
        "optimizer": "train.update",
        "scheduler": "train.lr_scheduler_type",
        "gradient_clipping": "train.update.max_grad_norm",
        "gradient_accumulation_steps": "train.gradient_accumulation_steps",
        "train_batch_size": "train.pairs_per_step",
        "train_micro_batch_size_per_gpu": "train.per_device_train_batch_size",
        "bf16": "model.dtype",
        "fp16": "model.dtype",
    }
    zero = asked["zero_optimization"]
    if zero.get("stage") not in (1, 2):
        yield (
            f"zero_stage {zero.get('stage', 0)}",
            "set zero_stage: 2, or launch with --use_fsdp --fsdp_version 2, where each process has a "
            "part of every weight",
        )
    for name, value in asked.items():
        if name in in_run_file and _says_something(name, value):
            yield name, f"leave it out there, and set {in_run_file[name]} in the run file"
    known = {*in_run_file, "zero_optimization", "steps_per_print", "zero_allow_untested_optimizer"}
    others = [(name, value) for name, value in asked.items() if name not in known]
    # Those of stage 3 say nothing of the other stages; accelerate writes one itself.
    others += [
        (n, v) for n, v in zero.items() if n not in PASSED_ON and not n.startswith("stage3_")
    ]
    for name, value in others:
        if _says_something(name, value):
            yield name, "leave it out"


def _says_something(name: str, value: Any) -> bool:
    if isinstance(value, dict):
        switch = value.get("enabled", value.get("device", True))
        return switch not in (False, "auto", "none")
    if name == "gradient_accumulation_steps" and value == 1:
        return False  # accelerate's own default
    return value not in (None, False, "auto")


def engine_settings(section: config.Backprop, parameters: Sequence[nn.Parameter]) -> dict[str, Any]:
    """DeepSpeed's config.

    Raises:
        ConfigError: trainable weights are of two types.
    """
    types = {parameter.dtype for parameter in parameters}
    if len(types) > 1:
        raise ConfigError(
            f"DeepSpeed moves weights of one type, and these are {' and '.join(sorted(map(str, types)))}",
            where="model.dtype",
            cure="set model.dtype: float32, or launch with --use_fsdp --fsdp_version 2",
        )
    settings: dict[str, Any] = {
        # How many microbatches a step has changes from step to step: the update says which is the last.
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": section.max_grad_norm,
        "zero_optimization": zero_settings(),
    }
    if types == {torch.bfloat16}:
        # Without the check a step of NaN would be taken.
        settings["bf16"] = {"enabled": True, "check_grad_overflow": True}
        settings["data_types"] = {"grad_accum_dtype": "bf16"}
    return settings


def _deepspeed(device: torch.device) -> Any:
    """The package.

    Raises:
        ConfigError: it works on other devices than the policy.
    """
    # Standard output is for results, and DeepSpeed logs there.
    with contextlib.redirect_stdout(sys.stderr):
        package = importlib.import_module("deepspeed")
    for handler in logging.getLogger("DeepSpeed").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    found = package.accelerator.get_accelerator().device_name()
    if found != device.type:
        raise ConfigError(
            f"DeepSpeed works on {found}, the policy is on {device.type}",
            where="model.device",
            cure=f"set DS_ACCELERATOR={device.type} in the environment, or model.device: {found}",
        )
    return package
