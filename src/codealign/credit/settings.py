"""How much is drawn to measure credit. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class CreditSettings:
    """What `codealign credit` is asked.

    Args:
        split: whose problems.
        num_problems: the first so many of them; None is all.
        num_samples: trajectories a problem: a group, whose mean is an estimate too.
        num_states: about so many in all, of whole trajectories.
        num_truth: M continuations a state, whose mean is the truth; 256 in the paper.
        ks: how many other continuations an estimate of VinePPO's is made from.
        num_ranked: states whose next steps are ranked; the paper has 128 to 256.
        num_actions: next steps drawn for each of those; 5 in the paper.
        segments: what a step is; None is the run's own, lines without one.
        checkpoint: the step whose weights are measured; None is the trained policy.
        num_batches: bootstrap batches of the gradient.
        batch_size: episodes of such a batch; 32 in the paper's code.
        seed: of everything that is drawn.
        confidence: of the intervals.
    """

    split: Literal["train", "heldout"] = "heldout"
    num_problems: int | None = 64
    num_samples: int = 8
    num_states: int = 512
    num_truth: int = 64
    ks: tuple[int, ...] = (1, 3, 9)
    num_ranked: int = 128
    num_actions: int = 5
    segments: Literal["lines", "statements"] | None = None
    checkpoint: int | None = None
    num_batches: int = 256
    batch_size: int = 32
    seed: int = 0
    confidence: float = 0.95

    @property
    def num_fresh(self) -> int:
        """Continuations of a state beside those of the truth: the estimates share them."""
        return max(self.ks)

    @property
    def drawn(self) -> dict[str, Any]:
        """What decides the rows that are drawn; the other settings are only read when these are."""
        read_later = {"ks", "num_batches", "batch_size", "confidence"}
        kept = {name: value for name, value in asdict(self).items() if name not in read_later}
        return kept | {"num_fresh": self.num_fresh}
