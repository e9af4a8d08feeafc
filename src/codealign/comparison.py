"""Methods against each other: one run for each method and seed, on the same problems, in one table.

    name: methods
    base: kata.yaml                       # a run file beside this one; without it the embedded default, kata
    seeds: [0, 1, 2]
    baseline: dpo                         # what every other method is compared with
    methods:
      dpo: {}
      minor_dpo: {train: {objective: {kind: minor_dpo}}}

Each run is an ordinary run directory, NAME/METHOD/seed-N, so it can be looked at, continued and reported like any
other. What two of them would make the same (completions, verdicts, pairs, the base policy's proof) is made once.

Promises: killed at any moment, the same command goes on; a method that fails leaves the others alone, is named, and is
tried again next time; numbers of a changed file are never mixed with those of the file before.

Not promised: a fair comparison. Methods have the same problems, samples and seeds; learning rates and epochs are
yours to choose well for each, and the table shows steps, tokens and seconds beside the scores.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from codealign.config import Count, RunConfig, Section, overlaid, parse_config, read_yaml
from codealign.errors import ConfigError, InputError
from codealign.passk import estimate_pass_at_k, mean_gain, paired_gain
from codealign.pipeline import Run
from codealign.progress import Progress
from codealign.records import Verdict
from codealign.report.comparing import ComparisonData, comparison_data, write_comparison_page
from codealign.report.curves import last_mean
from codealign.results import eval_verdicts, rows_of
from codealign.rundir import RunDir, read_json, stage_record, write_json

KATA_RUN = Path(__file__).with_name("kata.yaml")


def run_path(directory: Path, method: str, seed: int) -> Path:
    """Where a method's run under a seed is."""
    return directory / method / f"seed-{seed}"


class ComparisonConfig(Section):
    """A file of methods."""

    name: str = "comparison"
    run_dir: str | None = None
    """Where the runs go; None is runs/<name>."""
    base: str | dict[str, Any] | None = None
    """A run file (a path from this file's directory), or its sections; None is the embedded default, kata."""
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        default_factory=lambda: [0, 1, 2]
    )
    baseline: str | None = None
    """The method that the others are compared with; None is the first."""
    methods: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    """What each method changes in the base."""
    jobs: Count = 1
    """Runs at a time; more than one only where the machine has room for so many models."""

    @model_validator(mode="after")
    def _names(self) -> ComparisonConfig:
        if self.baseline is not None and self.baseline not in self.methods:
            raise ValueError(f"baseline: {self.baseline!r} is not one of the methods")
        for name in self.methods:
            if not name or Path(name).name != name or name.startswith("."):
                raise ValueError(f"methods: {name!r} can't be a directory's name")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: each once")
        return self


class PlannedRun(NamedTuple):
    """One method under one seed."""

    method: str
    seed: int
    path: Path
    config: RunConfig

    @property
    def done(self) -> bool:
        run = Run(self.config, RunDir(self.path), Progress(quiet=True))
        records = ((stage_record(self.path, name), key) for name, key in run.keys.items())
        return all(each and each["key"] == key and each.get("done") for each, key in records)


class Comparison(NamedTuple):
    """A comparison's runs, a seed of every method after the other, so that runs at a time share no stage."""

    config: ComparisonConfig
    path: Path
    runs: list[PlannedRun]

    @property
    def baseline(self) -> str:
        return self.config.baseline or next(iter(self.config.methods))


def load_comparison(path: Path, overrides: Iterable[str] = ()) -> Comparison:
    """Read a file of methods; `key=value` overrides hold for every run.

    Raises:
        ConfigError: with file, method and key.
    """
    config = parse_config(ComparisonConfig, read_yaml(path), where=str(path))
    base = _base(config, path)
    run_dir = Path(config.run_dir or f"runs/{config.name}")
    overrides = list(overrides)
    runs = []
    for method, changes in config.methods.items():
        for seed in config.seeds:
            data = overlaid(base, changes) | {"name": method, "seed": seed}
            where = f"{path}, methods.{method}"
            planned = parse_config(RunConfig, data, overrides, where=where)
            if planned.problems.heldout is None:
                raise ConfigError(
                    "there are no held-out problems to compare on",
                    where=where,
                    cure="set problems.heldout in the base",
                )
            runs.append(PlannedRun(method, seed, run_path(run_dir, method, seed), planned))
    return Comparison(config, run_dir, runs)


def _base(config: ComparisonConfig, path: Path) -> dict[str, Any]:
    if isinstance(config.base, dict):
        return config.base
    return read_yaml(path.parent / config.base if config.base is not None else KATA_RUN)


def run_comparison(
    comparison: Comparison, on_event: Callable[[PlannedRun, str], None], jobs: int | None = None
) -> dict[str, str]:
    """Do every run that is not done, each in a process of its own; returns what failed and why.

    Args:
        on_event: told of each run as it is `done before`, `started`, `done` or `failed`.
        jobs: runs at a time, in the place of the file's.
    """
    failures: dict[str, str] = {}
    running = _Running()

    def work(planned: PlannedRun) -> None:
        if planned.done:
            on_event(planned, "done before")
            return
        on_event(planned, "started")
        error = running.run(planned, comparison.path)
        if error:
            failures[f"{planned.method}, seed {planned.seed}"] = error
        on_event(planned, "failed" if error else "done")

    with ThreadPoolExecutor(jobs or comparison.config.jobs) as pool:
        futures = [pool.submit(work, planned) for planned in comparison.runs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            running.interrupt()
            raise
    return failures


class _Running:
    """The processes of runs that are going on, so that an interrupt reaches them."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[str]] = set()

    def run(self, planned: PlannedRun, reuse: Path) -> str:
        """Run it as a user would; what it said last where it failed, else nothing."""
        write_json(planned.path / "config.json", planned.config.model_dump(mode="json"))
        words = ["run", str(planned.path), "--reuse", str(reuse), "-q", "--json"]
        process = subprocess.Popen(
            [sys.executable, "-m", "codealign", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.add(process)
        said = [line for line in process.communicate()[1].splitlines() if line.strip()]
        self._processes.discard(process)
        if process.returncode == 0:
            return ""
        return next((line for line in said if line.startswith("error")), (said or ["no word"])[-1])

    def interrupt(self) -> None:
        """What Ctrl-C does to a run: it ends, and the next one goes on from there."""
        for process in list(self._processes):
            process.send_signal(signal.SIGINT)


# ---------------------------------------------------------------- what they came to


def summarise_comparison(comparison: Comparison) -> dict[str, Any]:
    """Scores, gains and differences of the runs that are done, by method.

    `gain` is over the base policy, `difference` over the baseline method, both the mean over seeds with an interval
    over problems; `seeds` has each seed's own. Scores are fractions, log-ratios nats.

    Raises:
        InputError: no run is done.
    """
    done = [planned for planned in comparison.runs if planned.done]
    if not done:
        raise InputError(
            "no run of this comparison is done", where=str(comparison.path), cure="run it first"
        )
    scored = {planned[:2]: _scored(planned) for planned in done}
    methods = {
        method: _summarise_method(comparison, method, scored)
        for method in comparison.config.methods
        if any(name == method for name, _ in scored)
    }
    return {
        "name": comparison.config.name,
        "run_dir": str(comparison.path),
        "baseline": comparison.baseline,
        "seeds": comparison.config.seeds,
        "confidence": done[0].config.eval.confidence,
        "metrics": _metric_ks(done[0]),
        "methods": methods,
        "missing": [f"{p.method}, seed {p.seed}" for p in comparison.runs if p not in done],
    }


class _Scored(NamedTuple):
    """A run that is done: its verdicts, and what its records say."""

    base: tuple[list[Verdict], list[Verdict]]
    aligned: tuple[list[Verdict], list[Verdict]]
    facts: dict[str, Any]
    settings: dict[str, Any]


def _scored(planned: PlannedRun) -> _Scored:
    run = Run(planned.config, RunDir(planned.path), Progress(quiet=True))
    evaluation = planned.config.eval
    settings = {"confidence": evaluation.confidence, "seed": planned.config.seed}
    return _Scored(eval_verdicts(run, "base"), eval_verdicts(run, "aligned"), _facts(run), settings)


def _metric_ks(planned: PlannedRun) -> dict[str, int]:
    """k by the name of the metric; greedy first."""
    return {"greedy_pass@1": 1} | {f"pass@{k}": k for k in planned.config.eval.k}


def _of(metric: str, verdicts: tuple[list[Verdict], list[Verdict]]) -> list[Verdict]:
    greedy, sampled = verdicts
    return greedy if metric.startswith("greedy") else sampled


def _summarise_method(
    comparison: Comparison, method: str, scored: Mapping[tuple[str, int], _Scored]
) -> dict[str, Any]:
    runs = {seed: run for (name, seed), run in scored.items() if name == method}
    rivals = {seed: run for (name, seed), run in scored.items() if name == comparison.baseline}
    shared = [] if method == comparison.baseline else sorted(runs.keys() & rivals.keys())
    ks = _metric_ks(next(p for p in comparison.runs if p.method == method))
    result: dict[str, Any] = {"seeds": {str(seed): run.facts for seed, run in runs.items()}}
    for metric, k in ks.items():
        mine = {s: (_of(metric, run.base), _of(metric, run.aligned)) for s, run in runs.items()}
        against = {s: (_of(metric, rivals[s].aligned), mine[s][1]) for s in shared}
        found: dict[int, dict[str, float]] = {}
        for seed, pair in mine.items():
            own = paired_gain(*pair, k, **runs[seed].settings)
            found[seed] = {"gain": own.value, **_levels(pair, k)}
        for seed, pair in against.items():
            found[seed]["difference"] = paired_gain(*pair, k, **runs[seed].settings).value
        for seed, values in found.items():
            result["seeds"][str(seed)][metric] = values
        settings = next(iter(runs.values())).settings
        result[metric] = {
            "gain": mean_gain(mine.values(), k, **settings)._asdict(),
            "base": _mean(values["base"] for values in found.values()),
            "aligned": _mean(values["aligned"] for values in found.values()),
        }
        if against:
            difference = mean_gain(against.values(), k, **settings)._asdict()
            result[metric]["difference"] = difference | {"seeds": shared}
    return result


def _levels(pair: tuple[list[Verdict], list[Verdict]], k: int) -> dict[str, float]:
    base, aligned = (estimate_pass_at_k(verdicts, k).value for verdicts in pair)
    return {"base": base, "aligned": aligned}


def _facts(run: Run) -> dict[str, Any]:
    """What a run cost and where its policy went."""
    records = {name: stage_record(run.path, name) or {} for name in run.keys}
    train, before, after = (records[name] for name in ("train", "eval/base", "eval/aligned"))
    sample = records.get("sample", {})
    if run.is_online:
        num_sampled = train.get("num_rollouts", 0) + train.get("num_continuations", 0)
    else:
        num_sampled = sample.get("num_completions")
    facts = {
        "num_sampled": num_sampled,
        "num_sampled_tokens": train.get("num_sampled_tokens", sample.get("num_tokens")),
        "num_pairs": train.get("num_pairs"),
        "num_steps": train.get("num_steps"),
        "num_tokens": train.get("num_tokens"),
        "seconds": _seconds_to_align(records),
        "warnings": train.get("warnings", []),
    }
    if before.get("solution_nll") is not None and after.get("solution_nll") is not None:
        facts["solution_nll_change"] = after["solution_nll"] - before["solution_nll"]
    return facts | _last_log_ratios(run.path / "metrics.jsonl")


def _seconds_to_align(records: Mapping[str, Mapping[str, Any]]) -> float:
    """From the first completion drawn to the aligned weights, wherever each stage was made. Judging contains the sampling
    that it goes along with."""
    seconds = {name: record.get("seconds", 0.0) for name, record in records.items()}
    gathering = max(seconds.pop("sample", 0.0), seconds.pop("judge", 0.0))
    return gathering + sum(s for name, s in seconds.items() if not name.startswith("eval/"))


def _last_log_ratios(path: Path) -> dict[str, float]:
    rows = rows_of(path)
    means = {side: last_mean(rows, f"log_ratio/{side}") for side in ("chosen", "rejected")}
    return {f"log_ratio_{side}": mean for side, mean in means.items() if mean is not None}


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def conclude_comparison(comparison: Comparison) -> dict[str, Any]:
    """Write comparison.json and comparison.html; returns the summary."""
    summary = summarise_comparison(comparison)
    write_json(comparison.path / "comparison.json", summary)
    write_comparison_page(shown_comparison(comparison.path), comparison.path / "comparison.html")
    return summary


def shown_comparison(directory: Path) -> ComparisonData:
    """What a comparison's page shows, from what its directory holds.

    Raises:
        InputError: it holds no comparison.json.
        DataError: that file has another shape.
    """
    summary = read_json(directory / "comparison.json")
    if summary is None:
        raise InputError(
            "no comparison.json there", where=str(directory), cure="`codealign compare` writes it"
        )
    data = comparison_data(summary)
    rows = {
        name: {seed: rows_of(run_path(directory, name, seed) / "metrics.jsonl") for seed in m.seeds}
        for name, m in data.methods.items()
    }
    return data.model_copy(update={"rows": rows})
