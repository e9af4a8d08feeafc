"""Labelled completions as token ids: desirable or not, each by itself, any number of each.

Promises what `experience.encode_pairs` does: the sampler's ids where they are there, nothing truncated, what does
not fit left out and counted.

Not promised: a balance of the two sides. `Objective.remarks` says where an objective wants one.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from codealign.batches import EncodedLabelled, TokenIds
from codealign.experience import check_row, length_limit
from codealign.policy import Policy
from codealign.records import Labelled


class EncodedLabels(NamedTuple):
    """Labelled rows as token ids, and how many were left out for which reason."""

    rows: list[EncodedLabelled]
    left_out: Counter[str]

    @property
    def hash(self) -> str:
        """Hex digest of the rows, in their order."""
        digest = hashlib.sha256()
        for row in self.rows:
            for ids in row[:2]:
                digest.update(array("q", (len(ids), *ids)).tobytes())
            digest.update(array("d", (row.weight, row.label)).tobytes())
        return digest.hexdigest()[:16]

    def with_distinct_chosen(self) -> EncodedLabels:
        """The first row of each completion, with the largest weight of them all; for rows of one label."""
        first: dict[tuple[TokenIds, TokenIds], EncodedLabelled] = {}
        for row in self.rows:
            before = first.setdefault(row[:2], row)
            first[row[:2]] = before._replace(weight=max(before.weight, row.weight))
        repeated = Counter({"chosen_before": len(self.rows) - len(first)})
        return EncodedLabels(list(first.values()), self.left_out + repeated)

    def sides(self) -> tuple[float, float]:
        """The summed weights of the desirable and of the undesirable rows."""
        return (
            sum(row.weight for row in self.rows if row.label),
            sum(row.weight for row in self.rows if not row.label),
        )


def encode_labelled(
    policy: Policy, rows: Sequence[Labelled], max_length: int | None, *, with_undesirable: bool
) -> EncodedLabels:
    """Turn labelled rows into token ids.

    Left out and counted: `too_long` and `empty` as of pairs, and `undesirable` unless they are asked for.

    Raises:
        DataError: ids that the model does not have, or a weight that is negative or not a number.
    """
    limit = length_limit(policy, max_length)
    kept: list[EncodedLabelled] = []
    left_out: Counter[str] = Counter()
    for number, row in enumerate(rows):
        if not (row.label or with_undesirable):
            left_out["undesirable"] += 1
            continue
        encoded = _encode(policy, row)
        check_row(encoded, policy, where=f"row {number} ({row.task_id or 'no task_id'})")
        if not (encoded.prompt_ids and encoded.completion_ids):
            left_out["empty"] += 1
        elif encoded.num_tokens > limit:
            left_out["too_long"] += 1
        else:
            kept.append(encoded)
    return EncodedLabels(kept, left_out)


def _encode(policy: Policy, row: Labelled) -> EncodedLabelled:
    prompt, prompt_ids, ids = row.prompt_messages or row.prompt, row.prompt_ids, row.completion_ids
    if ids is None:
        text = policy.encode_pair_text(prompt, row.completion)
        prompt_ids = prompt_ids or text.prompt_ids
        # What the length limit cut has no EOS: the model wrote none.
        was_cut = (row.model_extra or {}).get("finish_reason") == "length"
        ids = text.completion_ids[:-1] if was_cut else text.completion_ids
    if prompt_ids is None:
        prompt_ids = policy.encode_prompt(prompt)
    return EncodedLabelled(tuple(prompt_ids), tuple(ids), row.label, row.weight)
