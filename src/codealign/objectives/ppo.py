"""Proximal policy optimisation with a critic (arXiv 1707.06347, equation 9): the clipped policy loss and a value loss.

    L = L_policy + c · 1/(Σ_n w_n|y_n|) Σ_n w_n Σ_t ½·max( (V_t − G_t)², (clip(V_t, V_old,t ± ε_V) − G_t)² )

G = A + V_old are GAE's returns before advantages are whitened. Both losses are means over tokens.

Axes: N completions, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import PPO
from codealign.objectives.contract import Loss
from codealign.objectives.policy_gradient import Drawn, PolicyGradientObjective


class PPOObjective(PolicyGradientObjective[PPO]):
    """The value loss counts for completions that the guard on ratios leaves out too: values have no ratio."""

    needs_values = True

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        policy = super().__call__(outputs, batch)
        drawn = Drawn(outputs, batch, self.config.limit)
        value_NT = self._value_losses(outputs, batch, drawn)
        value_N = self.config.value_coefficient * drawn.average(value_NT, "tokens")
        return Loss(
            sum=policy.sum + (batch.weights_N * value_N).sum(),
            metrics=policy.metrics | {"value_loss": drawn.tokens_M(value_NT)},
        )

    def _value_losses(self, outputs: Outputs, batch: Batch, drawn: Drawn) -> Tensor:
        """[N, T] half squared errors, the larger of the free and the clipped one."""
        if outputs.values_NT is None:
            raise ValueError("an objective that reads values must set needs_values = True")
        values_NT = outputs.values_NT
        returns_NT = drawn.column(batch.returns_NT, "returns")
        errors_NT = (values_NT - returns_NT).square()
        clip = self.config.value_clip
        if clip is not None:
            old_NT = drawn.column(batch.old_values_NT, "old_values")
            near_NT = old_NT + (values_NT - old_NT).clamp(-clip, clip)
            errors_NT = torch.maximum(errors_NT, (near_NT - returns_NT).square())
        return errors_NT / 2
