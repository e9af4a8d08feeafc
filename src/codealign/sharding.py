"""A model's weights spread over processes by FSDP2, and whole again where they are needed whole.

Training works on a twin of the model. Its parameters are DTensors: each process holds a part of every one, and a
layer's parts are put together while that layer computes. The model itself stands empty meanwhile, and is filled for
a checkpoint, for an evaluation, and for good when training ends. So whoever samples, saves or hashes meets an
ordinary model, and no process waits in a collective call that another one never makes.

Sharded by PyTorch's `fully_shard`, not by `Accelerator.prepare`: on CPUs accelerate 1.15 takes FSDP for DDP without a
word, so that what is tested there would not be what runs on GPUs.

Not promised: that a model fits which one process can't hold. Each loads it whole, and checkpoints, evaluations and
the end of training make it whole again; gradients, optimizer and masters are in parts always.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def shard(root: nn.Module, layers: Collection[str], device: torch.device) -> None:
    """Spread the parameters of `root` over all processes, in place.

    Args:
        root: what is called in a step. All that a step computes with weights must happen inside its forward.
        layers: class names of the modules that are put together one at a time; what remains (embedding, output
            layer, last norm) is whole from the beginning of `root`'s forward to its end, and so in backward.
        device: where the parts lie.
    """
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for module in [each for each in root.modules() if type(each).__name__ in layers]:
        fully_shard(module, mesh=mesh)
    # By default the root would stay whole after a forward without backward, and what is written into its
    # parts then (a zeroth-order step) would be overlooked by the next forward.
    fully_shard(root, mesh=mesh, reshard_after_forward=True)


def whole(tensor: Tensor) -> Tensor:
    """The tensor of all parts; every process must ask for it. A plain tensor is itself."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(full: Tensor, tensor: Tensor) -> Tensor:
    """`full` cut as `tensor` is, on its device; each process has the same `full`. Beside a plain tensor it is itself."""
    if not isinstance(tensor, DTensor):
        return full
    # Nobody sends anything: every process takes its own part.
    return distribute_tensor(
        full.to(tensor.device), tensor.device_mesh, tensor.placements, src_data_rank=None
    )


def whole_state(state: Any, *, keep: bool) -> Any:
    """A nested state with all its tensors whole, on the CPU where they were in parts.

    Every process must call this; those without `keep` get nothing of what was in parts.
    """
    if isinstance(state, Mapping):
        return {key: whole_state(value, keep=keep) for key, value in state.items()}
    if isinstance(state, list):
        return [whole_state(value, keep=keep) for value in state]
    if isinstance(state, DTensor):
        full = whole(state)
        # A copy, since parts of unequal size come back in one larger storage, all of which would be saved.
        return full.to("cpu", copy=True) if keep else None
    return state


def optimizer_state_of(state: Mapping[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """An optimizer's whole state, cut as its `parameters` are."""

    def cut(value: Any, parameter: Tensor) -> Any:
        belongs = isinstance(value, Tensor) and value.shape == parameter.shape
        return part_of(value, parameter) if belongs else value

    cut_state = {
        index: {name: cut(value, parameters[index]) for name, value in of_parameter.items()}
        for index, of_parameter in state["state"].items()
    }
    return {**state, "state": cut_state}


def twin_of(model: AnyModule) -> AnyModule:
    """A model of the same modules with the very parameters of `model`, to be sharded in its place."""
    return copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})


def fill(
    model: nn.Module, twin: nn.Module, *, keep: bool, device: torch.device | None = None
) -> None:
    """Give `model` the whole weights of `twin`, on `device` or where they are.

    Every process must call this; those without `keep` only lend their parts.
    """
    for parameter, part in zip(model.parameters(), twin.parameters(), strict=True):
        full = whole(part.detach())
        if keep:
            parameter.data = full.to(device or full.device)


def empty(model: nn.Module) -> None:
    """Let go of the weights."""
    for parameter in model.parameters():
        parameter.data = parameter.data.new_empty(0)


@torch.no_grad()
def take_over(twin: nn.Module, model: nn.Module) -> None:
    """Put the whole weights of `model`, the same in every process, into the parts of `twin`."""
    for part, parameter in zip(twin.parameters(), model.parameters(), strict=True):
        part.copy_(part_of(parameter.detach(), part))
