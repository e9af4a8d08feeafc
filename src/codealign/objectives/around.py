"""Objectives around another one: they change what it reads, and it makes the loss.

Axes: N completions, P pairs, S sides of pairs (2P, chosen ones first), M mismatched completions, R = S + M, T tokens.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codealign.batches import Batch, Outputs
from codealign.config import LDDPO, TISDPO, WPO
from codealign.errors import DataError
from codealign.objectives.contract import Loss, Objective


class _Around(Objective):
    """Counts what `inner` counts, needs and learns what it does; the loss at the reference is its."""

    def __init__(self, inner: Objective) -> None:
        self.inner = inner
        self.needs_reference = inner.needs_reference
        self.needs_rejected = inner.needs_rejected
        self.needs_mismatched = inner.needs_mismatched
        self.needs_entropy = inner.needs_entropy
        self.needs_kl = inner.needs_kl

    def count(self, batch: Batch) -> float:
        return self.inner.count(batch)

    def after_step(self, means: Mapping[str, float]) -> None:
        self.inner.after_step(means)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)


class _BySide(_Around):
    """Tokens count by weights that depend on the pair, so a completion in two pairs has two rows of them.

    Each side of each pair becomes a completion of its own before the inner objective sees it; the model has
    computed it once. Mismatched completions, where the inner objective asks for them, come after the sides, without
    weights. Logged is what the inner objective reads.
    """

    def __init__(self, inner: Objective) -> None:
        super().__init__(inner)
        self.needs_rejected = (
            True  # weights belong to pairs, also where the chosen side alone is learnt
        )

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        sides_S = torch.cat([batch.chosen_P, batch.rejected_P])
        scores_NT = self.scores(outputs)
        weights_ST = self.token_weights(batch, outputs.lengths_N[sides_S], scores_NT[sides_S])
        rows_R = torch.cat([sides_S, batch.mismatched_M])
        weights_RT = F.pad(weights_ST, (0, 0, 0, len(batch.mismatched_M)), value=1.0)
        reference_NT = outputs.reference_logps_NT
        reference_RT = None if reference_NT is None else reference_NT[rows_R] * weights_RT
        each_side = Outputs(scores_NT[rows_R] * weights_RT, reference_RT, outputs.lengths_N[rows_R])
        return self.inner(each_side, _one_completion_a_side(batch, rows_R))

    def scores(self, outputs: Outputs) -> Tensor:
        """[N, T] what is weighted in the place of log-probs."""
        return outputs.logps_NT

    @abc.abstractmethod
    def token_weights(self, batch: Batch, lengths_S: Tensor, logps_ST: Tensor) -> Tensor:
        """[S, T] weights like `logps_ST`; S is 2P, chosen sides first."""


class LDObjective(_BySide):
    """Length desensitisation (LD-DPO, arXiv 2409.06411), of the policy and the reference alike.

        log π̂(y|x) = Σ_{t ≤ l} log π(y_t|x, y_<t) + α · Σ_{t > l} log π(y_t|x, y_<t),   l = min(|y⁺|, |y⁻|)

    Losses per token still divide by |y|, as TRL's.
    """

    def __init__(self, config: LDDPO, inner: Objective) -> None:
        super().__init__(inner)
        self.config = config

    def token_weights(self, batch: Batch, lengths_S: Tensor, logps_ST: Tensor) -> Tensor:
        shared_S = lengths_S.view(2, -1).min(0).values.repeat(2)
        columns_T = torch.arange(logps_ST.shape[1], device=logps_ST.device)
        alphas_ST = torch.full_like(logps_ST, self.config.alpha, requires_grad=False)
        return alphas_ST.masked_fill(columns_T < shared_S[:, None], 1.0)


class TISDPOObjective(_BySide):
    """Token-level importance sampling (TIS-DPO, arXiv 2410.04350, equations 14-18).

        L = − log σ( u − η ),   u − η = β · [ A⁺ − A⁻ ]
        A = Σ_t w_t · ( log π(y_t|x, y_<t)/π_ref(y_t|x, y_<t) − κ · KL_t ),   KL_t = KL( π(·|x, y_<t) ‖ π_ref(·|x, y_<t) )

    w are the pairs' `chosen_weights` and `rejected_weights`, constants; the paper's are `contrast.tis_weights`. The KL is
    over the vocabulary, and its gradient is 0 at the reference; κ = 1 is the paper. log 2 at the reference for
    any weights. Weights of c for every token are DPO with β·c: look at their mean.
    """

    def __init__(self, config: TISDPO, inner: Objective) -> None:
        super().__init__(inner)
        self.config = config
        self.needs_kl = config.kl_weight > 0

    def scores(self, outputs: Outputs) -> Tensor:
        if self.config.kl_weight == 0:
            return outputs.logps_NT
        if outputs.kls_NT is None:
            raise ValueError("an objective that reads KLs must set needs_kl = True")
        return outputs.logps_NT - self.config.kl_weight * outputs.kls_NT

    def token_weights(self, batch: Batch, lengths_S: Tensor, logps_ST: Tensor) -> Tensor:
        weights_ST = batch.token_weights_ST
        if weights_ST is None:
            raise DataError(
                "no pair has token weights",
                where="train.objective.kind: tis_dpo",
                cure="give the pairs chosen_weights and rejected_weights, or choose dpo",
            )
        more = logps_ST.shape[1] - weights_ST.shape[1]
        return F.pad(weights_ST, (0, more)).to(logps_ST.dtype)


def _one_completion_a_side(batch: Batch, rows_R: Tensor) -> Batch:
    """The batch whose completions are `rows_R` of this one's: all chosen sides, all rejected ones, the mismatched."""
    numbers_R = torch.arange(len(rows_R), device=rows_R.device)
    num_pairs = batch.num_pairs
    chosen_P, rejected_P, mismatched_M = numbers_R.tensor_split([num_pairs, 2 * num_pairs])
    return replace(
        batch,
        completions=tuple(batch.completions[n] for n in rows_R.tolist()),
        prompt_of_N=batch.prompt_of_N[rows_R],
        chosen_P=chosen_P,
        rejected_P=rejected_P,
        mismatched_M=mismatched_M,
        weights_N=F.pad(batch.pair_weights_P, (0, len(rows_R) - num_pairs)),
    )


class WPOObjective(_Around):
    """Weighted preference optimisation (arXiv 2406.11827, equation 2, with sampled alignment).

        w_p ← w_p · w(y⁺) · w(y⁻),   w(y) = exp( 1/|y| · Σ_t [ log π(y_t|x, y_<t) − log Σ_v π(v|x, y_<t)² ] )

    Pairs count as they are likely under the policy of now, without gradient through that: off-policy pairs are
    brought nearer to on-policy ones. The sum over the vocabulary is what a token drawn from π has on average, so
    that w is about 1 for what the policy writes itself. The loss is still divided by the pairs' own weights, as
    TRL's: it shrinks with w. `wpo_weight` is logged.
    """

    def __init__(self, config: WPO, inner: Objective) -> None:
        super().__init__(inner)
        self.needs_entropy = True

    def __call__(self, outputs: Outputs, batch: Batch) -> Loss:
        if outputs.collisions_NT is None:
            raise ValueError("an objective that reads collisions must set needs_entropy = True")
        aligned_N = (outputs.logps_NT.detach() - outputs.collisions_NT).sum(-1)
        weights_N = (aligned_N / outputs.lengths_N).exp()
        weights_P = weights_N[batch.chosen_P] * weights_N[batch.rejected_P]
        weighted = replace(batch, pair_weights_P=batch.pair_weights_P * weights_P)
        loss = self.inner(outputs, weighted)
        return Loss(loss.sum, loss.metrics | {"wpo_weight": weights_P})
