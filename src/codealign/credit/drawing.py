"""What is drawn to measure credit: completions of problems, and fresh continuations of the states within them.

    trajectories.jsonl    completions of the policy with their rewards
    states.jsonl          rewards of each state's continuations: the truth's, and others for estimates
    actions.jsonl         next steps from some of the states
    outcomes.jsonl        as states.jsonl, of the states after those steps

Promises: the truth's continuations, the estimates' and the trajectories have random streams of their own, so that no
draw is in two of them. What was drawn before is not drawn again, and a call that was killed loses at most the states in
flight: it ends with the rows that it would have had.

Not promised: rewards that compare a program with others (the rule `efficiency`) mean the same in two draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from codealign.batches import TokenIds
from codealign.credit.settings import CreditSettings
from codealign.errors import StorageError
from codealign.online.gathering import Asked, Drawn, Gatherer, State
from codealign.online.steps import Stepper
from codealign.records import (
    Completion,
    Problem,
    Verdict,
    append_rows,
    content_hash,
    drop_torn_line,
    read_rows,
)

COMPLETIONS_AT_ONCE = 128
CONTINUATIONS_AT_ONCE = 2048
"""What a killed call may lose, and enough to fill an engine."""

NOT_KEPT = {"tests", "limits"}
"""Columns of a verdict that would take most of the room."""

Advance = Callable[[int], None]


class Trajectory(NamedTuple):
    """A completion of the policy, and the states between its steps that are valued."""

    drawn: Drawn
    sample_index: int
    reward: float
    states: list[State]
    starts: list[int]
    """The first token of each step; there may be more of them than states."""
    step_of_token: list[int]

    @property
    def task_id(self) -> str:
        return self.drawn.task_id

    @property
    def num_steps(self) -> int:
        return len(self.starts)


class Valued(NamedTuple):
    """Rewards of a state's continuations; no two are of one draw."""

    truth: list[float]
    fresh: list[float]


class Action(NamedTuple):
    """A next step from a state: where it leads, or what it earned where it ends the completion."""

    ids: TokenIds
    reward: float | None
    after: State | None


class Rows:
    """Rows of a JSON-lines file by their key, written as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_key: dict[str, dict[str, Any]] = {}
        if path.exists():
            self.by_key = {row["key"]: row for _, row in read_rows(path, torn_end=True)}

    def has_all(self, states: Iterable[State]) -> bool:
        """Those drawn together are drawn all or none: which stream a continuation has depends on the others."""
        return all(key_of(state) in self.by_key for state in states)

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            drop_torn_line(self.path)
            with self.path.open("a", encoding="utf-8") as file:
                append_rows(file, rows)
        except OSError as error:
            raise StorageError(
                f"could not write: {error.strerror or error}",
                where=str(self.path),
                cure="free some space and run again: what was drawn is kept",
            ) from error
        self.by_key |= {row["key"]: dict(row) for row in rows}


class Drawing:
    """Draws what the settings ask for, and keeps it.

    Args:
        directory: where rows are kept; of these settings, this policy and these problems.
    """

    def __init__(
        self, gatherer: Gatherer, stepper: Stepper, settings: CreditSettings, directory: Path
    ) -> None:
        self.gatherer, self.stepper, self.settings = gatherer, stepper, settings
        self.rows = {
            name: Rows(directory / f"{name}.jsonl")
            for name in ("trajectories", "states", "actions", "outcomes")
        }

    def seed_of(self, *names: str) -> int:
        """Of one kind of draws."""
        return int(content_hash([self.settings.seed, "credit", *names])[:8], 16)

    # ------------------------------------------------------------ trajectories

    def trajectories(self, problems: Iterable[Problem], advance: Advance) -> list[Trajectory]:
        """All of the problems' scored completions that have tokens."""
        rows, num = self.rows["trajectories"], self.settings.num_samples
        asked = [Asked(problem.task_id, index) for problem in problems for index in range(num)]
        missing = [each for each in asked if _name(each) not in rows.by_key]
        advance(len(asked) - len(missing))
        for some in _chunks(missing, COMPLETIONS_AT_ONCE):
            gathered = self.gatherer.gather(some, seed=self.seed_of("trajectories"))
            rows.add(
                [_row_of(each, drawn) for each, drawn in zip(some, gathered.drawn, strict=True)]
            )
            advance(len(some))
        found = (self._trajectory(rows.by_key[_name(each)]) for each in asked)
        return [each for each in found if each is not None]

    def _trajectory(self, row: Mapping[str, Any]) -> Trajectory | None:
        verdict = Verdict.model_validate({k: v for k, v in row.items() if k != "key"})
        drawn, reward = Drawn(verdict, row["reward"]), row["reward"]
        if reward is None or not row["completion_ids"]:
            return None
        completion = completion_of(verdict)
        steps = self.stepper.steps(completion)
        states = self.stepper.states(completion)
        return Trajectory(drawn, verdict.sample_index, reward, states, steps.starts, steps.of_token)

    def chosen(self, trajectories: Sequence[Trajectory]) -> list[Trajectory]:
        """Whole trajectories, one a problem before a second of any, until there are enough states."""
        order = list(trajectories)
        Random(self.seed_of("chosen")).shuffle(order)
        turns: dict[str, int] = {}
        placed: list[tuple[int, int]] = []
        for number, each in enumerate(order):
            turns[each.task_id] = turns.get(each.task_id, -1) + 1
            placed.append((turns[each.task_id], number))
        kept: list[Trajectory] = []
        for _, number in sorted(placed):
            if sum(len(each.states) for each in kept) >= self.settings.num_states:
                break
            kept.append(order[number])
        return sorted(kept, key=lambda each: (each.task_id, each.sample_index))

    # ------------------------------------------------------------ values

    def values(self, states: Iterable[State], name: str, advance: Advance) -> dict[State, Valued]:
        """Rewards of continuations of each distinct state that has any; `name` is states or outcomes."""
        rows, settings = self.rows[name], self.settings
        size = CONTINUATIONS_AT_ONCE // (settings.num_truth + settings.num_fresh)
        wanted = sorted(set(states))
        for some in _by_problem(wanted, size):
            if not rows.has_all(some):
                rows.add(self._rows_of_values(some, name))
            advance(len(some))
        found = {state: rows.by_key[key_of(state)] for state in wanted}
        return {
            state: Valued(row["truth"], row["fresh"])
            for state, row in found.items()
            if row["truth"] and row["fresh"]
        }

    def _rows_of_values(self, states: Sequence[State], name: str) -> list[dict[str, Any]]:
        truth = self._returns(states, self.settings.num_truth, name, "truth")
        fresh = self._returns(states, self.settings.num_fresh, name, "fresh")
        return [
            {
                "key": key_of(state),
                "task_id": state.task_id,
                "num_tokens": len(state.prefix_ids),
                "truth": truth.get(state, []),
                "fresh": fresh.get(state, []),
            }
            for state in states
        ]

    def _returns(
        self, states: Sequence[State], num: int, name: str, role: str
    ) -> dict[State, list[float]]:
        return self.gatherer.continue_states(states, num, seed=self.seed_of(name, role))

    # ------------------------------------------------------------ actions

    def ranked(self, states: Iterable[State]) -> list[State]:
        """The states whose next steps are ranked."""
        distinct = sorted(set(states))
        num = min(self.settings.num_ranked, len(distinct))
        return sorted(Random(self.seed_of("ranked")).sample(distinct, num))

    def actions(self, states: Sequence[State], advance: Advance) -> dict[State, list[Action]]:
        """Distinct next steps from each state, those that have a reward or lead somewhere."""
        rows, num = self.rows["actions"], self.settings.num_actions
        for some in _by_problem(states, CONTINUATIONS_AT_ONCE // num):
            if not rows.has_all(some):
                drawn = self.gatherer.continuations(some, num, seed=self.seed_of("actions"))
                rows.add([self._row_of_actions(state, drawn[state]) for state in some])
            advance(len(some))
        return {state: _actions_of(state, rows.by_key[key_of(state)]) for state in states}

    def _row_of_actions(self, state: State, drawn: Sequence[Drawn]) -> dict[str, Any]:
        """The first step of each continuation; one that ends the completion has its reward."""
        found: dict[TokenIds, dict[str, Any]] = {}
        for each in drawn:
            ids, at = each.completion_ids, len(state.prefix_ids)
            starts = self.stepper.steps(completion_of(each.verdict)).starts
            end = next((start for start in starts if start > at), None)
            if ids[at:end]:
                row = {"ids": ids[at:end], "ends": end is None, "reward": each.reward}
                if end is not None:
                    row["reward"] = None
                found.setdefault(ids[at:end], row)
        return {"key": key_of(state), "task_id": state.task_id, "actions": list(found.values())}


def key_of(state: State) -> str:
    """A state's name in files."""
    return f"{state.task_id}:{content_hash([state.prompt_ids, state.prefix_ids])}"


def completion_of(verdict: Verdict) -> Completion:
    """The completion whose columns a verdict carries."""
    row = verdict.to_row()
    return Completion(**{name: row[name] for name in Completion.model_fields if name in row})


def _actions_of(state: State, row: Mapping[str, Any]) -> list[Action]:
    actions = []
    for each in row["actions"]:
        ids = tuple(each["ids"])
        after = None if each["ends"] else state._replace(prefix_ids=state.prefix_ids + ids)
        if after is not None or each["reward"] is not None:
            actions.append(Action(ids, each["reward"], after))
    return actions


def _name(asked: Asked) -> str:
    return f"{asked.task_id}:{asked.sample_index}"


def _row_of(asked: Asked, drawn: Drawn) -> dict[str, Any]:
    row = {name: value for name, value in drawn.verdict.to_row().items() if name not in NOT_KEPT}
    return {"key": _name(asked), **row, **asked._asdict(), "reward": drawn.reward}


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _by_problem(states: Sequence[State], size: int) -> Iterator[list[State]]:
    """Parts of at least `size` states (or 1) but for the last, none with a part of a problem's."""
    part: list[State] = []
    for state in sorted(states):
        if len(part) >= max(1, size) and state.task_id != part[-1].task_id:
            yield part
            part = []
        part.append(state)
    if part:
        yield part
