"""What several references say of pairs, written into the pairs: the columns that `mrpo` reads.

Promises: every reference is asked about the same text under the same problem, with an EOS exactly where the policy's own
ids end with one. Pairs whose validation decides weights are not in the result.

Not promised: that the columns fit other references than they were computed for; nothing in a pair names them.

Axes: P pairs, K references, the policy's own first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from codealign.batches import EncodedPair
from codealign.config import MRPO, ValidationWeights
from codealign.errors import DataError
from codealign.experience import encode_each
from codealign.objectives.mrpo import Sides, validation_weights
from codealign.policy import Policy
from codealign.records import Message, Pair, content_hash
from codealign.reference import (
    PairLogps,
    PairText,
    ReferenceCache,
    other_reference_logps,
    summed_logps,
)
from codealign.sampling.transformers_engine import continuation_text


class AnnotatedPairs(NamedTuple):
    """Pairs with `chosen_reference_logps` and `rejected_reference_logps`, and how many were left out for which reason.

    `reference_weights` is α of every pair, the policy's own reference first; None where it was not asked for.
    """

    pairs: list[Pair]
    left_out: Counter[str]
    reference_weights: list[float] | None = None


class _Row(NamedTuple):
    pair: Pair
    encoded: EncodedPair
    text: PairText
    others: tuple[PairLogps, ...] = ()


def annotate_with_references(
    policy: Policy,
    pairs: Sequence[Pair],
    prompts: Sequence[str | Sequence[Message]],
    section: MRPO,
    root: Path,
    seed: int,
) -> AnnotatedPairs:
    """`pairs` with the log-probs of `section.references`, each model loaded alone.

    Left out and counted: what training leaves out whatever its `max_length` (`too_long`, `identical`, `empty`),
    `too_long_for_a_reference`, and `validation`: with `weights: validation` the share of prompts that decides α.

    Args:
        policy: at its first weights, before `distribute` or `shard`. It has them again afterwards, bit for bit.
        pairs: with token ids where a sampler gave them.
        prompts: of each pair, the problem's own text or messages, to which no chat template has been applied; a
            pair's `prompt` may have been through the policy's.
        root: of all references: `reference_dir()`.
        seed: of which prompts are set aside.

    Raises:
        DataError: a pair that can't be read, or fewer than two prompts for validation.
        ModelError: a reference can't be loaded.
        StorageError: no room in `root`.
    """
    rows, left_out = _readable(policy, pairs, prompts)
    texts = [row.text for row in rows]
    columns = [other_reference_logps(each, texts, policy, root) for each in section.references]
    known = [
        row._replace(others=others)
        for row, *found in zip(rows, *columns, strict=True)
        if len(others := tuple(each for each in found if each is not None)) == len(columns)
    ]
    left_out["too_long_for_a_reference"] += len(rows) - len(known)
    if not isinstance(section.weights, ValidationWeights):
        return AnnotatedPairs([_annotated(row) for row in known], +left_out)
    validation, training = _set_aside(known, section.weights.share, seed)
    left_out["validation"] += len(validation)
    weights = _weights(policy, validation, root)
    return AnnotatedPairs([_annotated(row, weights) for row in training], +left_out, weights)


def _readable(
    policy: Policy, pairs: Sequence[Pair], prompts: Sequence[str | Sequence[Message]]
) -> tuple[list[_Row], Counter[str]]:
    rows: list[_Row] = []
    left_out: Counter[str] = Counter()
    each = zip(pairs, prompts, encode_each(policy, pairs, None), strict=True)
    for pair, prompt, (encoded, reason) in each:
        if reason is None:
            rows.append(_Row(pair, encoded, _text(policy, pair, encoded, prompt)))
        else:
            left_out[reason] += 1
    return rows, left_out


def _text(
    policy: Policy, pair: Pair, encoded: EncodedPair, prompt: str | Sequence[Message]
) -> PairText:
    # What the ids say: with a stop string they go further than the completion's text does.
    chosen, rejected = (
        text if ids is None else continuation_text(policy.tokenizer, encoded.prompt_ids, ids)
        for text, ids in ((pair.chosen, pair.chosen_ids), (pair.rejected, pair.rejected_ids))
    )
    ended = (ids[-1] in policy.stop_ids for ids in (encoded.chosen_ids, encoded.rejected_ids))
    return PairText(prompt, chosen, rejected, *ended)


def _set_aside(rows: Sequence[_Row], share: float, seed: int) -> tuple[list[_Row], list[_Row]]:
    """The rows of `share` of the prompts (one at least), and the others; the same whatever their order."""
    drawn = [content_hash([seed, row.text.prompt]) for row in rows]
    order = sorted(set(drawn))
    if len(order) < 2:
        raise DataError(
            f"{len(order)} prompts have pairs, and validation must set one aside",
            where="train.objective.weights.kind: validation",
            cure="collect pairs of more problems, or choose kind: per_pair",
        )
    first = set(order[: min(max(1, round(share * len(order))), len(order) - 1)])
    validation = [row for row, each in zip(rows, drawn, strict=True) if each in first]
    return validation, [row for row, each in zip(rows, drawn, strict=True) if each not in first]


def _weights(policy: Policy, rows: Sequence[_Row], root: Path) -> list[float]:
    """α of each reference, from pairs that will not be trained on."""
    own = ReferenceCache(policy, root / policy.reference_hash())
    own_logps = summed_logps(own, [row.encoded for row in rows])
    both = [(mine, *row.others) for mine, row in zip(own_logps, rows, strict=True)]
    logps_PK = Sides(*torch.tensor(both, dtype=torch.float64).unbind(-1))
    lengths_P = Sides(
        torch.tensor([len(row.encoded.chosen_ids) for row in rows]),
        torch.tensor([len(row.encoded.rejected_ids) for row in rows]),
    )
    return validation_weights(logps_PK, lengths_P).tolist()


def _annotated(row: _Row, weights: list[float] | None = None) -> Pair:
    columns = {
        "chosen_reference_logps": [each.chosen for each in row.others],
        "rejected_reference_logps": [each.rejected for each in row.others],
        "reference_weights": weights,
    }
    return row.pair.model_copy(update=columns)
