"""The rows that the pair browser reads, as plain values to be embedded as JSON.

Prompts are stored once. At most `MAX_PAIRS` pairs are embedded, taken evenly over the whole so that every part
of the problem set is seen, and a text longer than `MAX_CHARS` is cut; both are said on the page.

Not promised: the token ids. They are in the run's pairs file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codealign.records import Pair
from codealign.report.movement import natural_key

MAX_PAIRS = 2_000
MAX_CHARS = 20_000
MAX_TASKS_PER_REASON = 1_000

REASON_MEANINGS = {
    "no_verdicts": "no sample was judged",
    "not_judged": "too few samples could be judged",
    "all_pass": "every sample passed, so there was nothing to reject",
    "all_fail": "every sample failed, so there was nothing to choose",
    "identical_sides": "chosen and rejected would have been the same text",
    "different_prompts": "no passing and failing sample had the same prompt",
    "no_length_match": "no passing and failing program were of similar length",
    "no_margin": "no two samples differed enough in the tests they passed",
}


class PairBrowser(NamedTuple):
    """`payload` is what the page embeds; `num_pairs` counts all pairs, shown or not."""

    payload: dict[str, Any]
    num_pairs: int
    num_shown: int
    outcomes: list[tuple[str, int]]


class ReasonGroup(NamedTuple):
    """The training problems that gave no pair for one reason."""

    reason: str
    meaning: str
    num_problems: int
    share: float
    task_ids: list[str]

    @property
    def num_unlisted(self) -> int:
        return self.num_problems - len(self.task_ids)


def pair_browser(pairs: Sequence[Pair]) -> PairBrowser | None:
    """The embedded rows of a pairs file; None when there are no pairs."""
    if not pairs:
        return None
    shown = evenly(pairs, MAX_PAIRS)
    prompts: dict[str, int] = {}
    rows = [_row(pair, prompts) for pair in shown]
    outcomes = Counter(row["outcome"] for row in rows if row["outcome"])
    payload = {"prompts": [clipped(prompt) for prompt in prompts], "pairs": rows}
    return PairBrowser(payload, len(pairs), len(shown), outcomes.most_common())


def evenly(pairs: Sequence[Pair], limit: int) -> list[Pair]:
    """At most `limit` of the pairs, at equal distances, in their order."""
    if len(pairs) <= limit:
        return list(pairs)
    return [pairs[index * len(pairs) // limit] for index in range(limit)]


def _row(pair: Pair, prompts: dict[str, int]) -> dict[str, Any]:
    extra = pair.model_extra or {}
    test, message = split_message(str(extra.get("rejected_message") or ""))
    return {
        "task": pair.task_id or "",
        "prompt": prompts.setdefault(pair.prompt, len(prompts)),
        "chosen": clipped(pair.chosen),
        "rejected": clipped(pair.rejected),
        "outcome": str(extra.get("rejected_outcome") or ""),
        "test": test,
        "message": clipped(message),
        "facts": _facts(pair, extra),
    }


TEST_PARTS = ("inputs", "expected", "actual")


def split_message(message: str) -> tuple[dict[str, str], str]:
    """The parts of a pair's `rejected_message` by name, and what else it says.

    A part starts at a line `inputs: `, `expected: ` or `actual: `, in that order. A part of several lines
    can't be told from what follows it, so its later lines land in the rest.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    for line in message.splitlines():
        name, colon, value = line.partition(": ")
        if colon and name in TEST_PARTS and name not in found:
            found[name] = value
        else:
            rest.append(line)
    return found, "\n".join(rest)


def _facts(pair: Pair, extra: Mapping[str, Any]) -> list[str]:
    """Short statements about the two sides that a reader may want to check."""
    facts: list[str] = []
    for side in ("chosen", "rejected"):
        passed, total = extra.get(f"{side}_tests_passed"), extra.get("tests_total")
        if total and passed is not None:
            facts.append(f"{side}: {passed} of {total} tests")
        if extra.get(f"{side}_finish_reason") == "length":
            facts.append(f"{side}: cut off at the length limit")
    if pair.chosen_ids and pair.rejected_ids:
        facts.append(f"tokens: {len(pair.chosen_ids)} chosen, {len(pair.rejected_ids)} rejected")
    for side, weights in (("chosen", pair.chosen_weights), ("rejected", pair.rejected_weights)):
        if weights:
            facts.append(f"mean token weight of {side}: {sum(weights) / len(weights):.2f}")
    if pair.weight != 1.0:
        facts.append(f"weight {pair.weight:g}")
    return facts


def clipped(text: str) -> str:
    """The text, or its beginning with a note of how much was left out."""
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[:MAX_CHARS]}\n… {len(text) - MAX_CHARS:,} more characters, left out of this page"


def reason_groups(pair_reasons: Mapping[str, str]) -> list[ReasonGroup]:
    """Problems without a pair by reason, the most frequent reason first."""
    by_reason: dict[str, list[str]] = {}
    for task_id, reason in pair_reasons.items():
        by_reason.setdefault(reason, []).append(task_id)
    groups = [
        ReasonGroup(
            reason,
            REASON_MEANINGS.get(reason, ""),
            len(task_ids),
            len(task_ids) / len(pair_reasons),
            sorted(task_ids, key=natural_key)[:MAX_TASKS_PER_REASON],
        )
        for reason, task_ids in by_reason.items()
    ]
    return sorted(groups, key=lambda group: (-group.num_problems, group.reason))
