"""The processes that `accelerate launch` or `torchrun` started together, seen from one of them.

Only training works in several processes; everything else is one process's work. The first one alone
writes into the run directory.

Not promised: MPI launchers. What says how many we are is LOCAL_RANK, RANK and WORLD_SIZE.
"""

from __future__ import annotations

import os

from codealign.config import ModelConfig
from codealign.errors import InputError


def num_processes() -> int:
    """How many were launched together; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def process_index() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if num_processes() > 1 else 0


def num_processes_here() -> int:
    """How many of them share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if num_processes() > 1 else 1


def asks_for_fsdp() -> bool:
    """Whether the launcher was asked to shard the weights (`accelerate launch --use_fsdp`)."""
    return num_processes() > 1 and _is_set("ACCELERATE_USE_FSDP")


def asks_for_deepspeed() -> bool:
    """Whether the launcher was asked for DeepSpeed."""
    return _is_set("ACCELERATE_USE_DEEPSPEED")


def _is_set(name: str) -> bool:
    return os.environ.get(name, "false").lower() == "true"


def refuse_several() -> None:
    """For work that several processes would only do several times over.

    Raises:
        InputError: several were launched.
    """
    if num_processes() > 1:
        raise InputError(
            f"{num_processes()} processes were launched, and this verb works in one",
            where="the launcher",
            cure="launch `codealign train` alone with accelerate or torchrun; run the stages before and "
            "after it without: `codealign pairs RUN`, `codealign eval RUN`",
        )


def first_decides(answer: bool, config: ModelConfig) -> bool:
    """Whether there is work for all, as the first process says; each waits here for its word."""
    if num_processes() == 1:
        return answer
    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    # Made here first, because without saying so accelerate starts no process group on CPUs.
    state = PartialState(cpu=config.device == "cpu" or not torch.accelerator.is_available())
    answers = [answer]
    broadcast_object_list(answers)
    if not answers[0]:
        state.destroy_process_group()  # to exit with a live one is a crash
    return answers[0]
