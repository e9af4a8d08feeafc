"""Everything that is measured of credit, from the drawing to the numbers.

states.jsonl     each state of the trajectories: where it is, its truth and what each method says
actions.jsonl    each next step that was ranked, the same
drawn/           rewards one by one, as they were drawn; see `drawing`
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from codealign.advantages import generalised_advantages, spread, step_advantages
from codealign.config import PPO, TrainConfig
from codealign.credit.drawing import Action, Drawing, Trajectory, Valued
from codealign.credit.errors import States, summary_of_errors
from codealign.credit.estimates import (
    CRITIC,
    GROUP_MEAN,
    CriticSays,
    GroupMeans,
    vine,
    vine_estimates,
)
from codealign.credit.gradients import gradient_noise
from codealign.credit.ranking import MIN_ACTIONS, Choice, summary_of_ranking
from codealign.credit.settings import CreditSettings
from codealign.critic import Critic
from codealign.errors import DataError
from codealign.online.gathering import Gatherer, State
from codealign.online.steps import Stepper
from codealign.policy import Policy
from codealign.progress import Advance
from codealign.records import Problem, write_records

TRUTH = "truth"

Stage = Callable[[str, int, str], AbstractContextManager[Advance]]
"""A bar: name, total, unit."""


class Measured(NamedTuple):
    """Rows and a summary, both plain JSON values."""

    states: list[dict[str, Any]]
    actions: list[dict[str, Any]]
    summary: dict[str, Any]

    def write(self, directory: Path) -> None:
        """The rows; the summary is the caller's to complete."""
        write_records(directory / "states.jsonl", self.states)
        write_records(directory / "actions.jsonl", self.actions)


class _Known(NamedTuple):
    """What was drawn, and who says what."""

    trajectories: list[Trajectory]
    values: dict[State, Valued]
    outcomes: dict[State, Valued]
    actions: dict[State, list[Action]]
    group: GroupMeans
    critic: CriticSays | None


def measure(
    gatherer: Gatherer,
    stepper: Stepper,
    problems: Sequence[Problem],
    settings: CreditSettings,
    directory: Path,
    *,
    config: TrainConfig,
    critic: Critic | None,
    stage: Stage,
) -> Measured:
    """Draw what is not there yet, and compare.

    Args:
        gatherer: of the policy that is measured.
        problems: to be completed.
        directory: keeps what is drawn; of one policy, one critic and these problems.
        config: of the training that made the policy.
        critic: trained with the policy; None where there is none.

    Raises:
        DataError: no completion has a reward, or none of its states.
        SandboxError: completions could not be judged.
    """
    drawing = Drawing(gatherer, stepper, settings, directory)
    num_completions = len(problems) * settings.num_samples
    with stage("trajectories", num_completions, "completions") as advance:
        everything = drawing.trajectories(problems, advance)
    trajectories = drawing.chosen(everything)
    states = [state for each in trajectories for state in each.states]
    if not states:
        raise DataError(
            f"none of {num_completions} completions has a reward and a state to value",
            where="credit",
            cure="see that the reward function scores some, and that prompts leave room for completions",
        )
    with stage("values", len(set(states)), "states") as advance:
        values = drawing.values(states, "states", advance)
    ranked = drawing.ranked(values)
    with stage("actions", len(ranked), "states") as advance:
        actions = drawing.actions(ranked, advance)
    actions = {state: each for state, each in actions.items() if len(each) >= MIN_ACTIONS}
    after = [action.after for each in actions.values() for action in each if action.after]
    with stage("outcomes", len(set(after)), "states") as advance:
        outcomes = drawing.values(after, "outcomes", advance)
    says = None if critic is None else CriticSays(critic, gatherer.policy, config)
    known = _Known(trajectories, values, outcomes, actions, GroupMeans(everything), says)
    state_rows = _state_rows(known, settings)
    action_rows = _action_rows(known, settings)
    with stage("gradients", len(trajectories), "episodes") as advance:
        noise = _gradient_noise(gatherer.policy, known, settings, config, advance)
    rewards = [each.reward for each in everything]
    summary = {
        "num_trajectories": len(everything),
        "num_valued_trajectories": len(trajectories),
        "mean_reward": math.fsum(rewards) / len(rewards),
        "errors": _errors(state_rows, values, known, settings),
        "ranking": _ranking(action_rows, settings),
        "gradients": noise,
    }
    return Measured(state_rows, [_public(row) for row in action_rows], summary)


# ---------------------------------------------------------------- states


def _state_rows(known: _Known, settings: CreditSettings) -> list[dict[str, Any]]:
    """One for each valued state of each trajectory."""
    places = [
        (trajectory, step, state)
        for trajectory in known.trajectories
        for step, state in enumerate(trajectory.states)
        if state in known.values
    ]
    states = [state for _, _, state in places]
    estimates = vine_estimates(states, known.values, settings.ks)
    if known.critic is not None:
        by_critic = known.critic.of_states(states)
        estimates[CRITIC] = [by_critic[state] for state in states]
    without = known.group.without
    estimates[GROUP_MEAN] = [without[each.task_id, each.sample_index] for each, _, _ in places]
    return [
        {
            "task_id": trajectory.task_id,
            "sample_index": trajectory.sample_index,
            "step": step,
            "num_steps": trajectory.num_steps,
            "num_tokens": len(state.prefix_ids),
            "reward": trajectory.reward,
            TRUTH: _mean(known.values[state].truth),
            "estimates": {name: values[number] for name, values in estimates.items()},
        }
        for number, (trajectory, step, state) in enumerate(places)
    ]


def _errors(
    rows: Sequence[Mapping[str, Any]],
    values: Mapping[State, Valued],
    known: _Known,
    settings: CreditSettings,
) -> dict[str, Any]:
    truths = [
        values[state].truth
        for trajectory in known.trajectories
        for state in trajectory.states
        if state in values
    ]
    names = rows[0]["estimates"]
    return summary_of_errors(
        States(
            [row["task_id"] for row in rows],
            [row["step"] for row in rows],
            [row["num_steps"] for row in rows],
            truths,
            {name: [row["estimates"][name] for row in rows] for name in names},
        ),
        confidence=settings.confidence,
        seed=settings.seed,
    )


# ---------------------------------------------------------------- actions


def _action_rows(known: _Known, settings: CreditSettings) -> list[dict[str, Any]]:
    """One for each distinct next step of the ranked states, with the rewards behind its truth."""
    by_critic = {} if known.critic is None else known.critic.of_states(list(known.outcomes))
    rows = []
    for number, (state, actions) in enumerate(known.actions.items()):
        for action in actions:
            row = {"choice": number, "task_id": state.task_id, "num_tokens": len(state.prefix_ids)}
            estimates: dict[str, float | None]
            if action.after is None:
                assert action.reward is not None
                rewards = [action.reward]
                names = [*map(vine, settings.ks), *([CRITIC] if known.critic else [])]
                # A completion's reward is known to every method.
                estimates = dict.fromkeys([*names, GROUP_MEAN], action.reward)
            elif action.after in known.outcomes:
                rewards = known.outcomes[action.after].truth
                found = vine_estimates([action.after], known.outcomes, settings.ks)
                estimates = {name: value for name, [value] in found.items()}
                if known.critic:
                    estimates[CRITIC] = by_critic[action.after]
                estimates[GROUP_MEAN] = known.group.means[state.task_id]
            else:
                continue
            row |= {"ids": list(action.ids), "ends": action.after is None}
            rows.append(row | {TRUTH: _mean(rewards), "estimates": estimates, "rewards": rewards})
    return rows


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "rewards"}


def _ranking(rows: Sequence[Mapping[str, Any]], settings: CreditSettings) -> dict[str, Any] | None:
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["choice"], []).append(row)
    choices = [
        Choice(
            group[0]["task_id"],
            [row["rewards"] for row in group],
            {name: [row["estimates"][name] for row in group] for name in group[0]["estimates"]},
        )
        for group in groups.values()
        if len(group) >= MIN_ACTIONS
    ]
    return summary_of_ranking(choices, confidence=settings.confidence, seed=settings.seed)


# ---------------------------------------------------------------- gradients


def _gradient_noise(
    policy: Policy,
    known: _Known,
    settings: CreditSettings,
    config: TrainConfig,
    advance: Callable[[int], None],
) -> dict[str, Any] | None:
    """None where fewer than two trajectories have all their values."""
    usable = [
        each
        for each in known.trajectories
        if all(state in known.values for state in each.states)
        and known.group.without[each.task_id, each.sample_index] is not None
    ]
    if len(usable) < 2:
        return None
    sources = {TRUTH: [_by_step(each, _truths(each, known)) for each in usable]}
    for k in settings.ks:
        found = [vine_estimates(each.states, known.values, [k])[vine(k)] for each in usable]
        if all(None not in values for values in found):
            sources[vine(k)] = [_by_step(e, v) for e, v in zip(usable, found, strict=True)]
    if known.critic is not None:
        sources[CRITIC] = _by_critic(usable, known.critic, config)
    sources[GROUP_MEAN] = [
        [each.reward - (known.group.without[each.task_id, each.sample_index] or 0.0)]
        * len(each.drawn.completion_ids)
        for each in usable
    ]
    return gradient_noise(
        policy,
        usable,
        sources,
        TRUTH,
        num_batches=settings.num_batches,
        batch_size=settings.batch_size,
        seed=settings.seed,
        advance=advance,
    )


def _truths(trajectory: Trajectory, known: _Known) -> list[float | None]:
    return [_mean(known.values[state].truth) for state in trajectory.states]


def _by_step(trajectory: Trajectory, values: Sequence[float | None]) -> list[float]:
    """VinePPO's advantages of each token; beyond the cap on states they are 0."""
    padded = [*values, *[None] * (trajectory.num_steps - len(values))]
    return spread(step_advantages(trajectory.reward, padded), trajectory.step_of_token)


def _by_critic(
    trajectories: Sequence[Trajectory], critic: CriticSays, config: TrainConfig
) -> list[list[float]]:
    """PPO's, with the γ and λ of its training."""
    section = config.objective
    gamma, lam = (section.gamma, section.lam) if isinstance(section, PPO) else (1.0, 1.0)
    texts = [(each.drawn.prompt_ids, each.drawn.completion_ids) for each in trajectories]
    values = critic.of_tokens(texts)
    advantages = []
    for each, text in zip(trajectories, texts, strict=True):
        rewards = [0.0] * (len(text[1]) - 1) + [each.reward]
        advantages.append(generalised_advantages(rewards, values[text], gamma, lam).advantages)
    return advantages


def _mean(rewards: Sequence[float]) -> float:
    return math.fsum(rewards) / len(rewards)
