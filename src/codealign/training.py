"""Training on recorded data: pairs, or labelled completions.

It promises what the loop does, and that nothing is truncated: pairs that don't fit are left out, counted and reported.

Several processes, started by `accelerate launch`, share each step (DDP), with `--use_fsdp --fsdp_version 2` the
weights too, with `--use_deepspeed` the moments: the same losses, one checkpoint as of one process, resumed by any number of
them. What a launcher may ask for is `launching`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate.tracking import get_available_trackers

from codealign.config import ModelConfig, TrainConfig, ZerothOrder
from codealign.errors import ConfigError, DataError
from codealign.experience import EncodedPairs, PairExperience, encode_pairs
from codealign.labels import EncodedLabels, encode_labelled
from codealign.launching import check_update, open_accelerator
from codealign.loop import Data, Evaluate, Loop, StepReport, TrainResult
from codealign.objectives import Objective, build_objective, kinds_that_read_labels
from codealign.policy import Policy
from codealign.processes import num_processes
from codealign.records import Labelled, Pair, content_hash

logger = logging.getLogger(__name__)

UNSEEN_BY_WEIGHTS = {
    "logging_steps",
    "save_steps",
    "save_total_limit",
    "report_to",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_tokens_per_microbatch",
    "pairs_per_step",
    "reference_cache",
}
"""Settings that may change between two halves of a run; how many pairs a step has may not."""


def train(
    policy: Policy,
    pairs: Sequence[Pair] | Sequence[Labelled],
    config: TrainConfig,
    *,
    run_dir: Path,
    seed: int,
    evaluate: Evaluate | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train `policy` in place on `pairs`, continuing from the last checkpoint in `run_dir`.

    Launched in several processes, each must call this; afterwards each has the trained weights.

    Args:
        policy: at its first weights, also when resuming: they are the reference.
        pairs: with token ids where a sampler gave them; labelled completions for objectives that learn from them.
        config: the run file's `train` section.
        run_dir: checkpoints and `metrics.jsonl` go there.
        seed: of the order of pairs, and of zeroth-order directions.
        evaluate: gives validation pass@1 (0 to 1) of a policy; called every `eval_steps` and at the end, of
            several processes in the first.
        on_step: called after each step.
        should_stop: asked after each step; True saves a checkpoint and returns.

    Raises:
        ConfigError: settings that contradict each other or the machine.
        DataError: no pair is left to train on, or one can't be read.
        InputError: the checkpoints in `run_dir` are of other settings, pairs or weights.
        NonFiniteError: the loss is not a number; the batch is saved.
    """
    labelled = [row for row in pairs if isinstance(row, Labelled)]
    check_settings(
        config, policy.config, has_validation=evaluate is not None, has_labels=bool(labelled)
    )
    objective = build_objective(config.objective)
    encoded = _encoded(policy, pairs, config.max_length, with_undesirable=objective.needs_rejected)
    if objective.needs_distinct:
        encoded = encoded.with_distinct_chosen()
    _report_left_out(encoded, len(pairs))
    torch.manual_seed(seed)
    accelerator = open_accelerator(config.report_to, policy.device, run_dir)
    experience = PairExperience(
        encoded.rows,
        config,
        with_rejected=objective.needs_rejected,
        with_mismatched=objective.needs_mismatched,
        seed=seed,
        rank=accelerator.process_index,
        num_processes=accelerator.num_processes,
    )
    loop = Loop(
        policy=policy,
        config=config,
        accelerator=accelerator,
        experience=experience,
        objective=objective,
        run_dir=run_dir,
        seed=seed,
        evaluate=evaluate,
        data=Data(encoded.hash, len(encoded.rows), encoded.left_out, _remarks(encoded, objective)),
        settings_hash=settings_hash(policy, config, seed, experience.pairs_per_step),
    )
    return loop.run(on_step, should_stop)


# ---------------------------------------------------------------- before the loop


def check_settings(
    config: TrainConfig, model: ModelConfig, *, has_validation: bool, has_labels: bool
) -> None:
    """Refuse what can be known to fail without pairs, weights or a step.

    Args:
        has_labels: the data are labelled completions, not pairs.

    Raises:
        ConfigError: settings that contradict each other, the data or the machine.
    """
    if has_labels and not build_objective(config.objective).reads_labels:
        raise ConfigError(
            f"objective {config.objective.kind} learns from pairs, and the data are labelled completions",
            where="train.objective",
            cure=f"choose one of {', '.join(kinds_that_read_labels())}, or give pairs",
        )
    if config.early_stopping and (config.eval_steps is None or not has_validation):
        raise ConfigError(
            "early_stopping needs validation scores during training",
            where="train",
            cure="set train.eval_steps and problems.validation, or remove early_stopping",
        )
    if config.following_reference is not None:
        _check_following(config, model)
    check_update(config.update)
    if isinstance(config.update, ZerothOrder) and model.lora_dropout > 0:
        raise ConfigError(
            "zeroth_order compares two losses, and dropout would differ between them",
            where="train.update",
            cure="set model.lora_dropout: 0",
        )
    # accelerate would go on without a tracker that is not installed.
    missing = sorted(set(config.report_to) - {str(tracker) for tracker in get_available_trackers()})
    if missing:
        raise ConfigError(
            f"report_to: {', '.join(missing)} is not installed",
            where="train",
            cure=f"pip install {' '.join(missing)}, or remove it from report_to",
        )


def _encoded(
    policy: Policy,
    rows: Sequence[Pair] | Sequence[Labelled],
    max_length: int | None,
    *,
    with_undesirable: bool,
) -> EncodedPairs | EncodedLabels:
    """Pairs, or labelled rows, as token ids.

    Raises:
        DataError: both kinds in one.
    """
    labelled = [row for row in rows if isinstance(row, Labelled)]
    pairs = [row for row in rows if isinstance(row, Pair)]
    if labelled and pairs:
        raise DataError(
            f"{len(pairs)} pairs and {len(labelled)} labelled completions together",
            where="train",
            cure="train on one of them; `Pair.sides` makes two labelled completions of a pair",
        )
    if labelled:
        return encode_labelled(policy, labelled, max_length, with_undesirable=with_undesirable)
    return encode_pairs(policy, pairs, max_length)


def _check_following(config: TrainConfig, model: ModelConfig) -> None:
    reasons = {
        f"{config.objective.kind} reads no reference": not build_objective(
            config.objective
        ).needs_reference,
        "with an adapter the base is the reference, and does not move": model.use_peft,
        "it works in one process": num_processes() > 1,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if reason is not None:
        raise ConfigError(
            f"following_reference: {reason}", where="train", cure="remove following_reference"
        )


def _report_left_out(encoded: EncodedPairs | EncodedLabels, num_pairs: int) -> None:
    reasons = ", ".join(f"{count} {reason}" for reason, count in encoded.left_out.items())
    if not encoded.rows:
        raise DataError(
            f"nothing to train on: {num_pairs} rows given, left out: {reasons or 'none'}",
            where="train",
            cure="raise max_length for too_long pairs, or collect more pairs",
        )
    if encoded.left_out:
        logger.warning("left out %d of %d rows: %s", encoded.left_out.total(), num_pairs, reasons)


def _remarks(encoded: EncodedPairs | EncodedLabels, objective: Objective) -> list[str]:
    """What the objective says of labelled data."""
    if isinstance(encoded, EncodedPairs):
        return []
    desirable, undesirable = encoded.sides()
    logger.info("weights: desirable %g, undesirable %g", desirable, undesirable)
    return objective.remarks(desirable, undesirable) if objective.needs_rejected else []


def settings_hash(policy: Policy, config: TrainConfig, seed: int, *others: object) -> str:
    """Everything that, with the first weights and the data, decides the weights of every step."""
    settings = config.model_dump(mode="json", exclude=UNSEEN_BY_WEIGHTS)
    adapter = {
        k: v for k, v in policy.config.model_dump().items() if k.startswith(("lora", "use_"))
    }
    return content_hash([settings, adapter, seed, *others])
