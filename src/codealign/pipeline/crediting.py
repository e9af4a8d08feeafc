"""`credit`: how well values of states are known, of a run that was trained. Not a stage of every run: it is asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codealign.config import PPO, BinaryReward, OpenAIEngine, Rollouts, VinePPO
from codealign.credit import CreditSettings
from codealign.errors import ConfigError, InputError
from codealign.pipeline.fingerprints import hash_of, problems_hash
from codealign.pipeline.run import Run
from codealign.progress import Advance
from codealign.records import Problem
from codealign.rundir import read_json, write_json

if TYPE_CHECKING:
    from codealign.critic import Critic
    from codealign.policy import Policy

NAME = "credit"


def credit_stage(run: Run, settings: CreditSettings) -> dict[str, Any]:
    """Measure, and write credit/ in the run directory; the summary is returned.

    Raises:
        ConfigError: completions of the policy can't be drawn, or all of a problem's would be the same.
        DataError: no completion has a reward.
        InputError: the run is not trained, or its checkpoint or its problems are not there.
        SandboxError: completions could not be judged.
    """
    _check_sampling(run)
    weights = _weights(run, settings.checkpoint)
    problems = _problems(run, settings)
    stage = run.rundir.stage(NAME, key_of(run, settings, problems))
    directory = run.path / NAME
    with stage:
        summary = _measure(run, settings, weights, problems, directory)
        write_json(directory / "summary.json", summary)
        stage.finish(num_states=summary["errors"]["num_states"])
    return summary


def stored_credit(run: Run) -> dict[str, Any] | None:
    """The summary that was written of the run as it is now; None where there is none, or of another training."""
    summary = read_json(run.path / NAME / "summary.json")
    is_current = summary is not None and summary["train_key"] == run.keys.get("train")
    return summary if is_current else None


def key_of(run: Run, settings: CreditSettings, problems: dict[str, Problem]) -> str:
    """Of everything that decides what is drawn."""
    sample = run.config.sample.model_dump(mode="json", exclude={"engine"})
    kind = run.config.sample.engine.kind
    section = _section(run, settings).model_dump(mode="json")
    steps = {name: section[name] for name in ("segments", "max_steps")}
    return hash_of(
        run.key_of("train"), settings.drawn, sample, kind, steps, problems_hash(problems)
    )


def _check_sampling(run: Run) -> None:
    sample = run.config.sample
    if isinstance(sample.engine, OpenAIEngine):
        raise ConfigError(
            "a server does not have the weights of this run, and completions are to be drawn from those",
            where="sample.engine",
            cure="measure a run whose engine is transformers or vllm",
        )
    if sample.temperature == 0:
        raise ConfigError(
            "greedy continuations of a state are all the same",
            where="sample.temperature",
            cure="measure a run that samples at a temperature above 0",
        )


def _weights(run: Run, checkpoint: int | None) -> Path:
    """Where the weights lie that are measured, and their critic."""
    if checkpoint is None:
        run.require("train")
        return run.path / "model"
    run.stage("train")  # what is there of other settings is moved aside
    path = run.path / f"checkpoint-{checkpoint}"
    if not path.is_dir():
        found = sorted(
            int(each.name.removeprefix("checkpoint-")) for each in run.path.glob("checkpoint-*")
        )
        there = ", ".join(map(str, found))
        raise InputError(
            f"there is no checkpoint of step {checkpoint}",
            where=str(run.path),
            cure=f"there are those of steps {there}" if found else "train first: it has none",
        )
    return path


def _problems(run: Run, settings: CreditSettings) -> dict[str, Problem]:
    found = run.train_problems if settings.split == "train" else run.heldout_problems
    chosen = dict(list(found.items())[: settings.num_problems])
    if not chosen:
        other = "train" if settings.split == "heldout" else "heldout"
        raise InputError(
            f"this run has no {settings.split} problems",
            where=str(run.path / "config.json"),
            cure=f"try --split {other}",
        )
    return chosen


def _section(run: Run, settings: CreditSettings) -> VinePPO:
    """What a step is: the run's own where its objective says."""
    objective = run.config.train.objective
    section = objective if isinstance(objective, VinePPO) else VinePPO()
    changed = {} if settings.segments is None else {"segments": settings.segments}
    return section.model_copy(update=changed)


def _measure(
    run: Run,
    settings: CreditSettings,
    weights: Path,
    problems: dict[str, Problem],
    directory: Path,
) -> dict[str, Any]:
    from codealign.credit.measuring import measure
    from codealign.online.gathering import Gatherer
    from codealign.online.steps import Stepper
    from codealign.rewards import build_reward

    config = run.config
    policy = _policy(run, weights)
    experience = config.train.experience
    rule = experience.reward if isinstance(experience, Rollouts) else BinaryReward()
    section = _section(run, settings)

    def stage(name: str, total: int, unit: str) -> AbstractContextManager[Advance]:
        return run.progress.stage(f"{NAME}/{name}", total, unit)

    measured = measure(
        Gatherer(policy, problems, run.judge, config.judge, config.sample, build_reward(rule)),
        Stepper(policy, section, problems),
        list(problems.values()),
        settings,
        directory / "drawn",
        config=config.train,
        critic=_critic(run, policy, weights),
        stage=stage,
    )
    measured.write(directory)
    return {
        "run_dir": str(run.path),
        "weights": weights.name,
        "train_key": run.key_of("train"),
        "objective": config.train.objective.kind,
        "reward": rule.model_dump(mode="json"),
        "segments": section.segments,
        "max_steps": section.max_steps,
        "num_problems": len(problems),
        "settings": {**settings.drawn, "ks": list(settings.ks), "confidence": settings.confidence},
        **measured.summary,
    }


def _policy(run: Run, weights: Path) -> Policy:
    """With the weights that are measured, those trainable that the run trained."""
    policy = run.own_policy()
    policy.load_weights(weights)
    policy.log_probs.temperature = run.config.sample.temperature
    return policy


def _critic(run: Run, policy: Policy, weights: Path) -> Critic | None:
    """The one that was trained beside these very weights; None where the objective has none."""
    train = run.config.train
    if not isinstance(train.objective, PPO):
        return None
    from codealign.critic import build_critic

    critic = build_critic(train.objective.critic, policy, train.learning_rate)
    # Of the trained policy it lies beside model/, of a checkpoint within.
    critic.load(run.path if weights.name == "model" else weights)
    return critic
