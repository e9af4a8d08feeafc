"""What a run came to: scores before and after, the gain, the summary, the report, the model card.

Everything here is read from the run directory, so it can be made again at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codealign.passk import paired_gain, summarise
from codealign.pipeline import Run, stored_credit
from codealign.records import Pair, Verdict, read_records, read_rows
from codealign.rundir import Shards, rollout_paths, write_json

PAIR_FACTS = ("num_pairs", "num_labelled", "num_desirable", "reasons")
"""What a summary says of the stage `pairs`; a run has pairs or labelled completions, and the others are None."""

MAX_VIOLATIONS = 5
"""Rollouts that the report shows of those that tried something forbidden."""


def conclude(run: Run) -> dict[str, Any]:
    """Write summary.json, the model card and report.html; returns the summary."""
    summary = summarise_run(run)
    write_json(run.path / "summary.json", summary)
    write_scores_to_card(run, summary)
    write_run_report(run, summary)
    return summary


def scores(run: Run) -> dict[str, dict[str, Any]]:
    """{"base": {"greedy_pass@1": {value, low, high}, "pass@1": …}, "aligned": …} of what is done."""
    settings = {"confidence": run.config.eval.confidence, "seed": run.config.seed}
    result: dict[str, dict[str, Any]] = {}
    for name in ("base", "aligned"):
        greedy, sampled = eval_verdicts(run, name)
        if not greedy:
            continue
        result[name] = {"greedy_pass@1": summarise(greedy, [1], **settings)["pass@k"]["1"]}
        for k, value in summarise(sampled, run.config.eval.k, **settings)["pass@k"].items():
            result[name][f"pass@{k}"] = value
    return result


def eval_verdicts(run: Run, name: str) -> tuple[list[Verdict], list[Verdict]]:
    """(greedy, sampled) verdicts of the held-out problems, `name` is base or aligned."""
    directory = run.path / "eval" / name
    return Shards(directory / "greedy").read(Verdict), Shards(directory / "sampled").read(Verdict)


def gains(run: Run) -> dict[str, dict[str, float]]:
    """Aligned minus base for each score: value, low, high, p, paired by problem."""
    base_greedy, base_sampled = eval_verdicts(run, "base")
    aligned_greedy, aligned_sampled = eval_verdicts(run, "aligned")
    settings = {"confidence": run.config.eval.confidence, "seed": run.config.seed}
    result = {"greedy_pass@1": paired_gain(base_greedy, aligned_greedy, **settings)}
    for k in run.config.eval.k:
        result[f"pass@{k}"] = paired_gain(base_sampled, aligned_sampled, k, **settings)
    return {name: gain._asdict() for name, gain in result.items()}


def summarise_run(run: Run) -> dict[str, Any]:
    """What `codealign run --json` prints."""
    from codealign.report.rollouts import rollout_courses

    records = {name: run.stage(name).record for name in run.keys}
    estimates = scores(run)
    outcomes = {
        name: dict(
            Counter(verdict.outcome for verdict in eval_verdicts(run, name)[1]).most_common()
        )
        for name in estimates
    }
    plain = {
        name: {metric: value["value"] for metric, value in values.items()}
        for name, values in estimates.items()
    }
    return {
        "run_dir": str(run.path),
        "base": plain.get("base", {}),
        "aligned": plain.get("aligned", {}),
        "gain": gains(run) if "aligned" in estimates else {},
        "intervals": estimates,
        "outcomes": outcomes,
        "rollouts": rollout_courses(rows_of(run.path / "metrics.jsonl")) if run.is_online else {},
        "pairs": {key: records.get("pairs", {}).get(key) for key in PAIR_FACTS},
        "warnings": records["train"].get("warnings", []),
        "stages": {name: _shown(record) for name, record in records.items()},
        "isolation": next((r["isolation"] for r in records.values() if r.get("isolation")), ""),
        "confidence": run.config.eval.confidence,
    }


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    hidden = {"key", "done", "reasons", "warnings", "isolation"}
    return {name: value for name, value in record.items() if name not in hidden}


def write_run_report(run: Run, summary: Mapping[str, Any]) -> Path:
    """Write report.html from what the run directory holds."""
    from codealign.report import ReportData, write_report

    credit = stored_credit(run)
    data = ReportData(
        config=run.config.model_dump(mode="json"),
        summary=dict(summary),
        metrics=rows_of(run.path / "metrics.jsonl"),
        base_greedy=eval_verdicts(run, "base")[0],
        base_sampled=eval_verdicts(run, "base")[1],
        aligned_greedy=eval_verdicts(run, "aligned")[0],
        aligned_sampled=eval_verdicts(run, "aligned")[1],
        problems=list(run.heldout_problems.values()),
        pairs=trained_pairs(run),
        pair_reasons={
            row["task_id"]: row["reason"] for row in rows_of(run.path / "pairs" / "reasons.jsonl")
        },
        credit=credit or {},
        credit_states=rows_of(run.path / "credit" / "states.jsonl") if credit else [],
        violations=violations(run.path),
    )
    path = run.path / "report.html"
    write_report(data, path)
    return path


def trained_pairs(run: Run) -> list[Pair]:
    """The pairs with what was written into them before training; as they were built where that has not come yet.

    None of a run that trains on rollouts: its pairs come and go.
    """
    if run.is_online:
        return []
    return run.stage(run.last_pairs_stage).shards.read(Pair) or run.stage("pairs").shards.read(Pair)


def violations(run_path: Path, limit: int = MAX_VIOLATIONS) -> list[Verdict]:
    """The latest rollouts that tried something forbidden."""
    found: list[Verdict] = []
    for path in reversed(rollout_paths(run_path).values()):
        found += [row for row in read_records(Verdict, path) if row.outcome == "violation"]
        if len(found) >= limit:
            break
    return found[:limit]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """A JSON-lines file of the run; nothing where its stage has not come yet."""
    return [row for _, row in read_rows(path)] if path.exists() else []


def write_scores_to_card(run: Run, summary: Mapping[str, Any]) -> None:
    """Put the held-out scores into the model card's model-index."""
    if not (run.path / "model").is_dir() or not summary["aligned"]:
        return
    from codealign.modelcard import Score, write_model_card

    dataset = run.config.problems.heldout or "held-out problems"
    scores = [Score(dataset, metric, value) for metric, value in summary["aligned"].items()]
    model = run.config.model
    write_model_card(
        run.path / "model", model.model_name_or_path, scores, is_adapter=model.use_peft
    )
