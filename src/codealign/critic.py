"""What says how good a state is: the critic of PPO, which learns the values that VinePPO samples.

V(s_t) is a linear function of the hidden state that comes to the output layer: of the policy's own (one forward for both,
and values that shape the policy's features), or of a model of the critic's own, which begins as a copy of the
policy. The head begins at 0, so a new critic says 0 everywhere and changes no advantage.

Not promised: sharded weights, and DeepSpeed.

Axes: N completions, T completion tokens (padded), M completion tokens of all, D hidden.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from codealign import config
from codealign.batches import Batch
from codealign.errors import InputError, StorageError
from codealign.logprobs import LogProbs, Target, as_rows
from codealign.policy import Policy

FILE = "critic.safetensors"

T = TypeVar("T")


class Critic(Protocol):
    """Values of states, and the weights that they come from."""

    learning_rate_scale: float
    """Its learning rate over the policy's."""

    def parameters(self) -> list[nn.Parameter]:
        """What an update moves, in a fixed order; none of the policy's."""
        ...

    def beside(self, batch: Batch, compute: Callable[[Batch], T]) -> tuple[T, Tensor]:
        """What `compute` makes of the batch with the policy, in one forward, and values_NT.

        Returns:
            values [N, T] float32, differentiable, 0 where padded: column t is of the state before token t.
        """
        ...

    def values(self, batch: Batch) -> Tensor:
        """The same values alone, without gradients."""
        ...

    def save(self, directory: Path) -> None:
        """Write `critic.safetensors` there."""
        ...

    def load(self, directory: Path) -> None:
        """Read what `save` wrote, bit for bit."""
        ...


class _WithHead:
    """What both critics have: a head, and a file."""

    def __init__(self, num_hidden: int, device: torch.device, learning_rate_scale: float) -> None:
        self.learning_rate_scale = learning_rate_scale
        self.head = nn.Linear(num_hidden, 1, device=device)
        with torch.no_grad():
            for parameter in self.head.parameters():
                parameter.zero_()

    def named_parameters(self) -> dict[str, nn.Parameter]:
        return {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}

    def parameters(self) -> list[nn.Parameter]:
        return list(self.named_parameters().values())

    def _values(self, hidden_MD: Tensor, target: Target, num_completions: int) -> Tensor:
        values_M = self.head(hidden_MD.to(self.head.weight.dtype))[:, 0]
        return as_rows(values_M, target, num_completions)

    def save(self, directory: Path) -> None:
        tensors = {
            name: parameter.detach().cpu().contiguous()
            for name, parameter in self.named_parameters().items()
        }
        try:
            save_file(tensors, directory / FILE)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"no room for the critic: {error}",
                where=str(directory / FILE),
                cure="free some space and run again: it continues from the checkpoint before",
            ) from error

    def load(self, directory: Path) -> None:
        path = directory / FILE
        if not path.is_file():
            raise InputError(
                "there is no critic",
                where=str(path),
                cure="its run was not trained with a critic (train.objective.kind: ppo), or the file is gone",
            )
        saved = load_file(path)
        with torch.no_grad():
            for name, parameter in self.named_parameters().items():
                parameter.copy_(saved[name])


class HeadCritic(_WithHead):
    """A head on the policy's hidden states.

    Args:
        detach: values shape the head alone, not the policy.
    """

    def __init__(self, policy: Policy, *, detach: bool, learning_rate_scale: float) -> None:
        super().__init__(_num_hidden(policy), policy.device, learning_rate_scale)
        self.policy, self.detach = policy, detach

    def beside(self, batch: Batch, compute: Callable[[Batch], T]) -> tuple[T, Tensor]:
        with self.policy.log_probs.states() as states:
            computed = compute(batch)
        [(hidden_MD, target)] = states
        if self.detach:
            hidden_MD = hidden_MD.detach()
        return computed, self._values(hidden_MD, target, batch.num_completions)

    @torch.no_grad()
    def values(self, batch: Batch) -> Tensor:
        batch = batch.to(self.policy.device)
        return self.beside(batch, self.policy.token_logps)[1]


class ModelCritic(_WithHead):
    """A model of its own, which begins as a copy of the policy, with the same weights to be trained."""

    def __init__(self, policy: Policy, *, learning_rate_scale: float) -> None:
        super().__init__(_num_hidden(policy), policy.device, learning_rate_scale)
        self.model = copy.deepcopy(policy.model)
        self.log_probs = LogProbs(self.model, f"the critic, a copy of {policy.name}")

    def named_parameters(self) -> dict[str, nn.Parameter]:
        own = {f"model.{n}": p for n, p in self.model.named_parameters() if p.requires_grad}
        return own | super().named_parameters()

    def beside(self, batch: Batch, compute: Callable[[Batch], T]) -> tuple[T, Tensor]:
        hidden_MD, target = self.log_probs.hidden(batch)
        return compute(batch), self._values(hidden_MD, target, batch.num_completions)

    @torch.no_grad()
    def values(self, batch: Batch) -> Tensor:
        batch = batch.to(self.head.weight.device)
        hidden_MD, target = self.log_probs.hidden(batch)
        return self._values(hidden_MD, target, batch.num_completions)


def build_critic(section: config.CriticConfig, policy: Policy, learning_rate: float) -> Critic:
    """The critic that `train.objective.critic` asks for; `learning_rate` is the policy's."""
    own_rate = learning_rate if section.learning_rate is None else section.learning_rate
    scale = own_rate / learning_rate if learning_rate else 0.0
    if isinstance(section, config.ModelCritic):
        return ModelCritic(policy, learning_rate_scale=scale)
    return HeadCritic(policy, detach=section.detach, learning_rate_scale=scale)


def _num_hidden(policy: Policy) -> int:
    # Not the embedding's: some models project between the two.
    layer: Any = policy.model.get_output_embeddings()
    return layer.weight.shape[1]
