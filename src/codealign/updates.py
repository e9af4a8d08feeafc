"""How weights move: by back-propagation, or by two forwards along a random direction.

Any objective trains under any update: both take the microbatches of one optimiser step and a loss that
is a sum with a count known beforehand, and divide once by the count over all microbatches and all
processes. Weights narrower than float32 are moved through float32 masters, or a step of 1e-6 would be
rounded away.

Not promised: that a step which raises has left gradients or weights clean. The run ends there.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from codealign import config, sharding
from codealign.batches import Batch
from codealign.critic import Critic
from codealign.errors import CodealignError, ConfigError
from codealign.objectives import Loss
from codealign.policy import Policy


class NonFiniteError(CodealignError):
    """The loss or its gradient is not a number; the weights have not been moved by it."""


class BatchLoss(Protocol):
    """An objective applied to the policy: from a batch to its loss."""

    def count(self, batch: Batch) -> float: ...

    def __call__(self, batch: Batch) -> Loss: ...


class StepResult(NamedTuple):
    """One optimiser step, over all processes: the mean loss, the gradient's norm, sums of metrics.

    `metrics` maps a name to (sum, number of values).
    """

    loss: float
    grad_norm: float
    metrics: dict[str, tuple[float, int]]


class Update(Protocol):
    """Moves the policy's weights by one step."""

    weights: Weights

    def step(
        self, batches: Sequence[Batch], loss: BatchLoss, learning_rate: float, step: int
    ) -> StepResult:
        """Take optimiser step number `step` (from 0) on all `batches` together.

        Raises:
            NonFiniteError: before any weight has moved.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside the weights."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`; the policy's weights have been loaded before."""
        ...


class Backprop:
    """AdamW (arXiv 1711.05101) on clipped gradients, accumulated over the microbatches."""

    def __init__(
        self,
        section: config.Backprop,
        policy: Policy,
        accelerator: Accelerator,
        seed: int,
        critic: Critic | None = None,
    ) -> None:
        self.section, self.policy, self.accelerator = section, policy, accelerator
        held = "float32" if section.float32_masters else "in_place"
        self.weights = Weights(policy, held, section.ema_decay, critic)
        self.critic = critic
        # The critic's gradients are clipped by themselves: large values must not slow the policy down.
        self.groups = [(self.weights.of_policy, 1.0)]
        if critic is not None:
            self.groups.append((self.weights.of_critic, critic.learning_rate_scale))
        self.optimizer = adamw(section, [weights for weights, _ in self.groups])

    def step(
        self, batches: Sequence[Batch], loss: BatchLoss, learning_rate: float, step: int
    ) -> StepResult:
        total = total_count(batches, loss, self.accelerator)
        # DDP and FSDP average gradients over processes; the loss is a sum over them.
        scale = self.accelerator.num_processes / total
        tally = Tally()
        for index, batch in enumerate(batches):
            is_last = index == len(batches) - 1
            with contextlib.nullcontext() if is_last else self.policy.no_sync():
                value = loss(batch)
                (value.sum * scale).backward()
            tally.add(value)
        if self.critic is not None:
            self._share_gradients(self.critic.parameters())
        self.weights.gather_gradients()
        norms = [
            nn.utils.clip_grad_norm_(weights, self.section.max_grad_norm)
            for weights, _ in self.groups
        ]
        result = tally.result(total, float(sharding.whole(norms[0])), self.accelerator)
        for group, (_, scale) in zip(self.optimizer.param_groups, self.groups, strict=True):
            group["lr"] = learning_rate * scale
        self.optimizer.step()
        self.weights.publish()
        self.weights.add_to_average()
        self.weights.clear_gradients()
        return result

    def _share_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average them over processes, as DDP does the policy's."""
        if self.accelerator.num_processes > 1:
            for parameter in parameters:
                if parameter.grad is not None:  # a copy's output layer says no values
                    parameter.grad = cast(Tensor, self.accelerator.reduce(parameter.grad, "mean"))

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), **self.weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        cut = sharding.optimizer_state_of(state["optimizer"], self.weights.masters)
        self.optimizer.load_state_dict(cut)
        self.weights.load_state_dict(state)


class ZerothOrder:
    """SPSA with one direction a step, the update of MeZO (arXiv 2305.17333, algorithm 1).

        g = [ L(θ + εu) − L(θ − εu) ] / 2ε,   u ~ N(0, I);   θ ← θ − η g u

    The direction is drawn anew from the step's seed wherever it is needed and never stored, so a
    step takes no memory for gradients. θ itself is kept in float32 beside the model, and perturbed
    weights are made from it: adding and taking away εu in place would leave rounding behind, in
    bfloat16 enough to ruin a model at learning rate 0. The loss that is reported is the mean of
    the two.

    Left out: momentum, Adam and sign variants (arXiv 2402.11592), weight decay.
    """

    def __init__(
        self,
        section: config.ZerothOrder,
        policy: Policy,
        accelerator: Accelerator,
        seed: int,
        critic: Critic | None = None,
    ) -> None:
        self.section, self.accelerator, self.seed = section, accelerator, seed
        self.weights = Weights(policy, "separate", section.ema_decay, critic)

    @torch.no_grad()
    def step(
        self, batches: Sequence[Batch], loss: BatchLoss, learning_rate: float, step: int
    ) -> StepResult:
        total = total_count(batches, loss, self.accelerator)
        epsilon = self.section.epsilon
        tally = Tally()
        self._place(step, +epsilon)
        above = self._mean_loss(batches, loss, total, tally)
        self._place(step, -epsilon)
        below = self._mean_loss(batches, loss, total, tally)
        slope = (above - below) / (2 * epsilon)
        self.weights.publish()
        result = tally.result(2 * total, abs(slope), self.accelerator)
        for master, direction in self._directions(step):
            master.add_(direction, alpha=-learning_rate * slope)
        self.weights.publish()
        self.weights.add_to_average()
        return result

    def _place(self, step: int, scale: float) -> None:
        """Set the model's weights to θ + scale · u."""
        for parameter, (master, direction) in zip(
            self.weights.parameters, self._directions(step), strict=True
        ):
            parameter.copy_(torch.add(master, direction, alpha=scale))

    def _directions(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(θ, u) of each weight tensor; the same step always draws the same u, in the same order."""
        generator: torch.Generator | None = None
        for master in self.weights.masters:
            if generator is None:
                generator = torch.Generator(master.device)
                generator.manual_seed(self.seed * 1_000_003 + step)
            # Drawn whole by every process, so that a direction is the same however weights are sharded.
            direction = torch.randn(
                master.shape, generator=generator, device=master.device, dtype=master.dtype
            )
            yield master, sharding.part_of(direction, master)

    def _mean_loss(
        self, batches: Sequence[Batch], loss: BatchLoss, total: float, tally: Tally
    ) -> float:
        value = 0.0
        for batch in batches:
            batch_loss = loss(batch)
            tally.add(batch_loss)
            value += float(batch_loss.sum)
        return _sum_over_processes([value], self.accelerator)[0] / total

    def state_dict(self) -> dict[str, Any]:
        return self.weights.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.weights.load_state_dict(state)


UPDATES: dict[type[config.Section], Callable[..., Update]] = {
    config.Backprop: Backprop,
    config.ZerothOrder: ZerothOrder,
}


def build_update(
    section: config.Update,
    policy: Policy,
    accelerator: Accelerator,
    seed: int,
    critic: Critic | None = None,
) -> Update:
    """The update that a run file's `train.update` asks for; it moves the critic too."""
    return UPDATES[type(section)](section, policy, accelerator, seed, critic)


def adamw(section: config.Backprop, groups: Sequence[list[Tensor]]) -> torch.optim.Optimizer:
    """AdamW (arXiv 1711.05101); the loop sets the learning rate before each step.

    Raises:
        ConfigError: bitsandbytes is asked for and not there, or the weights are sharded.
    """
    options: dict[str, Any] = {
        "lr": 0.0,
        "betas": (section.adam_beta1, section.adam_beta2),
        "eps": section.adam_epsilon,
        "weight_decay": section.weight_decay,
    }
    if section.optim == "adamw_torch_fused":
        return torch.optim.AdamW(_param_groups(groups), fused=True, **options)
    if any(isinstance(weight, DTensor) for weights in groups for weight in weights):
        raise ConfigError(
            "adamw_bnb_8bit does not move sharded weights",
            where="train.update.optim",
            cure="use adamw_torch_fused, or launch without --use_fsdp",
        )
    try:
        from bitsandbytes.optim.adamw import AdamW8bit
    except ImportError as error:
        raise ConfigError(
            f"adamw_bnb_8bit: bitsandbytes can't be imported: {error}",
            where="train.update.optim",
            cure="pip install 'codealign[bnb]', or use adamw_torch_fused",
        ) from None
    return AdamW8bit(_param_groups(groups), **options)


def _param_groups(groups: Sequence[list[Tensor]]) -> list[dict[str, Any]]:
    return [{"params": weights} for weights in groups]


class Weights:
    """The trainable parameters, the tensors in which they are moved, and a moving average of those.

    Args:
        held: where weights are moved: "float32", in a copy of those that are narrower; "separate", in a copy of
            all; "in_place", in the parameters themselves.
        ema_decay: of the average, ema ← decay·ema + (1 − decay)·θ after each step, from the first weights on.
        critic: what is moved beside the policy; it comes last.
    """

    def __init__(
        self,
        policy: Policy,
        held: Literal["float32", "separate", "in_place"],
        ema_decay: float | None = None,
        critic: Critic | None = None,
    ) -> None:
        self.parameters = [parameter for _, parameter in policy.trainable_parameters()]
        self._num_of_policy = len(self.parameters)
        self.parameters += [] if critic is None else critic.parameters()
        self.masters: list[Tensor] = [
            _wide_copy(p)
            if held == "separate" or (held == "float32" and p.dtype.itemsize < 4)
            else p
            for p in self.parameters
        ]
        self._decay = ema_decay
        self._averages = [] if ema_decay is None else [_wide_copy(p) for p in self.masters]

    @property
    def of_policy(self) -> list[Tensor]:
        """The policy's masters."""
        return self.masters[: self._num_of_policy]

    @property
    def of_critic(self) -> list[Tensor]:
        """The critic's."""
        return self.masters[self._num_of_policy :]

    def _split(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        for parameter, master in zip(self.parameters, self.masters, strict=True):
            if master is not parameter:
                yield parameter, master

    def gather_gradients(self) -> None:
        """Hand the parameters' gradients to their masters."""
        for parameter, master in self._split():
            master.grad = None if parameter.grad is None else parameter.grad.to(master.dtype)
            parameter.grad = None

    def clear_gradients(self) -> None:
        for master in self.masters:
            master.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Round the masters into the parameters."""
        for parameter, master in self._split():
            parameter.copy_(master)

    @torch.no_grad()
    def add_to_average(self) -> None:
        """Let the average follow the weights of now."""
        if self._decay is None:
            return
        for average, master in zip(self._averages, self.masters, strict=True):
            average.lerp_(master.to(average.dtype), 1.0 - self._decay)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the policy has the average where there is one."""
        self.swap_in_average()
        try:
            yield
        finally:
            self._swap_out_average()

    @torch.no_grad()
    def swap_in_average(self) -> None:
        """Give the policy the average, for good unless `averaged` takes it back."""
        for parameter, master, average in self._averaged():
            if master is parameter:
                _swap(parameter, average)
            else:
                parameter.copy_(average)

    @torch.no_grad()
    def _swap_out_average(self) -> None:
        for parameter, master, average in self._averaged():
            if master is parameter:
                _swap(parameter, average)
            else:
                parameter.copy_(master)

    def _averaged(self) -> Iterator[tuple[nn.Parameter, Tensor, Tensor]]:
        if self._averages:
            yield from zip(self.parameters, self.masters, self._averages, strict=True)

    def state_dict(self) -> dict[str, Any]:
        """The averages, and the masters that the saved weights can't give back bit for bit."""
        kept = {
            str(index): master
            for index, (parameter, master) in enumerate(
                zip(self.parameters, self.masters, strict=True)
            )
            if master.dtype != parameter.dtype
        }
        averages = {str(index): average for index, average in enumerate(self._averages)}
        return {"masters": kept, "averages": averages}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for parameter, master in self._split():
            master.copy_(parameter)
        for index, saved in state["masters"].items():
            master = self.masters[int(index)]
            master.copy_(sharding.part_of(saved, master))
        for index, saved in state["averages"].items():
            average = self._averages[int(index)]
            average.copy_(sharding.part_of(saved, average))


def _swap(one: Tensor, other: Tensor) -> None:
    kept = one.detach().clone()
    one.copy_(other)
    other.copy_(kept)


def _wide_copy(parameter: Tensor) -> Tensor:
    wide = torch.promote_types(parameter.dtype, torch.float32)
    return parameter.detach().to(wide, copy=True)


@dataclass
class Tally:
    """Sums of a step's losses and metrics; read from the device once, at the end."""

    loss_sums: list[Tensor] = field(default_factory=list)
    metrics: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, loss: Loss) -> None:
        self.loss_sums.append(loss.sum.detach())
        for name, values in loss.metrics.items():
            self.metrics.setdefault(name, []).append(values)

    def result(self, total: float, grad_norm: float, accelerator: Accelerator) -> StepResult:
        """The step over all processes.

        Raises:
            NonFiniteError: the loss or the gradient's norm is not finite.
        """
        names = sorted(self.metrics)
        values = [torch.cat(self.metrics[name]) for name in names]
        flat = [float(sum(self.loss_sums)), *(float(v.double().sum()) for v in values)]
        flat = _sum_over_processes([*flat, *(float(v.numel()) for v in values)], accelerator)
        loss, sums, counts = flat[0] / total, flat[1 : len(names) + 1], flat[len(names) + 1 :]
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise NonFiniteError(f"loss {loss}, gradient norm {grad_norm}")
        metrics = {
            name: (value, round(count))
            for name, value, count in zip(names, sums, counts, strict=True)
        }
        return StepResult(loss, grad_norm, metrics)


def total_count(batches: Sequence[Batch], loss: BatchLoss, accelerator: Accelerator) -> float:
    """What the step's loss is divided by; 1 where all weights are 0, so that nothing moves."""
    local = sum(loss.count(batch) for batch in batches)
    return _sum_over_processes([local], accelerator)[0] or 1.0


def _sum_over_processes(values: Sequence[float], accelerator: Accelerator) -> list[float]:
    if accelerator.num_processes == 1:
        return list(values)
    # MPS has no float64; on every other device it keeps the counts exact.
    dtype = torch.float32 if accelerator.device.type == "mps" else torch.float64
    tensor = torch.tensor(values, dtype=dtype, device=accelerator.device)
    return accelerator.reduce(tensor, "sum").tolist()  # type: ignore[union-attr]
