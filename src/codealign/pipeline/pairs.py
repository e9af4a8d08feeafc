"""The stage `pairs`: from verdicts, or from a file, to what is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from codealign.errors import InputError
from codealign.pairs import build_labelled, build_pairs
from codealign.pipeline.run import Run
from codealign.records import Completion, Labelled, Pair, Record, Verdict, write_records
from codealign.rundir import Shards, Stage


class PairReason(Record):
    """Why a training problem gave no pair, or how many it gave."""

    task_id: str
    reason: str


def pairs_stage(run: Run) -> None:
    """Rank the judged completions into preference pairs, or label them, or read a file of either.

    Raises:
        InputError: no problem gave one; again each time, so that a run never goes on without pairs.
    """
    stage = run.stage("pairs")
    if not stage.done:
        (_read_pairs if run.pairs_file else _make_pairs)(run, stage)
    if not (stage.record.get("num_pairs") or stage.record.get("num_labelled")):
        raise InputError(
            f"no problem gave a pair ({_counted(stage.record['reasons'])})",
            where=str(run.path),
            cure="sample more completions a problem, or choose problems the model solves sometimes",
        )


def _make_pairs(run: Run, stage: Stage) -> None:
    verdicts = run.require("judge").shards.read(Verdict)
    with stage:
        build = build_labelled if run.has_labels else build_pairs
        result = build(
            run.train_problems.values(),
            run.require("sample").shards.read(Completion),
            verdicts,
            run.config.pairs,
            seed=run.config.seed,
        )
        reasons = [PairReason(task_id=t, reason=r) for t, r in result.reasons.items()]
        # Small and quick: written anew as a whole, so an interrupted attempt leaves nothing behind.
        write_records(run.path / "pairs" / "reasons.jsonl", reasons)
        facts = _write_preferences(run.path / "pairs", result[0])
        stage.finish(**facts, reasons=dict(result.counts))
    run.progress.note(f"pairs: {_counted(facts)} from {len(run.train_problems)} problems")


def _write_preferences(
    directory: Path, rows: Sequence[Pair] | Sequence[Labelled]
) -> dict[str, int]:
    """Pairs into the directory itself, labelled completions into one of their own; how many there are."""
    labelled = [row for row in rows if isinstance(row, Labelled)]
    if labelled:
        write_records(directory / "labelled" / "part-00000.jsonl", labelled)
        return {"num_labelled": len(labelled), "num_desirable": sum(row.label for row in labelled)}
    write_records(directory / "part-00000.jsonl", rows)
    return {"num_pairs": len(rows)}


def read_preferences_of(directory: Path) -> list[Pair] | list[Labelled]:
    """What a stage that makes pairs has left: labelled completions, or pairs."""
    return Shards(directory / "labelled").read(Labelled) or Shards(directory).read(Pair)


def _read_pairs(run: Run, stage: Stage) -> None:
    found = run.preferences
    with stage:
        facts = _write_preferences(run.path / "pairs", found.rows)
        stage.finish(**facts, format=found.format.name, left_out=found.left_out)
    run.progress.note(f"pairs: {_counted(facts)} of the format {found.format.name}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())
