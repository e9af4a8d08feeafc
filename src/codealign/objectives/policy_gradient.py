"""The clipped policy-gradient loss (PPO, arXiv 1707.06347, equation 7), on completions that the policy has drawn.

    L = Σ_n w_n · l_n / Σ_n w_n,   l_n = 1/D_n · Σ_t max( − A_t·ρ_t, − A_t·clip(ρ_t, 1 − ε_low, 1 + ε_high) )  + β·K_n − η·H_n

    ρ_t = π(y_t)/π_old(y_t)            or the same of the whole completion, or its geometric mean, for each t
    D_n = mean length of the step's completions | |y_n| | limit | 1      (tokens, completions, limit, sums)
    K_n = 1/D'_n · Σ_t k(u_t),   u = log π_ref − log π,   k3 = e^u − u − 1,   k2 = u²/2,   cut at `clamp`
    H_n = 1/(mean length) · Σ_t H(π(·|x, y_<t))

One loss for VinePPO, GRPO, Dr. GRPO, DAPO and RLOO, which differ in A, in D and in ρ; `ppo` adds a critic's. D' is D for
methods that compare completions, as in GRPO; for VinePPO and PPO it is 1 (a sum over tokens beside a policy loss that is a
mean), as in VinePPO's code. w_n is how often completion n was drawn. D is known for the step before its first forward, so a
step may be cut into microbatches in any way.

VinePPO's code skips a microbatch whose mean ratio is above 10. That would make the loss depend on the cut, so here the
guard is on each completion: one whose mean ratio is above `max_ratio` adds nothing, neither loss nor gradient.

Left out: advantages, which come with the batch (`codealign.advantages`), and everything that is done to rewards.

Axes: N completions, T tokens, M tokens of all completions, one of two equal completions counted twice.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import KLInLoss
from codealign.config.policy_gradients import AverageOver, PolicyGradientSection
from codealign.objectives.contract import Loss, Objective

SectionT = TypeVar("SectionT", bound=PolicyGradientSection)

MAX_LOG_RATIO = 80.0
"""Nats at which exponents stop: e^80 is still a float32, and far beyond any ratio that counts."""


class PolicyGradientObjective(Objective, Generic[SectionT]):
    """Counts completions, as often as they were drawn. 0 at the old policy where advantages have mean 0."""

    reads_rollouts = True

    def __init__(self, config: SectionT) -> None:
        self.config = config
        self.needs_reference = isinstance(config.kl, KLInLoss)
        self.needs_entropy = config.entropy_coefficient > 0

    def count(self, batch: Batch) -> float:
        return float(batch.weights_N.sum())

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        drawn = Drawn(outputs, batch, self.config.limit)
        advantages_NT = drawn.column(batch.advantages_NT, "advantages")
        old_NT = drawn.column(batch.old_logps_NT, "old_logps")
        log_ratios_NT = drawn.at_tokens(outputs.logps_NT - old_NT)
        ratios_NT = self._ratios(log_ratios_NT, outputs.lengths_N)
        policy_NT = self._clipped(ratios_NT, advantages_NT)
        losses_N = drawn.average(policy_NT, self.config.average_over)
        metrics = self._metrics(log_ratios_NT, ratios_NT, advantages_NT)
        if isinstance(self.config.kl, KLInLoss):
            reference_NT = drawn.column(batch.reference_logps_NT, "reference_logps")
            kl_NT = estimated_kl(outputs.logps_NT, reference_NT, self.config.kl)
            kl_N = drawn.average(kl_NT, self.config.kl_average_over)
            losses_N = losses_N + self.config.kl.coefficient * kl_N
            metrics["kl"] = kl_NT
        if outputs.entropies_NT is not None:
            entropy_N = drawn.average(outputs.entropies_NT, "tokens")
            losses_N = losses_N - self.config.entropy_coefficient * entropy_N
            metrics["entropy"] = outputs.entropies_NT
        is_kept_N = self._is_kept(drawn.average(ratios_NT.detach(), "completions"))
        losses_N = losses_N.masked_fill(~is_kept_N, 0.0)
        of_completions = {"completion_length": outputs.lengths_N, "skipped": ~is_kept_N}
        return Loss(
            sum=(batch.weights_N * losses_N).sum(),
            metrics={name: drawn.tokens_M(values_NT) for name, values_NT in metrics.items()}
            | {name: drawn.repeated(values_N).float() for name, values_N in of_completions.items()},
        )

    def _ratios(self, log_ratios_NT: Tensor, lengths_N: Tensor) -> Tensor:
        """[N, T] ρ; of a whole completion the same at each of its tokens."""
        if self.config.ratio != "token":
            sums_N = log_ratios_NT.sum(-1)
            is_mean = self.config.ratio == "sequence_mean"
            per_completion_N = sums_N / lengths_N.clamp_min(1) if is_mean else sums_N
            log_ratios_NT = per_completion_N[:, None].expand_as(log_ratios_NT)
        return log_ratios_NT.clamp(max=MAX_LOG_RATIO).exp()

    def _clipped(self, ratios_NT: Tensor, advantages_NT: Tensor) -> Tensor:
        clipped_NT = ratios_NT.clamp(1 - self.config.clip_low, 1 + self.config.clip_high)
        return torch.maximum(-advantages_NT * ratios_NT, -advantages_NT * clipped_NT)

    def _is_kept(self, mean_ratios_N: Tensor) -> Tensor:
        limit = float("inf") if self.config.max_ratio is None else self.config.max_ratio
        return mean_ratios_N <= limit

    def _metrics(
        self, log_ratios_NT: Tensor, ratios_NT: Tensor, advantages_NT: Tensor
    ) -> dict[str, Tensor]:
        """[N, T] each; `approx_kl` is k3 of KL(π_old ‖ π), in nats a token."""
        is_low_NT = (ratios_NT < 1 - self.config.clip_low) & (advantages_NT < 0)
        is_high_NT = (ratios_NT > 1 + self.config.clip_high) & (advantages_NT > 0)
        return {
            "ratio": ratios_NT,
            "clip_ratio/low": is_low_NT,
            "clip_ratio/high": is_high_NT,
            "approx_kl": log_ratios_NT.clamp(max=MAX_LOG_RATIO).exp() - 1 - log_ratios_NT,
            "advantages": advantages_NT,
        }


class Drawn:
    """A batch's columns and averages, as wide as the outputs are."""

    def __init__(self, outputs: Outputs, batch: Batch, limit: int | None) -> None:
        num_columns = outputs.logps_NT.shape[1]
        columns_T = torch.arange(num_columns, device=outputs.lengths_N.device)
        self.is_token_NT = columns_T < outputs.lengths_N[:, None]
        self.lengths_N, self.mean_length, self.limit = outputs.lengths_N, batch.mean_length, limit
        self.times_N = batch.weights_N.round().long()

    def column(self, values_NT: Tensor | None, name: str) -> Tensor:
        """[N, T] `values_NT`, padded or cut to the outputs' width."""
        if values_NT is None:
            raise ValueError(
                f"a policy gradient reads {name}: give batch_rollouts rows that have them"
            )
        return F.pad(values_NT, (0, self.is_token_NT.shape[1] - values_NT.shape[1]))

    def at_tokens(self, values_NT: Tensor) -> Tensor:
        """[N, T] 0 where padded, whatever was there."""
        return values_NT.masked_fill(~self.is_token_NT, 0.0)

    def average(self, values_NT: Tensor, over: AverageOver) -> Tensor:
        """[N] sums over a completion's tokens, divided as `over` says."""
        return self.at_tokens(values_NT).sum(-1) / self._shares(over)

    def _shares(self, over: AverageOver) -> Tensor | float:
        if over == "completions":
            return self.lengths_N.clamp_min(1)
        share = {"tokens": self.mean_length, "limit": self.limit, "sums": 1.0}[over]
        if not share:
            what = "Batch.mean_length" if over == "tokens" else "limit (config.with_limit)"
            raise ValueError(f"average_over: {over} divides by {what}, which is not set")
        return float(share)

    def repeated(self, values_N: Tensor) -> Tensor:
        """[…] rows as often as they were drawn, without gradient."""
        return values_N.detach().repeat_interleave(self.times_N, 0)

    def tokens_M(self, values_NT: Tensor) -> Tensor:
        """[M] values at tokens."""
        return self.repeated(values_NT)[self.repeated(self.is_token_NT)].float()


def estimated_kl(logps_NT: Tensor, reference_logps_NT: Tensor, config: KLInLoss) -> Tensor:
    """[N, T] nats: an estimate of KL(π ‖ π_ref) at each token, with a gradient through π.

    On tokens that π drew, E[k3] is the KL exactly and ∇k3 that of KL(π_ref ‖ π); ∇k2 is that of KL(π ‖ π_ref). Neither is
    corrected where the completions were drawn by an older π.
    """
    u_NT = reference_logps_NT.detach() - logps_NT
    if config.estimator == "k2":
        kl_NT = u_NT.square() / 2
    else:
        kl_NT = u_NT.clamp(max=MAX_LOG_RATIO).exp() - u_NT - 1
    return kl_NT if config.clamp is None else kl_NT.clamp(max=config.clamp)
