"""Completions from the policy of now, judged and rewarded; and the values of states, by continuing them.

The judge works while the policy generates: completions go to it as they end, and while the last of them are
judged the continuations of states are drawn. A completion that could not be judged is replaced by another draw,
never scored.

A state is a prompt with the first tokens of a completion: ids that the policy chose, never text that is tokenised
again, so that its continuations are the policy's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Generic, NamedTuple, TypeVar

from codealign.batches import TokenIds
from codealign.config import JudgeConfig, SampleConfig
from codealign.errors import SandboxError
from codealign.judging import Judge
from codealign.policy import Policy
from codealign.records import Completion, Problem, Verdict, content_hash
from codealign.rewards import RewardRule
from codealign.sampling import Engine, Request, SamplingParams, open_engine
from codealign.sampling.engine import first_stop
from codealign.sampling.transformers_engine import continuation_text
from codealign.verdicts import judge_completions

MAX_REPLACEMENTS = 3
"""Times that a completion which could not be judged is drawn anew."""

FIRST_REPLACEMENT = 1_000_000_000
"""Sample index from which replacements take their random streams: beyond every other."""


class Asked(NamedTuple):
    """A completion to draw: its problem, and which one of the problem's."""

    task_id: str
    sample_index: int


class Drawn(NamedTuple):
    """A judged completion and its reward; None where the reward rule does not score it."""

    verdict: Verdict
    reward: float | None

    @property
    def task_id(self) -> str:
        return self.verdict.task_id

    @property
    def prompt_ids(self) -> TokenIds:
        return tuple(self.column("prompt_ids"))

    @property
    def completion_ids(self) -> TokenIds:
        return tuple(self.column("completion_ids"))

    @property
    def is_cut(self) -> bool:
        """By the limit: it has no EOS, and was scored as unfinished."""
        return self.column("finish_reason") == "length"

    def column(self, name: str) -> Any:
        """Of the completion."""
        return (self.verdict.model_extra or {})[name]


class State(NamedTuple):
    """A prompt's completion so far."""

    task_id: str
    prompt_ids: TokenIds
    prefix_ids: TokenIds


class Gathered(NamedTuple):
    """Completions in the order asked for, rewards of each state's continuations, and what was sampled for both."""

    drawn: list[Drawn]
    returns: dict[State, list[float]]
    num_tokens: int

    @property
    def num_continuations(self) -> int:
        return sum(map(len, self.returns.values()))


class Gatherer:
    """Draws, judges and rewards.

    Args:
        policy: sampled with the weights it has at each call.
        problems: by task id.
        judging: how programs are cut from completions.
        sample: engine, temperature, filters, limit and stop strings.
        reward: from verdicts to numbers.
    """

    def __init__(
        self,
        policy: Policy,
        problems: Mapping[str, Problem],
        judge: Judge,
        judging: JudgeConfig,
        sample: SampleConfig,
        reward: RewardRule,
    ) -> None:
        self.policy, self.problems, self.judge = policy, problems, judge
        self.judging, self.sample, self.reward = judging, sample, reward
        self.params = SamplingParams.from_config(sample, 0)

    def gather(
        self,
        asked: Sequence[Asked],
        *,
        seed: int,
        states_of: Callable[[Completion], Iterable[State]] | None = None,
        num_continuations: int = 0,
    ) -> Gathered:
        """Draw what is asked for, and continue its states.

        Args:
            asked: distinct.
            seed: with problem and index the whole source of randomness. Continuations have streams of their own,
                so that none repeats the completion that it continues.
            states_of: of a completion; equal states are continued once.
            num_continuations: K of each state.

        Raises:
            SandboxError: a completion could not be judged, nor could those in its place.
            InputError: the reward function's.
        """
        first: _Wave[int] = _Wave(seed, lambda: dict(enumerate(map(self._request, asked))))

        def states() -> Iterator[State]:
            for completion in first.completions.values():
                yield from states_of(completion) if states_of else ()

        second = self._continuing(states, num_continuations, seed)
        self._judge([first, second] if states_of else [first])
        verdicts = [first.verdicts[index] for index in range(len(asked))]
        rewards = self.reward(verdicts, self.problems)
        return Gathered(
            [Drawn(verdict, reward) for verdict, reward in zip(verdicts, rewards, strict=True)],
            self._returns(second),
            first.num_tokens + second.num_tokens,
        )

    def continue_states(
        self, states: Iterable[State], num_continuations: int, *, seed: int
    ) -> dict[State, list[float]]:
        """Rewards of K fresh continuations of each state: their mean is unbiased, with std σ / √K."""
        wave = self._continuing(lambda: iter(states), num_continuations, seed)
        self._judge([wave])
        return self._returns(wave)

    def continuations(
        self, states: Iterable[State], num_continuations: int, *, seed: int
    ) -> dict[State, list[Drawn]]:
        """K fresh continuations of each distinct state, as the whole completions that they make of it."""
        wave = self._continuing(lambda: iter(states), num_continuations, seed)
        self._judge([wave])
        return self._drawn(wave)

    def _request(self, asked: Asked) -> Request:
        return Request(asked.task_id, self.problems[asked.task_id].prompt, asked.sample_index)

    def _continuing(
        self, states: Callable[[], Iterator[State]], num_continuations: int, seed: int
    ) -> _Wave[tuple[State, int]]:
        """Continuations of the distinct ones of `states`, which is called when their turn has come."""

        def requests() -> dict[tuple[State, int], Request]:
            # Numbered within a problem, so that its streams are the same whatever other problems there are.
            by_problem = groupby(sorted(set(states())), key=lambda state: state.task_id)
            return {
                (state, k): self._continuation(state, number * num_continuations + k)
                for _, same in by_problem
                for number, state in enumerate(same)
                for k in range(num_continuations)
            }

        own_seed = int(content_hash([seed, "continuations"])[:8], 16)
        return _Wave(own_seed, requests, lambda key, completion: self._whole(key[0], completion))

    def _continuation(self, state: State, index: int) -> Request:
        return Request(
            state.task_id,
            self.problems[state.task_id].prompt,
            index,
            prompt_ids=state.prompt_ids + state.prefix_ids,
            max_new_tokens=self.params.max_new_tokens - len(state.prefix_ids),
        )

    def _whole(self, state: State, continuation: Completion) -> Completion:
        """The completion that a continuation makes of its state, as if it had been drawn in one."""
        ids = [*state.prefix_ids, *(continuation.completion_ids or ())]
        ends = bool(ids) and ids[-1] in self.policy.stop_ids
        text = continuation_text(self.policy.tokenizer, state.prompt_ids, ids[:-1] if ends else ids)
        # The engine has looked for stop strings in what it wrote; they may also begin in the prefix.
        hit = first_stop(text, self.params.stop)
        changed = {
            "completion": text if hit is None else text[: hit[0]],
            "completion_ids": ids,
            "prompt_ids": list(state.prompt_ids),
            "finish_reason": continuation.finish_reason if hit is None else "stop",
            "logprob": None,
        }
        return continuation.model_copy(update=changed)

    def _returns(self, wave: _Wave[tuple[State, int]]) -> dict[State, list[float]]:
        drawn = self._drawn(wave)
        return {state: rewards for state, each in drawn.items() if (rewards := _rewards_of(each))}

    def _drawn(self, wave: _Wave[tuple[State, int]]) -> dict[State, list[Drawn]]:
        verdicts = list(wave.verdicts.values())
        rewards = self.reward(verdicts, self.problems) if verdicts else []
        drawn: dict[State, list[Drawn]] = {}
        for (state, _), verdict, reward in zip(wave.verdicts, verdicts, rewards, strict=True):
            drawn.setdefault(state, []).append(Drawn(verdict, reward))
        return drawn

    def _judge(self, waves: Sequence[_Wave[Any]]) -> None:
        """Sample the waves one after another and judge them in one stream, then replace what could not be judged."""
        # Opened anew: an engine that has copied the weights would draw from old ones.
        engine = open_engine(self.sample.engine, self.policy)
        for attempt in range(MAX_REPLACEMENTS + 1):
            fed: deque[tuple[_Wave[Any], Any]] = deque()
            completions = _sampled(waves, engine, self.params, attempt, fed)
            extract = self.judging.extract
            for verdict in judge_completions(self.problems, completions, self.judge, extract):
                wave, key = fed.popleft()
                wave.verdicts[key] = verdict
            if all(wave.is_judged for wave in waves):
                return
        unjudged = next(verdict for wave in waves for verdict in wave.unjudged)
        raise SandboxError(
            f"a completion of {unjudged.task_id} could not be judged, nor could {MAX_REPLACEMENTS} in its place: "
            f"{unjudged.message}",
            cure="see `codealign env`, then run again: it continues from the last checkpoint",
        )


def _rewards_of(drawn: Iterable[Drawn]) -> list[float]:
    return [each.reward for each in drawn if each.reward is not None]


Key = TypeVar("Key")


def _as_it_is(key: Any, completion: Completion) -> Completion:
    return completion


@dataclass
class _Wave(Generic[Key]):
    """Completions that are sampled in one call, by what they are for."""

    seed: int
    make_requests: Callable[[], Mapping[Key, Request]]
    """Called when the sampling of the waves before it is done."""
    whole: Callable[[Key, Completion], Completion] = _as_it_is
    """What is judged of a completion that was sampled."""
    requests: dict[Key, Request] = field(default_factory=dict)
    completions: dict[Key, Completion] = field(default_factory=dict)
    verdicts: dict[Key, Verdict] = field(default_factory=dict)
    num_tokens: int = 0

    def sampled(
        self, engine: Engine, params: SamplingParams, attempt: int
    ) -> Iterator[tuple[Key, Completion]]:
        """Sample all at the first attempt, later what could not be judged, from other random streams."""
        if attempt == 0:
            self.requests = dict(self.make_requests())
            # In this order from here on, whatever the order in which completions end.
            self.verdicts = dict.fromkeys(self.requests)  # pyright: ignore[reportAttributeAccessIssue]
            wanted = self.requests
        else:
            wanted = {
                key: request._replace(
                    sample_index=FIRST_REPLACEMENT * attempt + request.sample_index
                )
                for key, request in self.requests.items()
                if self.verdicts[key].outcome == "not_judged"
            }
        key_of = {(each.task_id, each.sample_index): key for key, each in wanted.items()}
        for completion in engine.sample(wanted.values(), replace(params, seed=self.seed)):
            key = key_of[completion.task_id, completion.sample_index]
            self.num_tokens += len(completion.completion_ids or ())
            self.completions[key] = whole = self.whole(key, completion)
            yield key, whole

    @property
    def unjudged(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts.values() if verdict.outcome == "not_judged"]

    @property
    def is_judged(self) -> bool:
        return not self.unjudged


def _sampled(
    waves: Sequence[_Wave[Any]],
    engine: Engine,
    params: SamplingParams,
    attempt: int,
    fed: deque[tuple[_Wave[Any], Any]],
) -> Iterator[Completion]:
    """Completions of one wave after another; `fed` is told whose each is."""
    for wave in waves:
        for key, completion in wave.sampled(engine, params, attempt):
            fed.append((wave, key))
            yield completion
