"""Verdicts become preference pairs, as arXiv 2410.18585 does it and in the ways that extend it, or labels.

Promises: a pair's two sides are completions that the policy itself wrote for the same prompt, whole, as
text and as the sampler's token ids; `not_judged` never enters; a problem's pairs depend on the seed, its
task id and its own samples only, so that the order of problems or of verdicts changes nothing; every
problem without a pair has a reason.

Not promised: that "passes the tests" is "right". Under `pass_rate` the chosen side need not pass all.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from codealign.config import (
    AllPairs,
    LabelledCompletions,
    LengthMatchedPairs,
    NearestPairs,
    PairsConfig,
    PassRatePairs,
    RandomPairs,
)
from codealign.errors import ConfigError, DataError
from codealign.programs import normalised
from codealign.records import Completion, Labelled, Pair, Problem, TestResult, Verdict

RowT = TypeVar("RowT", Pair, Labelled)

Reason = str
"""Why a problem gave no pair: no_verdicts, not_judged, all_pass, all_fail, identical_sides,
different_prompts, no_length_match, no_margin."""


class LabelledResult(NamedTuple):
    """Labelled completions, the reason of each problem that gave none, and how many problems went which way.

    `counts` has a key per reason, `labelled` (problems that gave completions) and `unknown_task`.
    """

    rows: list[Labelled]
    reasons: dict[str, Reason]
    counts: Counter[str]


class PairResult(NamedTuple):
    """The pairs, the reason of each problem that gave none, and how many problems went which way.

    `counts` has a key per reason, `paired` (problems that gave pairs) and `unknown_task` (verdicts for
    tasks that are not among the problems).
    """

    pairs: list[Pair]
    reasons: dict[str, Reason]
    counts: Counter[str]


@dataclass(frozen=True)
class Sample:
    """A judged completion; `tree` says which program it is whatever its comments."""

    completion: Completion
    verdict: Verdict
    tree: str

    @property
    def index(self) -> int:
        return self.completion.sample_index

    @property
    def length(self) -> int:
        """Tokens; characters where there are no ids."""
        ids = self.completion.completion_ids
        return len(self.completion.completion if ids is None else ids)

    @property
    def pass_rate(self) -> float:
        return self.verdict.pass_rate


Couple = tuple[Sample, Sample]
"""(chosen, rejected)."""


def build_pairs(
    problems: Iterable[Problem],
    completions: Iterable[Completion],
    verdicts: Iterable[Verdict],
    config: PairsConfig | None = None,
    seed: int = 0,
) -> PairResult:
    """Preference pairs of judged completions, problem by problem in the order given.

    A verdict belongs to the completion of the same task id and sample index; a completion without a
    verdict counts as not judged. The pair's `prompt` is the text the sampler was given: a completion's
    own `prompt` column where it has one (a chat template was applied), else the problem's.

    Raises:
        DataError: two completions or two verdicts of one sample, or a verdict without its completion.
        ConfigError: the strategy makes no pairs of verdicts.
    """
    config = config or PairsConfig()
    if type(config.strategy) not in _PICKERS:
        raise ConfigError(
            f"strategy {config.strategy.kind} makes no pairs of verdicts",
            where="pairs.strategy",
            cure="choose another kind",
        )
    samples = _join(completions, verdicts)
    pairs, reasons, counts = _each_problem(problems, samples, _pairs_of, "paired", config, seed)
    return PairResult(pairs, reasons, counts)


def build_labelled(
    problems: Iterable[Problem],
    completions: Iterable[Completion],
    verdicts: Iterable[Verdict],
    config: PairsConfig | None = None,
    seed: int = 0,
) -> LabelledResult:
    """Every judged completion with its label, problem by problem; arguments and errors as of `build_pairs`.

    A program that passed once and failed once is left out: its label would be chance.
    """
    config = config or PairsConfig(strategy=LabelledCompletions())
    samples = _join(completions, verdicts)
    rows, reasons, counts = _each_problem(problems, samples, _labelled_of, "labelled", config, seed)
    return LabelledResult(rows, reasons, counts)


def _each_problem(
    problems: Iterable[Problem],
    samples: dict[str, list[Sample]],
    make: Callable[[Problem, list[Sample], PairsConfig, random.Random], list[RowT] | Reason],
    made: str,
    config: PairsConfig,
    seed: int,
) -> tuple[list[RowT], dict[str, Reason], Counter[str]]:
    """What `make` makes of each problem's samples: rows, reasons, and counts with those that gave rows as `made`."""
    rows: list[RowT] = []
    reasons: dict[str, Reason] = {}
    counts: Counter[str] = Counter()
    for problem in problems:
        rng = random.Random(f"{seed}:{problem.task_id}")
        found = make(problem, samples.pop(problem.task_id, []), config, rng)
        if isinstance(found, str):
            reasons[problem.task_id] = found
        else:
            rows += found
        counts[found if isinstance(found, str) else made] += 1
    if samples:
        counts["unknown_task"] = sum(len(left) for left in samples.values())
    return rows, reasons, counts


def completions_of(verdicts: Iterable[Verdict]) -> list[Completion]:
    """The completions that a verdicts file carries along in its extra columns.

    Raises:
        DataError: a verdict has no `completion` column.
    """
    return [_completion_of(verdict) for verdict in verdicts]


def _completion_of(verdict: Verdict) -> Completion:
    columns = dict(verdict.model_extra or {})
    if "completion" not in columns:
        raise DataError(
            "this verdict has no `completion` column",
            where=f"{verdict.task_id}, sample {verdict.sample_index}",
            cure="judge with codealign, which keeps it, or give the completions file as well",
        )
    key = {"task_id": verdict.task_id, "sample_index": verdict.sample_index}
    return Completion.model_validate(columns | key)


def _join(
    completions: Iterable[Completion], verdicts: Iterable[Verdict]
) -> dict[str, list[Sample]]:
    """Samples by task id, sorted by sample index; completions without a verdict are left out."""
    written: dict[tuple[str, int], Completion] = {}
    for completion in completions:
        key = completion.task_id, completion.sample_index
        if key in written:
            raise _twice("completions", completion)
        written[key] = completion
    judged: dict[tuple[str, int], Verdict] = {}
    for verdict in verdicts:
        key = verdict.task_id, verdict.sample_index
        if key in judged and "not_judged" not in (judged[key].outcome, verdict.outcome):
            raise _twice("verdicts", verdict)
        if key not in written:
            raise DataError(
                f"sample {verdict.sample_index} has a verdict and no completion",
                where=verdict.task_id,
                cure="give the completions file that these verdicts judged",
            )
        if key not in judged or judged[key].outcome == "not_judged":
            judged[key] = verdict
    samples: dict[str, list[Sample]] = defaultdict(list)
    for key in sorted(judged):
        samples[key[0]].append(_sample(written[key], judged[key]))
    return dict(samples)


def _twice(what: str, row: Completion | Verdict) -> DataError:
    return DataError(
        f"sample {row.sample_index} has two {what}",
        where=row.task_id,
        cure="use one file at a time, with samples numbered per problem",
    )


def _sample(completion: Completion, verdict: Verdict) -> Sample:
    return Sample(completion, verdict, normalised(verdict.program or completion.completion))


def _labelled_of(
    problem: Problem, samples: list[Sample], config: PairsConfig, rng: random.Random
) -> list[Labelled] | Reason:
    """The labelled completions of one problem, or why there are none."""
    judged = _judged(samples, config)
    if isinstance(judged, str):
        return judged
    sides = {label: [s for s in judged if s.verdict.passed == label] for label in (True, False)}
    trees = {label: {sample.tree for sample in side} for label, side in sides.items()}
    both = trees[True] & trees[False]
    rows: list[Labelled] = []
    for label, side in sides.items():
        certain = [sample for sample in side if sample.tree not in both]
        cap = getattr(config.strategy, "max_per_side", None)
        if cap is not None and cap < len(certain):
            certain = sorted(rng.sample(certain, cap), key=lambda sample: sample.index)
        rows += [_labelled(problem, sample, label) for sample in certain]
    return rows or "identical_sides"


def _labelled(problem: Problem, sample: Sample, label: bool) -> Labelled:
    completion, verdict = sample.completion, sample.verdict
    columns = {
        "sample_index": sample.index,
        "finish_reason": completion.finish_reason,
        "pass_rate": sample.pass_rate,
        "tests_passed": verdict.tests_passed,
        "tests_total": verdict.tests_total,
        "outcome": verdict.outcome,
        "message": _message(verdict, verdict.first_failure),
    }
    return Labelled(
        prompt=_own_prompt(completion) or problem.prompt,
        completion=completion.completion,
        label=label,
        task_id=problem.task_id,
        prompt_ids=completion.prompt_ids,
        completion_ids=completion.completion_ids,
        **columns,
    )


def _judged(samples: list[Sample], config: PairsConfig) -> list[Sample] | Reason:
    """Samples with a verdict, equal programs once where that is asked for; or why there are none."""
    judged = [sample for sample in samples if sample.verdict.outcome != "not_judged"]
    if not judged:
        return "not_judged" if samples else "no_verdicts"
    return _distinct(judged) if config.deduplicate else judged


def _pairs_of(
    problem: Problem, samples: list[Sample], config: PairsConfig, rng: random.Random
) -> list[Pair] | Reason:
    """The pairs of one problem, or why there are none."""
    judged = _judged(samples, config)
    if isinstance(judged, str):
        return judged
    couples = _ordered_couples(judged, config)
    if isinstance(couples, str):
        return couples
    couples = [couple for couple in couples if not _same_side(*couple)]
    if not couples:
        return "identical_sides"
    couples = [couple for couple in couples if _same_prompt(*couple)]
    if not couples:
        return "different_prompts"
    rng.shuffle(couples)
    picked = _PICKERS[type(config.strategy)](couples, config.strategy)
    if not picked:
        return "no_length_match"
    return [_pair(problem, *couple) for couple in picked[: config.max_pairs_per_problem]]


def _distinct(samples: Iterable[Sample]) -> list[Sample]:
    """One sample per program and result; of equals the one that ended by itself, then the first.

    A program that both passed and failed stays on both sides, where `_same_side` finds it.
    """
    preferred = sorted(
        samples, key=lambda each: (each.completion.finish_reason == "length", each.index)
    )
    kept: dict[tuple[str, float, bool], Sample] = {}
    for sample in preferred:
        kept.setdefault((sample.tree, sample.pass_rate, sample.verdict.passed), sample)
    return sorted(kept.values(), key=lambda each: each.index)


def _ordered_couples(samples: Sequence[Sample], config: PairsConfig) -> list[Couple] | Reason:
    """Every (better, worse) couple: passed over failed, or by a margin of the pass rate."""
    passing = [sample for sample in samples if sample.verdict.passed]
    failing = [sample for sample in samples if not sample.verdict.passed]
    if not failing:
        return "all_pass"
    if isinstance(config.strategy, PassRatePairs):
        margin = config.strategy.min_margin
        couples = [
            (chosen, rejected)
            for chosen in samples
            for rejected in failing
            if chosen.pass_rate - rejected.pass_rate >= margin - 1e-12
        ]
        return couples or "no_margin"
    if not passing:
        return "all_fail"
    return [(chosen, rejected) for chosen in passing for rejected in failing]


def _same_side(chosen: Sample, rejected: Sample) -> bool:
    """The same program or the same text: nothing to prefer, whatever the verdicts said."""
    same_text = chosen.completion.completion == rejected.completion.completion
    return same_text or chosen.tree == rejected.tree


def _same_prompt(chosen: Sample, rejected: Sample) -> bool:
    ours, theirs = chosen.completion, rejected.completion
    return ours.prompt_ids == theirs.prompt_ids and _own_prompt(ours) == _own_prompt(theirs)


def _own_prompt(completion: Completion) -> str | None:
    return (completion.model_extra or {}).get("prompt")


def _pick_disjoint(couples: list[Couple], strategy: RandomPairs) -> list[Couple]:
    """Couples in random order, each completion in at most one of them."""
    used: set[int] = set()
    picked: list[Couple] = []
    for chosen, rejected in couples:
        if used.isdisjoint((chosen.index, rejected.index)):
            used |= {chosen.index, rejected.index}
            picked.append((chosen, rejected))
    return picked


def _pick_nearest(couples: list[Couple], strategy: NearestPairs) -> list[Couple]:
    return sorted(couples, key=lambda couple: edit_distance(*map(_program, couple)))


def _pick_length_matched(couples: list[Couple], strategy: LengthMatchedPairs) -> list[Couple]:
    def ratio(couple: Couple) -> float:
        shorter, longer = sorted(max(1, sample.length) for sample in couple)
        return longer / shorter

    return [couple for couple in couples if ratio(couple) <= strategy.max_ratio]


def _pick_all(couples: list[Couple], strategy: AllPairs | PassRatePairs) -> list[Couple]:
    return couples


_PICKERS: Mapping[type, Callable[[list[Couple], Any], list[Couple]]] = {
    RandomPairs: _pick_disjoint,
    NearestPairs: _pick_nearest,
    LengthMatchedPairs: _pick_length_matched,
    AllPairs: _pick_all,
    PassRatePairs: _pick_all,
}


def _program(sample: Sample) -> str:
    return sample.verdict.program or sample.completion.completion


def edit_distance(one: str, other: str) -> int:
    """Insertions, deletions and substitutions of characters between two texts (Levenshtein).

    Myers' bit-parallel algorithm (J. ACM 46, 1999; Hyyrö's form): one big-integer step per character of
    `other`.
    """
    if not one:
        return len(other)
    occurrences: dict[str, int] = defaultdict(int)
    for position, character in enumerate(one):
        occurrences[character] |= 1 << position
    everywhere, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, distance = everywhere, 0, len(one)
    for character in other:
        match = occurrences.get(character, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right = down | (everywhere & ~(diagonal | up))
        left = diagonal & up
        distance += bool(right & last) - bool(left & last)
        right = (right << 1 | 1) & everywhere
        up = (left << 1 & everywhere) | (everywhere & ~(diagonal | right))
        down = diagonal & right
    return distance


def _pair(problem: Problem, chosen: Sample, rejected: Sample) -> Pair:
    """The pair with what a reader of reports needs; text columns are "" where there is nothing.

    Columns are the same in every row, since readers of JSON lines infer their types from the first.
    """
    better, worse = chosen.completion, rejected.completion
    failure = rejected.verdict.first_failure
    columns = {
        "chosen_index": chosen.index,
        "rejected_index": rejected.index,
        "chosen_finish_reason": better.finish_reason,
        "rejected_finish_reason": worse.finish_reason,
        "chosen_pass_rate": chosen.pass_rate,
        "rejected_pass_rate": rejected.pass_rate,
        "chosen_tests_passed": chosen.verdict.tests_passed,
        "rejected_tests_passed": rejected.verdict.tests_passed,
        "tests_total": rejected.verdict.tests_total,
        "rejected_outcome": rejected.verdict.outcome,
        "rejected_message": _message(rejected.verdict, failure),
    }
    return Pair(
        prompt=_own_prompt(better) or problem.prompt,
        chosen=better.completion,
        rejected=worse.completion,
        task_id=problem.task_id,
        prompt_ids=better.prompt_ids,
        chosen_ids=better.completion_ids,
        rejected_ids=worse.completion_ids,
        **columns,
    )


def _message(verdict: Verdict, failure: TestResult | None) -> str:
    """The failing test in a line or two: what went in, what was expected, what came."""
    if failure is None:
        return verdict.message
    parts = [
        f"inputs: {failure.inputs}" if failure.inputs is not None else failure.name,
        f"expected: {failure.expected}" if failure.expected is not None else "",
        f"actual: {failure.actual}" if failure.actual is not None else "",
        failure.message,
    ]
    return "\n".join(part for part in parts if part)
