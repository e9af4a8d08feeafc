"""Token weights of pairs from what happened when their programs ran.

    w_t = 1 for suspect tokens, `outside` for the others;   normalised: w_t ← w_t / mean of the pair's weights

Promises: a weight for each id, EOS included, above 0; nothing is guessed: where no source knows anything all tokens
weigh 1, and that is counted.

EOS is a token like the others. After a divergence it is suspect, on both sides of a pair; lines never hold it, since
a failing line says nothing about stopping: marked on rejected sides alone, it would teach the policy to go on.

Weights are normalised over both sides of a pair at once: what both sides begin with has equal weights then, and cancels
in DPO's margin as it does without weights. Side by side it would not.

Not promised: that sides weigh the same. A source that marks the rejected side alone takes weight from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from math import fsum
from typing import NamedTuple

from codealign.config import ExecutionWeights
from codealign.errors import DataError
from codealign.records import Completion, Pair, Verdict
from codealign.token_weights.controls import shuffled
from codealign.token_weights.sources import (
    Lines,
    Written,
    coverage,
    divergence,
    edits,
    nearest,
    tokens_of_lines,
    traceback,
)
from codealign.token_weights.spans import Decode

Tokens = frozenset[int]
"""Positions in a side's ids."""


class WeighedPairs(NamedTuple):
    """The pairs with `chosen_weights` and `rejected_weights`, and how often nothing was known.

    `unknown` counts by source's name the rejected sides about which it knew nothing, as `rejected` those about which no
    source did, and as `chosen` the chosen sides that no source marked though one that could was asked. The last two
    weigh 1 in every token.
    """

    pairs: list[Pair]
    unknown: Counter[str]


def weigh_by_execution(
    pairs: Iterable[Pair],
    completions: Iterable[Completion],
    verdicts: Iterable[Verdict],
    section: ExecutionWeights,
    decode: Decode,
    seed: int = 0,
) -> WeighedPairs:
    """Weigh each pair's tokens by where its rejected program went wrong, in the order given.

    Args:
        pairs: of `build_pairs`, with token ids.
        completions, verdicts: those that the pairs were made of; all passing ones are looked at.
        decode: ids to text as the sampler did it.
        seed: of `shuffle`; a pair's order depends on it, its task id and its sides' indices only.

    Raises:
        DataError: a pair without ids or without `task_id`, `chosen_index` and `rejected_index`; a side whose
            completion or verdict is not given; `coverage` asked of verdicts that have none.
    """
    samples = _join(completions, verdicts)
    if "coverage" in section.sources:
        _refuse_no_coverage(samples.values())
    passing = _passing(samples)
    weighed: list[Pair] = []
    unknown: Counter[str] = Counter()
    for pair in pairs:
        chosen, rejected = (_side(samples, pair, side) for side in ("chosen", "rejected"))
        near = [*passing[chosen.verdict.task_id], chosen.written]
        marked = {
            "chosen": _in_chosen(_Case(chosen, [rejected.written], decode), section, unknown),
            "rejected": _in_rejected(_Case(rejected, near, decode), section, unknown),
        }
        weights = {
            side: token_weights(len(ids.written.ids or ()), marked[side], section.outside)
            for side, ids in (("chosen", chosen), ("rejected", rejected))
        }
        if section.normalise:
            weights = _normalised(weights)
        if section.shuffle:
            weights = {side: _mixed(pair, side, ws, seed) for side, ws in weights.items()}
        weighed.append(pair.model_copy(update={f"{s}_weights": ws for s, ws in weights.items()}))
    return WeighedPairs(weighed, +unknown)


def token_weights(num_tokens: int, suspects: Collection[int] | None, outside: float) -> list[float]:
    """The weights of a side's tokens; all 1 where `suspects` (their positions) is None, for nothing is known."""
    return [
        1.0 if suspects is None or number in suspects else outside for number in range(num_tokens)
    ]


def _normalised(weights: Mapping[str, list[float]]) -> dict[str, list[float]]:
    everything = [weight for side in weights.values() for weight in side]
    mean = fsum(everything) / max(1, len(everything))
    return {side: [weight / mean for weight in each] for side, each in weights.items()}


def _mixed(pair: Pair, side: str, weights: list[float], seed: int) -> list[float]:
    indices = [(pair.model_extra or {}).get(f"{each}_index") for each in ("chosen", "rejected")]
    return shuffled(weights, f"{seed}:{pair.task_id}:{indices}:{side}")


class _Sample(NamedTuple):
    written: Written
    verdict: Verdict


class _Case(NamedTuple):
    """A side with what it is compared with: for a rejected side, everything that passed."""

    sample: _Sample
    others: list[Written]
    decode: Decode


OF_BOTH_SIDES = ("edits", "divergence")
"""Sources that compare two programs, and so mark the chosen side as well."""

Samples = Mapping[tuple[str, int], _Sample]
"""By task id and sample index, in this order."""


def _join(completions: Iterable[Completion], verdicts: Iterable[Verdict]) -> Samples:
    written = {(each.task_id, each.sample_index): each for each in completions}
    samples: dict[tuple[str, int], _Sample] = {}
    for verdict in verdicts:
        completion = written.get((verdict.task_id, verdict.sample_index))
        # What could not be judged may have been judged again.
        if completion is None or verdict.outcome == "not_judged":
            continue
        text = completion.completion
        side = Written(text, completion.completion_ids, verdict.program or text)
        samples[verdict.task_id, verdict.sample_index] = _Sample(side, verdict)
    return dict(sorted(samples.items()))


def _passing(samples: Samples) -> Mapping[str, list[Written]]:
    passing: dict[str, list[Written]] = defaultdict(list)
    for (task_id, _), sample in samples.items():
        if sample.verdict.passed:
            passing[task_id].append(sample.written)
    return passing


def _refuse_no_coverage(samples: Iterable[_Sample]) -> None:
    if not any(test.lines is not None for each in samples for test in each.verdict.tests):
        raise DataError(
            "no verdict says which lines ran",
            where="token_weights.sources: coverage",
            cure="judge again with judge.coverage=true (untrusted tests have none), or leave it out",
        )


def _side(samples: Samples, pair: Pair, side: str) -> _Sample:
    index = (pair.model_extra or {}).get(f"{side}_index")
    if pair.task_id is None or index is None:
        raise DataError(
            f"a pair without task_id or {side}_index",
            where=pair.task_id,
            cure="make the pairs with `codealign pairs`, which keeps which samples they are",
        )
    sample = samples.get((pair.task_id, index))
    if sample is None:
        raise DataError(
            f"sample {index}, a {side} side, has no completion with a verdict",
            where=pair.task_id,
            cure="give the completions and verdicts that the pairs were made of",
        )
    ids = pair.chosen_ids if side == "chosen" else pair.rejected_ids
    if ids is None:
        raise DataError(
            f"a pair without {side}_ids: a weight belongs to a token",
            where=pair.task_id,
            cure="sample with an engine that gives token ids (transformers, vllm)",
        )
    return sample._replace(written=sample.written._replace(ids=ids))


def _from_divergence(case: _Case) -> Tokens | None:
    side = case.sample.written
    first = divergence(side, nearest(side, case.others), case.decode)
    return None if first is None else Tokens(range(first, len(side.ids or ())))


def _from_edits(case: _Case) -> Tokens | None:
    side = case.sample.written
    return edits(side, nearest(side, case.others), case.decode)


def _from_coverage(case: _Case) -> Tokens | None:
    return _on_lines(case, coverage(case.sample.verdict))


def _from_traceback(case: _Case) -> Tokens | None:
    return _on_lines(case, traceback(case.sample.verdict))


def _on_lines(case: _Case, lines: Lines | None) -> Tokens | None:
    return None if lines is None else tokens_of_lines(case.sample.written, lines, case.decode)


_SOURCES: Mapping[str, Callable[[_Case], Tokens | None]] = {
    "edits": _from_edits,
    "divergence": _from_divergence,
    "coverage": _from_coverage,
    "traceback": _from_traceback,
}


def _in_chosen(case: _Case, section: ExecutionWeights, unknown: Counter[str]) -> Tokens | None:
    """What a chosen side has of its own; lines of a program that passed are suspect to no one."""
    found = [_SOURCES[source](case) for source in section.sources if source in OF_BOTH_SIDES]
    known = [tokens for tokens in found if tokens is not None]
    unknown["chosen"] += bool(found) and not known
    return Tokens().union(*known) if known else None


def _in_rejected(case: _Case, section: ExecutionWeights, unknown: Counter[str]) -> Tokens | None:
    """What any of the sources suspects; None where none knows anything."""
    found = {source: _SOURCES[source](case) for source in section.sources}
    unknown.update(source for source, tokens in found.items() if tokens is None)
    known = [tokens for tokens in found.values() if tokens is not None]
    unknown["rejected"] += not known
    return Tokens().union(*known) if known else None
