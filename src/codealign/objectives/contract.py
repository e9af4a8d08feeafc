"""What an objective is: a map from log-probabilities to a loss, and a count known beforehand.

A loss is a sum over what it counts. The count is known before the first forward, so that the sum can
be divided once by the count of the whole optimiser step, over all microbatches and processes: a mean
of means over ragged microbatches is another number.

An objective never sees the model. It reads `Outputs` and `Batch`, so a new batch layout or kernel
changes no objective, and an objective's test is a few small tensors.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from codealign.batches import Batch, Outputs


class Loss(NamedTuple):
    """The loss of one batch, not yet divided by anything.

    `sum` is a differentiable scalar. `metrics` are vectors of detached values, one for each thing
    measured (a pair, a completion); whoever logs them averages over all values of a step.
    """

    sum: Tensor
    metrics: dict[str, Tensor]


class Objective(Protocol):
    """A loss over outputs. One small file each; see docs/objectives.md for how to add one."""

    needs_reference: bool = False
    """False: reference log-probabilities are not computed and `Outputs` has none."""
    needs_rejected: bool = False
    """False: batches hold the chosen or desirable completions alone, which halves the work."""
    reads_labels: bool = False
    """True: it learns from labelled completions as well as from pairs."""
    needs_mismatched: bool = False
    """True: batches hold completions under prompts they were not written for (`Batch.mismatched_M`)."""
    needs_distinct: bool = False
    """True: a chosen completion that is in several pairs comes once, in the first of them."""
    needs_entropy: bool = False
    """True: `Outputs.entropies_NT` and `collisions_NT` are there, at the cost of one more product with the output
    layer."""
    needs_kl: bool = False
    """True: `Outputs.kls_NT` is there too, at the cost of a forward of the reference; for adapters only."""
    reads_rollouts: bool = False
    """True: it learns from completions that the policy draws (`batches.batch_rollouts`), and from nothing else. The
    reference's log-probabilities, where it needs them, then come with the batch."""
    needs_values: bool = False
    """True: `Outputs.values_NT` is there, of a critic, and the batch has `returns_NT` and `old_values_NT`."""

    @abc.abstractmethod
    def count(self, batch: Batch) -> float:
        """What `Loss.sum` is a sum over (pairs, tokens, …), from the batch alone."""

    @abc.abstractmethod
    def __call__(self, outputs: Outputs, batch: Batch) -> Loss: ...

    def remarks(self, desirable: float, undesirable: float) -> list[str]:
        """What a user should know before training on labelled completions of these summed weights."""
        return []

    def after_step(self, means: Mapping[str, float]) -> None:
        """Learn the metrics of an optimiser step that is done, averaged over all its microbatches and processes.

        For what changes from step to step and never within one, so that it does not matter how a step is
        cut into microbatches.
        """

    def state_dict(self) -> dict[str, Any]:
        """What `after_step` has learnt, as plain JSON values, for a checkpoint."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
