"""pass@k of verdicts, with intervals, and whether a gain is more than luck.

Promises: the unbiased estimator of arXiv 2107.03374 (section 2.1); a problem counts once however many
samples it has; the problem, not the sample, is the unit of every interval and test; a `not_judged`
sample is left out of n and counted, never scored. Every random number comes from a seed. Scores are
fractions, 0 to 1.

Not promised: that the problems are independent draws from what you care about, which every interval
here assumes.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codealign.errors import DataError
from codealign.records import CallTests, Problem, Verdict, unwritable

NUM_RESAMPLES = 10_000
_NORMAL = NormalDist()

Scores = NDArray[np.float64]


class PassAtK(NamedTuple):
    """A mean over problems with its confidence interval, fractions.

    `num_left_out` counts problems without k judged samples because some of theirs were `not_judged`.
    """

    value: float
    low: float
    high: float
    num_problems: int
    num_left_out: int = 0


class Gain(NamedTuple):
    """Aligned minus base, a difference of fractions, over the problems judged in both."""

    value: float
    low: float
    high: float
    p: float
    num_problems: int


class Tally(NamedTuple):
    """What the samples of one problem came to; `num_samples` counts judged ones only."""

    num_samples: int
    num_passed: int
    num_not_judged: int


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """Chance that k of the samples, drawn without replacement, hold a passing one.

    1 - C(n-c, k) / C(n, k) as a product (arXiv 2107.03374, figure 3), stable for any n.

    Raises:
        DataError: k is not within 1..n, or c not within 0..n.
    """
    if not 1 <= k <= num_samples:
        raise DataError(
            f"pass@{k} needs at least {k} judged samples of a problem, there are {num_samples}",
            cure="draw more samples or ask for a smaller k (k is at least 1)",
        )
    if not 0 <= num_passed <= num_samples:
        raise DataError(f"{num_passed} of {num_samples} samples can't have passed")
    failing = 1.0
    for drawn in range(num_samples - num_passed + 1, num_samples + 1):
        failing *= max(0.0, 1.0 - k / drawn)
    return 1.0 - failing


def tally(verdicts: Iterable[Verdict]) -> dict[str, Tally]:
    """Judged, passed and not judged samples by task id, in order of first appearance.

    A verdict replaces a `not_judged` one of the same sample, as a retry does.

    Raises:
        DataError: one sample was judged twice (two files run together, or a sampler that did not
            number its samples).
    """
    latest: dict[str, dict[int, Verdict]] = defaultdict(dict)
    for verdict in verdicts:
        samples = latest[verdict.task_id]
        earlier = samples.get(verdict.sample_index)
        if earlier is None or earlier.outcome == "not_judged":
            samples[verdict.sample_index] = verdict
        elif verdict.outcome != "not_judged":
            raise DataError(
                f"sample {verdict.sample_index} has two verdicts",
                where=verdict.task_id,
                cure="score one verdict file at a time, with samples numbered per problem",
            )
    return {task_id: _tally_one(samples.values()) for task_id, samples in latest.items()}


def _tally_one(verdicts: Iterable[Verdict]) -> Tally:
    judged = [verdict.passed for verdict in verdicts if verdict.outcome != "not_judged"]
    return Tally(len(judged), sum(judged), len(list(verdicts)) - len(judged))


def estimate_pass_at_k(
    verdicts: Iterable[Verdict], k: int = 1, *, confidence: float = 0.95, seed: int = 0
) -> PassAtK:
    """Mean pass@k over problems with its interval.

    Wilson's interval where every problem's score is 0 or 1 (one greedy sample each), else the BCa
    bootstrap over problems (Efron 1987). Equal scores on every problem give an interval of no width.

    Raises:
        DataError: a problem has fewer than k samples (judged or not), or none was judged.
    """
    return _estimate(tally(verdicts), k, confidence, seed)


def _estimate(tallies: Mapping[str, Tally], k: int, confidence: float, seed: int) -> PassAtK:
    scores = _scores_by_task(tallies, k)
    if not scores:
        raise DataError(
            f"no problem has {k} judged samples: there is no pass@{k}",
            cure="judge the `not_judged` samples again or ask for a smaller k",
        )
    scores_N = np.array(list(scores.values()))
    if _all_binary(scores_N):
        low, high = _wilson(int(scores_N.sum()), len(scores_N), confidence)
    else:
        low, high = _bca(scores_N, confidence, seed, bounds=(0.0, 1.0))
    num_left_out = len(tallies) - len(scores)
    return PassAtK(float(scores_N.mean()), low, high, len(scores), num_left_out)


def _scores_by_task(tallies: Mapping[str, Tally], k: int) -> dict[str, float]:
    """pass@k of each problem; one that is short of k only through `not_judged` is left out."""
    scores: dict[str, float] = {}
    for task_id, (num_samples, num_passed, num_not_judged) in tallies.items():
        if k <= num_samples:
            scores[task_id] = pass_at_k(num_samples, num_passed, k)
        elif k > num_samples + num_not_judged:
            raise DataError(
                f"pass@{k} needs {k} samples, there are {num_samples + num_not_judged}",
                where=task_id,
                cure="draw more samples or ask for a smaller k",
            )
    return scores


def paired_gain(
    base: Iterable[Verdict],
    aligned: Iterable[Verdict],
    k: int = 1,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Gain:
    """Mean of (aligned - base) pass@k over the problems judged in both, and its two-sided p.

    One greedy sample a problem: McNemar's exact test and the Bonett-Price interval (2012), which has
    width even where nothing changed. Otherwise: a sign-flip test on the problems' differences and the
    BCa bootstrap over problems.

    Raises:
        DataError: no problem was judged in both, or one has fewer than k samples.
    """
    base_scores = _scores_by_task(tally(base), k)
    aligned_scores = _scores_by_task(tally(aligned), k)
    gains = _differences(base_scores, aligned_scores)
    binary = _all_binary(base_scores.values()) and _all_binary(aligned_scores.values())
    return _gain(gains, binary=binary, confidence=confidence, seed=seed)


def mean_gain(
    repeats: Iterable[tuple[Iterable[Verdict], Iterable[Verdict]]],
    k: int = 1,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Gain:
    """`paired_gain` of several repeats of one experiment, such as seeds: each problem's mean over them.

    The interval and the p are over problems, for these very repeats: how much repeats differ among themselves
    is another question, and their single gains answer it. A problem counts where every repeat judged it.

    Args:
        repeats: (base, aligned) verdicts of each.

    Raises:
        DataError: no repeat, no problem that was judged in all of them, or one has fewer than k samples.
    """
    each = [
        _differences(_scores_by_task(tally(base), k), _scores_by_task(tally(aligned), k))
        for base, aligned in repeats
    ]
    shared = [task_id for task_id in each[0] if all(task_id in gains for gains in each)]
    if not shared:
        raise DataError(
            "no problem was judged in every repeat",
            cure="evaluate all of them on the same problems",
        )
    means = {task_id: math.fsum(gains[task_id] for gains in each) / len(each) for task_id in shared}
    return _gain(means, binary=False, confidence=confidence, seed=seed)


def _differences(base: Mapping[str, float], aligned: Mapping[str, float]) -> dict[str, float]:
    """Aligned minus base of each problem that both have."""
    gains = {task_id: aligned[task_id] - base[task_id] for task_id in base if task_id in aligned}
    if not gains:
        raise DataError(
            "no problem was judged both before and after",
            cure="evaluate both policies on the same problems",
        )
    return gains


def _gain(gains: Mapping[str, float], *, binary: bool, confidence: float, seed: int) -> Gain:
    gain_N = np.array(list(gains.values()))
    if binary:
        low, high = _bonett_price(gain_N, confidence)
    else:
        low, high = _bca(gain_N, confidence, seed, bounds=(-1.0, 1.0))
    return Gain(float(gain_N.mean()), low, high, _sign_flip_p(gain_N, seed), len(gain_N))


def summarise(
    verdicts: Iterable[Verdict], ks: Sequence[int], *, confidence: float = 0.95, seed: int = 0
) -> dict[str, Any]:
    """What `codealign eval --json` prints: pass@k with intervals, outcomes, counts.

    `num_samples` counts every verdict, so the outcomes add up to it; `not_judged` is among them and
    in no score.

    Raises:
        DataError: no verdicts, or a k that the samples can't give.
    """
    verdicts = list(verdicts)
    if not verdicts:
        raise DataError("there are no verdicts to score", cure="judge some completions first")
    tallies = tally(verdicts)
    return {
        "pass@k": {str(k): _plain(_estimate(tallies, k, confidence, seed)) for k in ks},
        "outcomes": dict(Counter(verdict.outcome for verdict in verdicts).most_common()),
        "num_problems": len(tallies),
        "num_samples": len(verdicts),
        "num_not_judged": sum(each.num_not_judged for each in tallies.values()),
    }


def _plain(estimate: PassAtK) -> dict[str, Any]:
    """An estimate as JSON; problems left out are named only when there are some."""
    row = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return row | ({"num_left_out": estimate.num_left_out} if estimate.num_left_out else {})


def _all_binary(scores: Iterable[float]) -> bool:
    return all(score in (0.0, 1.0) for score in scores)


def _wilson(num_passed: int, num: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion (1927)."""
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    share = num_passed / num
    centre = share + z * z / (2 * num)
    half = z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    scale = 1 + z * z / num
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _bonett_price(gain_N: Scores, confidence: float) -> tuple[float, float]:
    """Interval of a difference of paired proportions: Wald's with one count added to each side."""
    num = len(gain_N) + 2
    won, lost = (float((gain_N == sign).sum() + 1) / num for sign in (1, -1))
    half = _NORMAL.inv_cdf(0.5 + confidence / 2) * math.sqrt((won + lost - (won - lost) ** 2) / num)
    return max(-1.0, won - lost - half), min(1.0, won - lost + half)


def _bca(
    scores_N: Scores, confidence: float, seed: int, *, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean.

    One problem says nothing about others: the interval is then all of `bounds`.
    """
    if len(scores_N) == 1:
        return bounds
    scores_N = np.sort(scores_N)  # a sum depends on its order, the interval must not
    centred_N = scores_N - scores_N.mean()
    if not np.any(np.abs(centred_N) > 1e-12):
        return float(scores_N[0]), float(scores_N[0])
    means_R = _resampled_means(scores_N, seed)
    shift_R = means_R - scores_N.mean()
    below = float((shift_R < -1e-12).mean() + 0.5 * (np.abs(shift_R) <= 1e-12).mean())
    bias = _NORMAL.inv_cdf(min(max(below, 1 / NUM_RESAMPLES), 1 - 1 / NUM_RESAMPLES))
    acceleration = float((centred_N**3).sum() / (6 * (centred_N**2).sum() ** 1.5))

    def level(tail: float) -> float:
        shifted = bias + _NORMAL.inv_cdf(tail)
        return _NORMAL.cdf(bias + shifted / (1 - acceleration * shifted))

    tail = (1 - confidence) / 2
    low, high = np.quantile(means_R, [level(tail), level(1 - tail)])
    return float(low), float(high)


def _resampled_means(scores_N: Scores, seed: int) -> Scores:
    """Means of resampled problems, drawn as counts of the distinct scores: same law, no N x R array."""
    values, counts = np.unique(scores_N, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn_RV = rng.multinomial(len(scores_N), counts / len(scores_N), size=NUM_RESAMPLES)
    return drawn_RV @ values / len(scores_N)


def _sign_flip_p(gain_N: Scores, seed: int) -> float:
    """Two-sided p of sum(gain) when each problem's sign is a fair coin.

    Where all changes are of one size this is McNemar's exact test; otherwise signs are drawn, and the
    observed one counts as a draw so that p is never 0 (Phipson and Smyth 2010).
    """
    sizes, counts = np.unique(np.abs(gain_N[np.abs(gain_N) > 1e-12]).round(12), return_counts=True)
    if len(sizes) == 0:
        return 1.0
    if len(sizes) == 1:
        return _mcnemar(int((gain_N > 1e-12).sum()), int((gain_N < -1e-12).sum()))
    rng = np.random.default_rng(seed)
    positive_RV = rng.binomial(counts, 0.5, size=(NUM_RESAMPLES, len(counts)))
    sums_R = (2 * positive_RV - counts) @ sizes
    extreme = int((np.abs(sums_R) >= abs(gain_N.sum()) - 1e-9).sum())
    return (extreme + 1) / (NUM_RESAMPLES + 1)


def _mcnemar(won: int, lost: int) -> float:
    """Exact two-sided binomial p of `won` against `lost` under a fair coin."""
    changed = won + lost
    tail = sum(math.comb(changed, i) for i in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / 2**changed)


def write_evalplus_results(
    verdicts: Iterable[Verdict], path: Path | str, problems: Iterable[Problem] = ()
) -> None:
    """Write verdicts as EvalPlus's `eval_results.json`, for tools that read those.

    `base_status` is over the original benchmark's tests and `plus_status` over all of them where the
    problem's tests are EvalPlus's; elsewhere `plus_status` is null. A `not_judged` sample is left out.

    Raises:
        StorageError: the file can't be written.
    """
    num_base = {
        problem.task_id: problem.tests.num_base
        for problem in problems
        if isinstance(problem.tests, CallTests)
    }
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for verdict in sorted(verdicts, key=lambda verdict: verdict.sample_index):
        if verdict.outcome != "not_judged":
            results[verdict.task_id].append(_evalplus_row(verdict, num_base.get(verdict.task_id)))
    _write_json(Path(path), {"eval": results})


def _evalplus_row(verdict: Verdict, num_base: int | None) -> dict[str, Any]:
    status = _evalplus_status(verdict.outcome)
    base_status = status
    if num_base is not None and len(verdict.tests) >= num_base:
        outcomes = [test.outcome for test in verdict.tests[:num_base]]
        base_status = next(
            (_evalplus_status(each) for each in outcomes if each != "passed"), "pass"
        )
    return {
        "task_id": verdict.task_id,
        "solution": verdict.program,
        "base_status": base_status,
        "plus_status": None if num_base is None else status,
        "base_fail_tests": _failing_inputs(verdict, 0, num_base),
        "plus_fail_tests": [] if num_base is None else _failing_inputs(verdict, num_base, None),
    }


def _evalplus_status(outcome: str) -> str:
    return {"passed": "pass", "timeout": "timeout"}.get(outcome, "fail")


def _failing_inputs(verdict: Verdict, start: int, stop: int | None) -> list[str]:
    tests = verdict.tests[start:stop]
    return [test.inputs or test.name for test in tests if test.outcome != "passed"]


def _write_json(path: Path, value: Any) -> None:
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise unwritable(error, path) from error
