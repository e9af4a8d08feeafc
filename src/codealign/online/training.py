"""Training on what the policy draws while it learns: the same loop, checkpoints and metrics as on recorded data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from codealign.config import (
    PPO,
    JudgeConfig,
    KLInReward,
    OpenAIEngine,
    PairsConfig,
    Rollouts,
    SampleConfig,
    TrainConfig,
    VllmEngine,
    with_limit,
)
from codealign.config.policy_gradients import is_policy_gradient
from codealign.critic import Critic, build_critic
from codealign.errors import ConfigError
from codealign.judging import Judge
from codealign.launching import open_accelerator
from codealign.loop import Data, Evaluate, Loop, StepReport, TrainResult
from codealign.objectives import Objective, build_objective
from codealign.online.experience import OnlineExperience
from codealign.online.gathering import Gatherer
from codealign.online.sharing import Sharing
from codealign.policy import Policy
from codealign.processes import asks_for_deepspeed, asks_for_fsdp, num_processes
from codealign.records import Problem, content_hash
from codealign.reference import FrozenReference
from codealign.rewards import RewardRule, build_reward
from codealign.training import check_settings, settings_hash

logger = logging.getLogger(__name__)


def train_online(
    policy: Policy,
    problems: Mapping[str, Problem],
    config: TrainConfig,
    judge: Judge,
    *,
    run_dir: Path,
    seed: int,
    sample: SampleConfig | None = None,
    judging: JudgeConfig | None = None,
    pairs: PairsConfig | None = None,
    reward: RewardRule | None = None,
    evaluate: Evaluate | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train `policy` in place on completions that it draws itself, continuing from the last checkpoint in `run_dir`.

    Args:
        policy: at its first weights, also when resuming: they are the reference.
        problems: by task id.
        config: the run file's `train` section, with an experience of kind `rollouts`.
        judge: of the completions.
        run_dir: checkpoints, `metrics.jsonl`, `rollouts/` and a critic go there.
        seed: of completions, their order, and zeroth-order directions.
        sample: how completions are drawn, and how many a problem.
        judging: how programs are cut from completions.
        pairs: how completions become pairs, where the objective reads those.
        reward: in the place of the rule that `config.experience.reward` names.
        evaluate, on_step, should_stop: as of `train`.

    Raises:
        ConfigError: settings that contradict each other or the machine.
        DataError: no completion has a reward.
        InputError: the checkpoints in `run_dir` are of other settings, problems or weights; a reward function's.
        NonFiniteError: the loss is not a number; the batch is saved.
        SandboxError: completions could not be judged.
    """
    sample, judging, pairs = (
        sample or SampleConfig(),
        judging or JudgeConfig(),
        pairs or PairsConfig(),
    )
    check_settings(config, policy.config, has_validation=evaluate is not None, has_labels=False)
    check_online(config, sample)
    config = _with_limit(config, sample)
    objective = build_objective(config.objective)
    torch.manual_seed(seed)
    accelerator = open_accelerator(config.report_to, policy.device, run_dir)
    critic = _critic(policy, config)
    assert isinstance(config.experience, Rollouts)
    rule = reward or build_reward(config.experience.reward)
    drawn_as = sample.model_dump(mode="json", exclude={"engine"})
    data_hash = content_hash([[p.task_id, p.hash] for p in problems.values()])
    key = settings_hash(policy, config, seed, drawn_as, pairs.model_dump(mode="json"))
    experience = OnlineExperience(
        policy,
        config,
        pairs,
        Gatherer(policy, problems, judge, judging, sample, rule),
        objective,
        critic=critic,
        reference=_reference(policy, config, objective),
        run_dir=run_dir,
        seed=seed,
        key=content_hash([key, data_hash, policy.reference_hash()]),
        sharing=Sharing(accelerator.process_index, accelerator.num_processes),
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
        data=Data(data_hash, len(problems), {}),
        settings_hash=key,
        critic=critic,
    )
    with _at_temperature(policy, sample.temperature):
        result = loop.run(on_step, should_stop)
    if critic is not None and accelerator.is_main_process:
        critic.save(run_dir)
    return result._replace(gathered=experience.totals)


@contextmanager
def _at_temperature(policy: Policy, temperature: float) -> Iterator[None]:
    """Inside, the policy's log-probs are those of its sampler."""
    before = policy.log_probs.temperature
    policy.log_probs.temperature = temperature
    try:
        yield
    finally:
        policy.log_probs.temperature = before


def _with_limit(config: TrainConfig, sample: SampleConfig) -> TrainConfig:
    """The section with a number where its objective divides by the longest completion that may be drawn."""
    section = config.objective
    if not is_policy_gradient(section):
        return config
    limited = with_limit(section, sample.max_new_tokens)
    return config.model_copy(update={"objective": limited})


def _critic(policy: Policy, config: TrainConfig) -> Critic | None:
    """A new one, where the objective reads values."""
    section = config.objective
    if not isinstance(section, PPO):
        return None
    return build_critic(section.critic, policy, config.learning_rate)


def _reference(policy: Policy, config: TrainConfig, objective: Objective) -> FrozenReference | None:
    """The policy of now, where something will be measured from it."""
    assert isinstance(config.experience, Rollouts)
    in_reward = isinstance(getattr(config.objective, "kl", None), KLInReward)
    if config.experience.reference == "iteration":
        return None
    return FrozenReference(policy) if objective.needs_reference or in_reward else None


def check_online(config: TrainConfig, sample: SampleConfig) -> None:
    """Refuse what rollouts can be known to fail with.

    Raises:
        ConfigError: settings that contradict each other or the machine.
    """
    if num_processes() > 1:
        _check_launched(config, sample)
    if isinstance(sample.engine, OpenAIEngine):
        raise ConfigError(
            "a server has the policy's first weights only, and rollouts are drawn by the policy of now",
            where="sample.engine",
            cure="use the transformers or vllm engine",
        )
    if sample.temperature == 0:
        raise ConfigError(
            "greedy rollouts of a problem are all the same",
            where="sample.temperature",
            cure="set a temperature above 0; 1.0 draws from the policy itself",
        )


def _check_launched(config: TrainConfig, sample: SampleConfig) -> None:
    refused = (
        (
            asks_for_fsdp(),
            "rollouts need all weights in each process, and FSDP gives each a part",
            "the launcher",
            "launch without --use_fsdp, with DDP or DeepSpeed",
        ),
        (
            asks_for_deepspeed() and isinstance(config.objective, PPO),
            "DeepSpeed's engine moves the policy's weights alone, and ppo has a critic",
            "train.objective.kind",
            "launch with DDP, or take an objective without a critic (grpo, vineppo, …)",
        ),
        (
            isinstance(sample.engine, VllmEngine),
            f"each of {num_processes()} processes would open a vLLM engine of its own for the same devices",
            "sample.engine",
            "launch one process, or use the transformers engine",
        ),
    )
    for is_asked, what, where, cure in refused:
        if is_asked:
            raise ConfigError(what, where=where, cure=cure)
