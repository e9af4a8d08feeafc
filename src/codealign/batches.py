"""What one forward needs, and what comes back: prompts, completions under them, pairs, labels or advantages over those.

A batch is a tree: each distinct prompt once, each distinct completion of it once, and index arrays for
everything that relates completions. How the tree becomes tensors for a model is `policy`'s business
alone; an objective sees `Outputs` and `Batch` and nothing else.

Not promised: any order of completions within a batch. Go through the index arrays.

Axes: N completions, P pairs, S sides of pairs (2P, all chosen ones first), R labelled rows, K references (the policy's
own first), T completion tokens (padded at the end).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

TokenIds = tuple[int, ...]


class EncodedPair(NamedTuple):
    """A preference pair as the model reads it. `weight` scales its part of the loss, 0 removes it.

    `chosen_weights` and `rejected_weights` scale the tokens of a side; None is 1 for each. `*_reference_logps` are
    log π_k of a side (nats) under each reference but the policy's own, `reference_weights` α_k of all of them.
    """

    prompt_ids: TokenIds
    chosen_ids: TokenIds
    rejected_ids: TokenIds
    weight: float = 1.0
    chosen_weights: tuple[float, ...] | None = None
    rejected_weights: tuple[float, ...] | None = None
    chosen_reference_logps: tuple[float, ...] | None = None
    rejected_reference_logps: tuple[float, ...] | None = None
    reference_weights: tuple[float, ...] | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens of the longer side with its prompt: what a model's window must hold."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))

    def completions(self, *, with_rejected: bool = True) -> tuple[TokenIds, ...]:
        """The sides that are computed."""
        return (self.chosen_ids, self.rejected_ids) if with_rejected else (self.chosen_ids,)


class EncodedLabelled(NamedTuple):
    """A completion that is desirable or not, as the model reads it. `weight` as in `EncodedPair`."""

    prompt_ids: TokenIds
    completion_ids: TokenIds
    label: bool
    weight: float = 1.0

    @property
    def num_tokens(self) -> int:
        """Tokens of the completion with its prompt."""
        return len(self.prompt_ids) + len(self.completion_ids)

    def completions(self, *, with_rejected: bool = True) -> tuple[TokenIds, ...]:
        """The completion, whichever its label: what is not to be computed was left out before."""
        return (self.completion_ids,)


EncodedRow = EncodedPair | EncodedLabelled
"""What training data is made of: all rows of one kind."""


class EncodedRollout(NamedTuple):
    """A completion that the policy itself has drawn, with what is known of each of its tokens.

    Columns are one number a token. `old_logps` are the policy's log-probs (nats) when the completion was drawn, at the
    sampler's temperature and before its filters; `reference_logps` the reference's, at the same temperature. `returns`
    and `old_values` are what a critic is to learn and what it said then. None where the objective reads no such column.
    """

    prompt_ids: TokenIds
    completion_ids: TokenIds
    advantages: tuple[float, ...]
    old_logps: tuple[float, ...]
    reference_logps: tuple[float, ...] | None = None
    returns: tuple[float, ...] | None = None
    old_values: tuple[float, ...] | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens of the completion with its prompt."""
        return len(self.prompt_ids) + len(self.completion_ids)

    def completions(self, *, with_rejected: bool = True) -> tuple[TokenIds, ...]:
        """The completion; see `EncodedPair.completions`."""
        return (self.completion_ids,)


class TreeRow(Protocol):
    """What a batch can be planned from: any row of training data, and a rollout."""

    @property
    def prompt_ids(self) -> TokenIds: ...

    def completions(self, *, with_rejected: bool = True) -> tuple[TokenIds, ...]:
        """What is computed under the prompt."""
        ...


@dataclass(frozen=True)
class Batch:
    """Completions under prompts, and over completions either pairs or labels.

    `weights_N` is how much a completion counts where completions are learnt one by one: the summed
    weight of the pairs in which it is the chosen side, or of the rows in which it is desirable, so that a program
    chosen in two pairs counts twice wherever the pairs fall. `pair_weights_P` is how much each pair counts.
    """

    prompts: tuple[TokenIds, ...]
    completions: tuple[TokenIds, ...]
    prompt_of_N: Tensor
    """[N] int64: completion n continues `prompts[prompt_of_N[n]]`."""
    chosen_P: Tensor
    """[P] int64 into the completions."""
    rejected_P: Tensor
    """[P] int64 into the completions."""
    pair_weights_P: Tensor
    """[P] float32."""
    weights_N: Tensor
    """[N] float32."""
    mismatched_M: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """[M] int64: completions that were written for another prompt, where an objective asked for them."""
    token_weights_ST: Tensor | None = None
    """[2P, T] float32, 0 where padded: of the tokens of each pair's sides; None where no pair has any."""
    reference_logps_SK: Tensor | None = None
    """[2P, K − 1] float64 (nats), since differences of large numbers count: log π_k of each pair's sides under each
    reference but the policy's own; None where a pair has none."""
    reference_weights_PK: Tensor | None = None
    """[P, K] float64: α_k of each pair; None where a pair has none."""
    labelled_R: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """[R] int64 into the completions."""
    labels_R: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    """[R] bool: True is desirable."""
    label_weights_R: Tensor = field(default_factory=lambda: torch.zeros(0))
    """[R] float32: how much each labelled row counts."""
    advantages_NT: Tensor | None = None
    """[N, T] float32, 0 where padded, of rollouts: how much better a token was than what the policy does there."""
    old_logps_NT: Tensor | None = None
    """[N, T] float32 (nats), of rollouts: as in `EncodedRollout`, as are the three that follow."""
    reference_logps_NT: Tensor | None = None
    returns_NT: Tensor | None = None
    old_values_NT: Tensor | None = None
    mean_length: float = 0.0
    """Of rollouts: tokens of a completion, over the whole optimiser step. Dividing a completion's sum over tokens by
    it makes the mean over completions the mean over tokens, however the step is cut."""

    @property
    def num_completions(self) -> int:
        return len(self.completions)

    @property
    def num_pairs(self) -> int:
        return len(self.chosen_P)

    @property
    def num_labelled(self) -> int:
        return len(self.labelled_R)

    @property
    def num_tokens(self) -> int:
        """Tokens of all completions, each with its prompt."""
        return sum(len(prompt) + len(completion) for prompt, completion in self.rows())

    @property
    def lengths_N(self) -> Tensor:
        """[N] int64: tokens of each completion."""
        return torch.tensor([len(ids) for ids in self.completions], device=self.weights_N.device)

    def rows(self) -> list[tuple[TokenIds, TokenIds]]:
        """(prompt, completion) of each completion, in order."""
        prompts = [self.prompts[i] for i in self.prompt_of_N.tolist()]
        return list(zip(prompts, self.completions, strict=True))

    def to(self, device: torch.device) -> Batch:
        """The same batch with its arrays on `device`."""
        moved = {
            name: _exactest(value, device).to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def to_row(self) -> dict[str, Any]:
        """Plain JSON values, for a file that a person or a bug report can carry."""
        return {
            name: value.tolist() if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }


class Outputs(NamedTuple):
    """Log-probabilities (nats) of a batch's completion tokens, zero where padded.

    `reference_logps_NT` is None when the objective said that it needs no reference. Over the whole vocabulary, and
    None when it did not ask for them: `entropies_NT`, `collisions_NT` (log Σ_v π_v², a constant), and `kls_NT` (KL of
    the policy to its reference).
    """

    logps_NT: Tensor
    reference_logps_NT: Tensor | None
    lengths_N: Tensor
    entropies_NT: Tensor | None = None
    collisions_NT: Tensor | None = None
    kls_NT: Tensor | None = None
    values_NT: Tensor | None = None
    """What the critic says of the state before each token, differentiable; None where there is none."""

    @property
    def logps_N(self) -> Tensor:
        """[N]: log π(completion | prompt), the sum over its tokens."""
        return self.logps_NT.sum(-1)

    @property
    def log_ratios_N(self) -> Tensor:
        """[N]: log π(completion | prompt) − log π_ref(completion | prompt), constant in the reference."""
        if self.reference_logps_NT is None:
            raise ValueError("an objective that reads log-ratios must set needs_reference = True")
        return (self.logps_NT - self.reference_logps_NT.detach()).sum(-1)


def mismatches(rows: Iterable[EncodedRow]) -> dict[TokenIds, TokenIds]:
    """A completion for each prompt that was written for another: the first (chosen) one of the next prompt, in a
    circle. None where it would be longer than every row, or where there is one prompt."""
    first: dict[TokenIds, TokenIds] = {}
    longest = 0
    for row in rows:
        own = row.completion_ids if isinstance(row, EncodedLabelled) else row.chosen_ids
        first.setdefault(row.prompt_ids, own)
        longest = max(longest, row.num_tokens)
    texts = list(first.values())
    return {
        prompt: text
        for prompt, text in zip(first, texts[1:] + texts[:1], strict=True)
        if len(first) > 1 and len(prompt) + len(text) <= longest
    }


def batch_pairs(
    pairs: Iterable[EncodedPair],
    *,
    with_rejected: bool = True,
    mismatched: Mapping[TokenIds, TokenIds] = MappingProxyType({}),
) -> Batch:
    """The tree over `pairs`: equal prompts, and equal completions of a prompt, are held once.

    With `with_rejected` False the batch holds the chosen completions and no pairs, for objectives
    that never read the other side. `mismatched` are completions to add under their prompts, of `mismatches`.
    """
    tree, pairs = _Tree(), list(pairs)
    chosen, rejected, pair_weights = [], [], []
    for pair in pairs:
        winner = tree.add(pair.prompt_ids, pair.chosen_ids, pair.weight)
        if with_rejected:
            chosen.append(winner)
            rejected.append(tree.add(pair.prompt_ids, pair.rejected_ids, 0.0))
            pair_weights.append(pair.weight)
    wrong = [tree.add(prompt, text, 0.0) for prompt, text in mismatched.items()]
    batch = tree.batch(
        torch.tensor(chosen, dtype=torch.long),
        torch.tensor(rejected, dtype=torch.long),
        torch.tensor(pair_weights, dtype=torch.float32),
    )
    batch = replace(batch, mismatched_M=torch.tensor(wrong, dtype=torch.long))
    if not with_rejected:
        return batch
    return replace(
        batch,
        token_weights_ST=_token_weights(pairs),
        reference_logps_SK=_reference_logps(pairs),
        reference_weights_PK=_table(pair.reference_weights for pair in pairs),
    )


def batch_labelled(
    rows: Iterable[EncodedLabelled],
    *,
    mismatched: Mapping[TokenIds, TokenIds] = MappingProxyType({}),
) -> Batch:
    """The tree over labelled rows; equal completions with different labels are one completion in two rows.

    `mismatched` as in `batch_pairs`.
    """
    tree, rows = _Tree(), list(rows)
    numbers = [
        tree.add(row.prompt_ids, row.completion_ids, row.weight if row.label else 0.0)
        for row in rows
    ]
    wrong = [tree.add(prompt, text, 0.0) for prompt, text in mismatched.items()]
    none = torch.zeros(0, dtype=torch.long)
    return replace(
        tree.batch(none, none, torch.zeros(0)),
        mismatched_M=torch.tensor(wrong, dtype=torch.long),
        labelled_R=torch.tensor(numbers, dtype=torch.long),
        labels_R=torch.tensor([row.label for row in rows], dtype=torch.bool),
        label_weights_R=torch.tensor([row.weight for row in rows], dtype=torch.float32),
    )


def batch_rollouts(rows: Iterable[EncodedRollout], *, mean_length: float) -> Batch:
    """The tree over rollouts: equal ones are one completion that counts as often as it was drawn.

    Args:
        mean_length: see `Batch`; of all rows of the optimiser step.
    """
    counts = Counter(rows)
    prompts = {row.prompt_ids: None for row in counts}
    number_of = {prompt: number for number, prompt in enumerate(prompts)}
    none = torch.zeros(0, dtype=torch.long)
    return Batch(
        prompts=tuple(prompts),
        completions=tuple(row.completion_ids for row in counts),
        prompt_of_N=torch.tensor([number_of[row.prompt_ids] for row in counts], dtype=torch.long),
        chosen_P=none,
        rejected_P=none,
        pair_weights_P=torch.zeros(0),
        weights_N=torch.tensor([float(count) for count in counts.values()]),
        advantages_NT=_columns([row.advantages for row in counts]),
        old_logps_NT=_columns([row.old_logps for row in counts]),
        reference_logps_NT=_columns([row.reference_logps for row in counts]),
        returns_NT=_columns([row.returns for row in counts]),
        old_values_NT=_columns([row.old_values for row in counts]),
        mean_length=mean_length,
    )


def _columns(rows: Sequence[tuple[float, ...] | None]) -> Tensor | None:
    """[N, T] float32, 0 where padded; None where a row has no such column."""
    if not rows or any(row is None for row in rows):
        return None
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def batch_rows(
    rows: Iterable[EncodedRow],
    *,
    with_rejected: bool = True,
    mismatched: Mapping[TokenIds, TokenIds] = MappingProxyType({}),
) -> Batch:
    """`batch_pairs` or `batch_labelled`, as the rows are."""
    rows = list(rows)
    labelled = [row for row in rows if isinstance(row, EncodedLabelled)]
    if labelled:
        return batch_labelled(labelled, mismatched=mismatched)
    pairs = [row for row in rows if isinstance(row, EncodedPair)]
    return batch_pairs(pairs, with_rejected=with_rejected, mismatched=mismatched)


def _reference_logps(pairs: list[EncodedPair]) -> Tensor | None:
    chosen = [pair.chosen_reference_logps for pair in pairs]
    return _table(chosen + [pair.rejected_reference_logps for pair in pairs])


def _table(rows: Iterable[tuple[float, ...] | None]) -> Tensor | None:
    rows = list(rows)
    return None if not rows or None in rows else torch.tensor(rows, dtype=torch.float64)


def _exactest(tensor: Tensor, device: torch.device) -> Tensor:
    # MPS has no float64.
    is_too_wide = device.type == "mps" and tensor.dtype == torch.float64
    return tensor.float() if is_too_wide else tensor


def _token_weights(pairs: list[EncodedPair]) -> Tensor | None:
    sides = [(pair.chosen_ids, pair.chosen_weights) for pair in pairs]
    sides += [(pair.rejected_ids, pair.rejected_weights) for pair in pairs]
    if all(weights is None for _, weights in sides):
        return None
    rows = [torch.ones(len(ids)) if ws is None else torch.tensor(ws) for ids, ws in sides]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def batch_completions(texts: Iterable[tuple[TokenIds, TokenIds]]) -> Batch:
    """The tree over (prompt, completion) rows, each of weight 1, without pairs."""
    tree = _Tree()
    for prompt, completion in texts:
        tree.add(prompt, completion, 1.0)
    none = torch.zeros(0, dtype=torch.long)
    return tree.batch(none, none, torch.zeros(0))


class _Tree:
    """Numbers distinct prompts and completions in the order they are first seen."""

    def __init__(self) -> None:
        self.prompts: dict[TokenIds, int] = {}
        self.completions: dict[tuple[int, TokenIds], int] = {}
        self.weights: list[float] = []

    def add(self, prompt: TokenIds, completion: TokenIds, weight: float) -> int:
        """The number of `completion` under `prompt`; `weight` is added to what it has."""
        prompt_index = self.prompts.setdefault(prompt, len(self.prompts))
        index = self.completions.setdefault((prompt_index, completion), len(self.completions))
        if index == len(self.weights):
            self.weights.append(0.0)
        self.weights[index] += weight
        return index

    def batch(self, chosen_P: Tensor, rejected_P: Tensor, pair_weights_P: Tensor) -> Batch:
        return Batch(
            prompts=tuple(self.prompts),
            completions=tuple(completion for _, completion in self.completions),
            prompt_of_N=torch.tensor([k for k, _ in self.completions], dtype=torch.long),
            chosen_P=chosen_P,
            rejected_P=rejected_P,
            pair_weights_P=pair_weights_P,
            weights_N=torch.tensor(self.weights, dtype=torch.float32),
        )
