"""A weighted sum of losses.

    L = Σ_i α_i · L_i

Each L_i is divided by the same count, the weights of the step's pairs, so the sum is too: the section refuses terms
that count something else. MPO (arXiv 2411.10442), the default, is 0.8 DPO + 0.2 BCO + 1.0 likelihood per token.

What is logged is each term's own; of two with the same name the first term's. `loss/KIND` is each term's loss
before its weight.

Axes: P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from codealign.batches import Batch, Outputs
from codealign.config import Sum
from codealign.objectives.contract import Loss, Objective


class SumObjective(Objective):
    """Counts pairs; the loss at the reference is the terms', weighted."""

    def __init__(self, config: Sum, objectives: Sequence[Objective]) -> None:
        kinds = [term.objective.kind for term in config.terms]
        self.weights = {kind: t.weight for kind, t in zip(kinds, config.terms, strict=True)}
        self.objectives = dict(zip(kinds, objectives, strict=True))
        self.needs_reference = any(each.needs_reference for each in objectives)
        self.needs_rejected = any(each.needs_rejected for each in objectives)
        self.needs_mismatched = any(each.needs_mismatched for each in objectives)
        self.needs_entropy = any(each.needs_entropy for each in objectives)
        self.needs_kl = any(each.needs_kl for each in objectives)

    def count(self, batch: Batch) -> float:
        return next(iter(self.objectives.values())).count(batch)

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        losses = {kind: each(outputs, batch) for kind, each in self.objectives.items()}
        total = torch.stack([self.weights[kind] * loss.sum for kind, loss in losses.items()]).sum()
        num_values = max(1, batch.num_pairs)
        metrics = {
            f"loss/{kind}": (loss.sum.detach() / num_values).expand(num_values)
            for kind, loss in losses.items()
        }
        for loss in losses.values():
            metrics = loss.metrics | metrics
        return Loss(total, metrics)

    def after_step(self, means: Mapping[str, float]) -> None:
        for each in self.objectives.values():
            each.after_step(means)

    def state_dict(self) -> dict[str, Any]:
        return {kind: each.state_dict() for kind, each in self.objectives.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for kind, each in self.objectives.items():
            each.load_state_dict(state[kind])
