"""The stages between pairs and training: what an objective wants written into the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codealign.config import (
    MRPO,
    ContrastSection,
    ExecutionWeights,
    NoTokenWeights,
    PromptContrast,
    RandomWeights,
    TrainedContrast,
    contrast_training,
    several_references,
)
from codealign.pipeline.run import Run
from codealign.pipeline.training import shown_training
from codealign.records import Completion, Message, Pair, Verdict, read_records, write_records


def contrast_good_stage(run: Run) -> None:
    """Train the good model of token weights, and note what it says of the pairs."""
    _contrast_stage(run, "good")


def contrast_bad_stage(run: Run) -> None:
    """The same of the bad one."""
    _contrast_stage(run, "bad")


def _contrast_stage(run: Run, side: str) -> None:
    stage = run.stage(f"contrast/{side}")
    section = run.config.token_weights
    if stage.done or not isinstance(section, TrainedContrast):
        return
    from codealign.contrast import encode_for_weights, pair_logps, train_contrast

    pairs = run.require("pairs").shards.read(Pair)
    settings = contrast_training(section, run.config.train)
    directory = run.path / stage.name
    policy = run.own_policy()
    with stage, shown_training(run, stage.name) as on_step:
        result = train_contrast(
            policy,
            pairs,
            settings,
            good=side == "good",
            run_dir=directory,
            seed=run.config.seed,
            on_step=on_step,
        )
        policy.save(directory / "model")
        encoded = encode_for_weights(policy, pairs, settings)
        write_records(directory / "logps.jsonl", pair_logps(policy, encoded, settings))
        stage.finish(num_steps=result.steps, num_tokens=result.num_tokens)


def annotate_stage(run: Run) -> None:
    """Write into the pairs what the objective asked for: a weight for each token, what other references say."""
    stage = run.stage("annotate")
    if stage.done:
        return
    pairs = run.require("pairs").shards.read(Pair)
    with stage:
        pairs, facts = _weighed(run, pairs)
        mrpo = several_references(run.config.train.objective)
        if mrpo is not None:
            pairs, more = _with_references(run, pairs, mrpo)
            facts |= more
        write_records(run.path / "annotated" / "part-00000.jsonl", pairs)
        stage.finish(num_pairs=len(pairs), **facts)


def _with_references(
    run: Run, pairs: list[Pair], section: MRPO
) -> tuple[list[Pair], dict[str, Any]]:
    from codealign.reference import reference_dir
    from codealign.reference_logps import annotate_with_references

    names = ", ".join(each.model_name_or_path for each in section.references)
    run.progress.note(f"asking {names} about {len(pairs)} pairs")
    prompts = [_own_prompt(run, pair) for pair in pairs]
    root = reference_dir(run.config.train.reference_cache)
    found = annotate_with_references(run.policy, pairs, prompts, section, root, run.config.seed)
    facts: dict[str, Any] = {"left_out": dict(found.left_out)} if found.left_out else {}
    if found.reference_weights is not None:
        facts["reference_weights"] = [round(alpha, 6) for alpha in found.reference_weights]
    return found.pairs, facts


def _weighed(run: Run, pairs: list[Pair]) -> tuple[list[Pair], dict[str, Any]]:
    section = run.config.token_weights
    if isinstance(section, NoTokenWeights):
        return pairs, {}
    if isinstance(section, ExecutionWeights):
        weighed, unknown = _weighed_by_execution(run, pairs, section)
        return weighed, _facts_of_weights(weighed) | ({"unknown": unknown} if unknown else {})
    weighed = _weighed_by_models(run, pairs)
    return weighed, _facts_of_weights(weighed)


def _weighed_by_execution(
    run: Run, pairs: list[Pair], section: ExecutionWeights
) -> tuple[list[Pair], dict[str, int]]:
    from codealign.token_weights import weigh_by_execution

    weighed = weigh_by_execution(
        pairs,
        run.require("sample").shards.read(Completion),
        run.require("judge").shards.read(Verdict),
        section,
        run.policy.decode,
        run.config.seed,
    )
    return weighed.pairs, dict(weighed.unknown)


def _weighed_by_models(run: Run, pairs: list[Pair]) -> list[Pair]:
    from codealign.contrast import (
        SideLogps,
        encode_for_weights,
        instructed_logps,
        weigh_at_random,
        weigh_by_contrast,
    )

    section, seed = run.config.token_weights, run.config.seed
    encoded = encode_for_weights(run.policy, pairs, run.config.train)
    if isinstance(section, RandomWeights):
        return weigh_at_random(pairs, encoded, section, seed)
    assert isinstance(section, ContrastSection)
    if isinstance(section, PromptContrast):
        prompts = [_own_prompt(run, pair) for pair in pairs]
        good, bad = instructed_logps(run.policy, encoded, prompts, section, run.config.train)
    else:
        good, bad = (
            list(read_records(SideLogps, run.path / "contrast" / side / "logps.jsonl"))
            for side in ("good", "bad")
        )
    return weigh_by_contrast(pairs, encoded, good, bad, section, seed)


def _own_prompt(run: Run, pair: Pair) -> str | list[Message]:
    """The problem's text: a pair's own may have gone through a chat template. Of a file's pair what it says."""
    problem = run.train_problems.get(pair.task_id or "")
    return problem.prompt if problem else pair.prompt_messages or pair.prompt


def _facts_of_weights(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The mean weight of each side's tokens, and of how many pairs nothing is known."""
    facts: dict[str, Any] = {}
    for side in ("chosen", "rejected"):
        weights = [w for pair in pairs for w in getattr(pair, f"{side}_weights") or ()]
        if weights:
            facts[f"mean_{side}_weight"] = round(sum(weights) / len(weights), 4)
    num_unweighed = sum(pair.chosen_weights is None for pair in pairs)
    return facts | ({"num_unweighed": num_unweighed} if num_unweighed else {})
