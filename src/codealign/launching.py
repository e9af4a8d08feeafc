"""What accelerate was launched with, and how a policy is spread over the processes that it launched.

    one process                             nothing to do
    several                                 each has all weights, gradients are exchanged (DDP)
    several, --use_fsdp --fsdp_version 2    each has a part of every weight (`sharding`)
    --use_deepspeed                         each has all weights and a part of the moments (`zero`)

The losses are the same. A setting of the launcher is refused where the loop would ignore it, or move other weights
than one process does.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    DistributedType,
    FullyShardedDataParallelPlugin,
)
from torch.distributed.fsdp import CPUOffloadPolicy

from codealign import config, updates, zero
from codealign.critic import Critic
from codealign.errors import ConfigError
from codealign.policy import Policy
from codealign.processes import asks_for_deepspeed, asks_for_fsdp, num_processes


def open_accelerator(report_to: Sequence[str], device: torch.device, run_dir: Path) -> Accelerator:
    """What the processes meet through.

    Args:
        report_to: trackers, as accelerate names them.
        device: the policy's.
        run_dir: where trackers write.

    Raises:
        ConfigError: accelerate was launched with something that training does not do.
    """
    if asks_for_deepspeed():
        zero.zero_settings()
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        log_with=list(report_to) or None,
        project_dir=str(run_dir),
        # The buffers of a language model are constants. Broadcasting them would cost, and hang where
        # processes compute different numbers of reference log-probs.
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    _check(accelerator)
    if report_to:
        accelerator.init_trackers("codealign")
    return accelerator


def _check(accelerator: Accelerator) -> None:
    known = {
        DistributedType.NO,
        DistributedType.MULTI_CPU,
        DistributedType.MULTI_GPU,
        DistributedType.FSDP,
        DistributedType.DEEPSPEED,
    }
    if accelerator.distributed_type not in known:
        raise ConfigError(
            f"accelerate was launched with {accelerator.distributed_type.value}",
            where="the launcher",
            cure="launch on CPUs or GPUs, with DDP, FSDP2 or DeepSpeed",
        )
    if accelerator.mixed_precision != "no":
        raise ConfigError(
            f"accelerate was launched with mixed_precision {accelerator.mixed_precision}",
            where="the launcher",
            cure="set mixed_precision: no there, and model.dtype in the run file",
        )
    if accelerator.num_processes != num_processes():
        raise ConfigError(
            f"{num_processes()} processes were launched, and accelerate takes each for the only one",
            where="the launcher",
            cure="on CPUs set model.device: cpu, or launch one process",
        )


def spread(policy: Policy, accelerator: Accelerator) -> None:
    """Let all processes work on `policy`, which each has loaded; every process must call this.

    Raises:
        ConfigError: FSDP was asked for with settings that would be ignored.
        ModelError: FSDP was asked for, and the policy's layers have no known name.
    """
    if accelerator.num_processes == 1 or asks_for_deepspeed():
        return
    if asks_for_fsdp():
        policy.shard(fsdp_settings().transformer_cls_names_to_wrap or ())
        return
    with warnings.catch_warnings():
        # torch 2.13 deprecates it before it offers what would replace it.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        policy.distribute(accelerator.prepare)


def build_update(
    section: config.Update,
    policy: Policy,
    accelerator: Accelerator,
    seed: int,
    critic: Critic | None = None,
) -> updates.Update:
    """What moves the weights, as the run file's `train.update` and the launcher say."""
    if isinstance(section, config.Backprop) and asks_for_deepspeed():
        return zero.ZeroBackprop(section, policy, accelerator, seed)
    return updates.build_update(section, policy, accelerator, seed, critic)


def check_update(section: config.Update) -> None:
    """Refuse an update that the launcher's processes can't make.

    Raises:
        ConfigError: one of those.
    """
    if asks_for_deepspeed():
        zero.check_update(section)


def fsdp_settings() -> FullyShardedDataParallelPlugin:
    """What the launcher says of FSDP.

    Raises:
        ConfigError: it says what would be ignored here.
    """
    plugin = FullyShardedDataParallelPlugin()
    refused = (
        ("fsdp_version", plugin.fsdp_version != 2, "set fsdp_version: 2"),
        (
            "fsdp_offload_params",
            isinstance(plugin.cpu_offload, CPUOffloadPolicy),
            "leave it out: each part of a weight stays where it is used",
        ),
        (
            "fsdp_activation_checkpointing",
            plugin.activation_checkpointing,
            "set model.gradient_checkpointing in the run file",
        ),
        (
            "fsdp_reshard_after_forward",
            not plugin.reshard_after_forward,
            "leave it out: a layer is whole only while it computes",
        ),
    )
    for name, is_asked, cure in refused:
        if is_asked:
            raise ConfigError(
                f"accelerate was launched with a {name} that training does not do",
                where="the launcher",
                cure=cure,
            )
    return plugin
