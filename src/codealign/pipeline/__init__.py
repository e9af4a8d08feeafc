"""The stages of a run, in order, each skipped when what it would make is there already.

    sample → judge → pairs → (contrast/good → contrast/bad →) (annotate →) eval/base → train → eval/aligned → report

Those in brackets are there where the configuration asks for them, and a run on preference data made elsewhere begins
with its pairs. A run that trains on rollouts begins with the proof of the base policy. `Run.keys` has a run's own.

A stage's key hashes everything that can change what it makes: the stage before it, its own settings,
the seed, the problems, the model. Work is appended as it is finished, so a killed run continues where it
was and ends where it would have ended. torch is imported only by the stages that need it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from codealign.config import RunConfig
from codealign.pipeline.annotation import annotate_stage, contrast_bad_stage, contrast_good_stage
from codealign.pipeline.crediting import credit_stage, stored_credit
from codealign.pipeline.fingerprints import weights_fingerprint
from codealign.pipeline.pairs import pairs_stage, read_preferences_of
from codealign.pipeline.proof import eval_aligned_stage, eval_base_stage, eval_stages
from codealign.pipeline.run import Run
from codealign.pipeline.sampling import judge_stage, sample_and_judge, sample_stage
from codealign.pipeline.training import join_training, train_stage
from codealign.progress import Progress
from codealign.rundir import RunDir, stage_record

STAGE_FUNCTIONS: dict[str, Callable[[Run], None]] = {
    "sample": sample_stage,
    "judge": judge_stage,
    "pairs": pairs_stage,
    "contrast/good": contrast_good_stage,
    "contrast/bad": contrast_bad_stage,
    "annotate": annotate_stage,
    "eval/base": eval_base_stage,
    "train": train_stage,
    "eval/aligned": eval_aligned_stage,
}


def run_all(run: Run) -> None:
    """Every stage in order, each skipped when it is done."""
    if all(run.stage(name).done for name in run.keys):
        run.progress.note(f"every stage is done in {run.path}")
    run.check_leakage()
    if not run.stage("train").done:
        run.check_training()
    if "sample" in run.keys:
        sample_and_judge(run)
    for name in run.keys:
        STAGE_FUNCTIONS[name](run)


def plan(config: RunConfig, path: Path, only: str | None = None) -> list[dict[str, str]]:
    """What `run` would do: each stage, or one, with `done`, `to continue`, `to redo` or `to do`.

    Raises:
        InputError: the run has no stage `only`.
    """
    run = Run(config, RunDir(path), Progress(quiet=True))
    rows = []
    for name in run.keys if only is None else [only]:
        key = run.key_of(name)
        record = stage_record(path, name)
        if record is None:
            state = "to do"
        elif record["key"] != key:
            state = "to redo: other settings"
        else:
            state = "done" if record.get("done") else "to continue"
        rows.append({"stage": name, "state": state})
    return rows


__all__ = [
    "STAGE_FUNCTIONS",
    "Run",
    "annotate_stage",
    "contrast_bad_stage",
    "contrast_good_stage",
    "credit_stage",
    "eval_stages",
    "join_training",
    "judge_stage",
    "pairs_stage",
    "plan",
    "read_preferences_of",
    "run_all",
    "sample_and_judge",
    "sample_stage",
    "stored_credit",
    "train_stage",
    "weights_fingerprint",
]
