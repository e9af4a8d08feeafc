"""How much of a batch's policy gradient is noise, by where advantages come from.

    g(batch) = − Σ_n Σ_t A_t ∇log π(y_t) / Σ_n |y_n|     at the policy that drew the episodes: every ratio is 1

Batches are drawn with replacement from the same episodes for each source. With ḡ the mean over batches:

    variance      trace of the covariance of g(batch)
    relative      variance over that with the true values
    noise         variance / |∇|², where |∇|² = |ḡ|² − variance·batch size / episodes, since ḡ has noise too; below 1 a batch
                  points more where it should than elsewhere. None where nothing is left of ḡ
    cosine        between ḡ and the ḡ of the true values

All sources but the critic's with λ < 1 have the same gradient in expectation, so among those less variance is better, and
a cosine below 1 is noise. Not promised: how other episodes would have come out; these are drawn again, not drawn anew.

Advantages are not whitened: that would hide their size. Nothing whole is held: gradients are reduced to `NUM_KEPT` numbers
by adding up their entries with random signs, which keeps inner products up to about 1/√NUM_KEPT of the lengths.

Axes: E episodes, B batches, D numbers kept of a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from codealign.batches import batch_completions
from codealign.credit.drawing import Trajectory
from codealign.policy import Policy

NUM_KEPT = 2**16

Advantages = Sequence[Sequence[float]]
"""Of each episode's tokens."""


class Sketch:
    """Gradients in few numbers: Σ over entries i ≡ d of sign_i · g_i. Models of at most `num_kept` weights are kept whole."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], *, seed: int, num_kept: int = NUM_KEPT
    ) -> None:
        self.parameters, self.num_kept = parameters, num_kept
        self.is_exact = sum(each.numel() for each in parameters) <= num_kept
        generator = torch.Generator().manual_seed(seed)
        self.signs = []
        if not self.is_exact:
            self.signs = [
                (torch.randint(0, 2, (p.numel(),), generator=generator, dtype=torch.int8) * 2 - 1)
                for p in parameters
            ]

    def of(self, loss: Tensor) -> Tensor:
        """[D] of the loss's gradient, on the CPU."""
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        flat = [
            torch.zeros(p.numel()) if g is None else g.detach().float().cpu().reshape(-1)
            for p, g in zip(self.parameters, found, strict=True)
        ]
        if self.is_exact:
            return torch.cat(flat)
        kept_D = torch.zeros(self.num_kept)
        for gradient, signs in zip(flat, self.signs, strict=True):
            signed = gradient * signs
            whole = len(signed) // self.num_kept * self.num_kept
            kept_D += signed[:whole].view(-1, self.num_kept).sum(0)
            kept_D[: len(signed) - whole] += signed[whole:]
        return kept_D


def gradient_noise(
    policy: Policy,
    episodes: Sequence[Trajectory],
    advantages: Mapping[str, Advantages],
    truth: str,
    *,
    num_batches: int,
    batch_size: int,
    seed: int,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """As plain JSON values.

    Args:
        policy: that drew the episodes, at the temperature they were drawn at.
        advantages: by source.
        truth: the source whose mean gradient the others' are compared with.
    """
    sketch = Sketch([parameter for _, parameter in policy.trainable_parameters()], seed=seed)
    gradients: dict[str, list[Tensor]] = {name: [] for name in advantages}
    for number, episode in enumerate(episodes):
        for name, of_episodes in advantages.items():
            gradients[name].append(sketch.of(_loss(policy, episode, of_episodes[number])))
        advance(1)
    # How much of the mean's squared length is the noise of a mean over so many episodes.
    share = batch_size / len(episodes)
    lengths_E = torch.tensor([float(len(each.drawn.completion_ids)) for each in episodes])
    weights_BE = _weights(lengths_E, num_batches, batch_size, seed)
    found = {name: _moments(torch.stack(each), weights_BE) for name, each in gradients.items()}
    mean_D, true_variance = found[truth]
    return {
        "num_episodes": len(episodes),
        "num_batches": num_batches,
        "batch_size": batch_size,
        "is_exact": sketch.is_exact,
        "methods": {
            name: {
                "variance": variance,
                "relative": _over(variance, true_variance),
                "noise": _over(variance, float(own_D.square().sum()) - share * variance),
                "cosine": _cosine(own_D, mean_D),
            }
            for name, (own_D, variance) in found.items()
        },
    }


def _loss(policy: Policy, episode: Trajectory, advantages: Sequence[float]) -> Tensor:
    batch = batch_completions([(episode.drawn.prompt_ids, episode.drawn.completion_ids)])
    logps_NT = policy.token_logps(batch.to(policy.device))
    return -(logps_NT[0] * torch.tensor(advantages, device=logps_NT.device)).sum()


def _weights(lengths_E: Tensor, num_batches: int, batch_size: int, seed: int) -> Tensor:
    """[B, E] of each episode's gradient in each batch."""
    generator = torch.Generator().manual_seed(seed)
    drawn_BN = torch.randint(len(lengths_E), (num_batches, batch_size), generator=generator)
    times_BE = torch.zeros(num_batches, len(lengths_E))
    times_BE.scatter_add_(1, drawn_BN, torch.ones_like(drawn_BN, dtype=torch.float32))
    return times_BE / (times_BE @ lengths_E)[:, None]


def _moments(gradients_ED: Tensor, weights_BE: Tensor) -> tuple[Tensor, float]:
    """Mean over batches, and the trace of the covariance; a batch at a time."""
    mean_D = weights_BE.mean(0) @ gradients_ED
    squares = sum(
        float((weights_E @ gradients_ED - mean_D).square().sum()) for weights_E in weights_BE
    )
    return mean_D, squares / max(1, len(weights_BE) - 1)


def _cosine(ours_D: Tensor, theirs_D: Tensor) -> float | None:
    found = _over(float(ours_D @ theirs_D), float(ours_D.norm() * theirs_D.norm()))
    return None if found is None else min(1.0, max(-1.0, found))


def _over(number: float, by: float) -> float | None:
    return number / by if by > 0 else None
