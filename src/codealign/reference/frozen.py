"""The policy as it was before training, kept beside the one that moves.

For what only comes up while the policy moves: completions that it draws itself. Recorded data is asked about before the
first update (`cache`), and takes no second copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from codealign.policy import Policy


class FrozenReference:
    """The policy's weights of now, for later; with an adapter the base is the reference, and nothing is copied."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._waiting = (
            []
            if policy.has_adapter
            else [parameter.detach().clone() for _, parameter in policy.trainable_parameters()]
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the policy is the reference."""
        with self.policy.reference(), torch.no_grad():
            self._exchange()
            try:
                yield
            finally:
                self._exchange()

    def _exchange(self) -> None:
        # Tensors change places; nothing is copied.
        if not self._waiting:
            return
        for index, (_, parameter) in enumerate(self.policy.trainable_parameters()):
            parameter.data, self._waiting[index] = self._waiting[index], parameter.data
