"""What every sampling engine is asked and what it answers.

An engine takes requests (one completion of one problem each) and yields completions as they finish, in
any order. Each draw has its own random stream, made from (seed, task_id, sample_index) alone, so the
set of completions does not depend on batch size, order, or which other requests are there.

Not promised: equal completions from different engines, devices or library versions. Floating-point
noise differs between them, and near-ties fall the other way (docs/sampling.md says how often).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from codealign.config import EvalConfig, SampleConfig
from codealign.errors import ConfigError
from codealign.records import Completion, Problem


class Request(NamedTuple):
    """One completion to draw.

    Args:
        prompt_ids: overrides the tokenizer, e.g. to sample a continuation of a part of a completion.
        max_new_tokens: a limit of its own, from 1 to the params'; a larger one counts as theirs. None: theirs.
    """

    task_id: str
    prompt: str
    sample_index: int = 0
    prompt_ids: tuple[int, ...] | None = None
    max_new_tokens: int | None = None


@dataclass(frozen=True)
class SamplingParams:
    """How tokens are chosen: temperature first, then top-k, top-p and min-p, as in transformers.

    Args:
        temperature: 0 takes the most likely token and ignores the rest and the seed.
        top_p: keep the smallest set of tokens whose probability reaches this; 1 is off.
        top_k: keep so many tokens; 0 is off.
        min_p: drop tokens less likely than this share of the most likely one (arXiv 2407.01082); 0 is off.
        max_new_tokens: limit of a completion in tokens, its EOS included.
        stop: strings that end a completion; the text is cut before the first one.
        seed: with task_id and sample_index the whole source of randomness.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_new_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int = 0

    @classmethod
    def from_config(cls, config: SampleConfig | EvalConfig, seed: int) -> SamplingParams:
        """The sampled (not greedy) settings of a `sample` or `eval` section."""
        known = {
            name: getattr(config, name)
            for name in ("temperature", "top_p", "top_k", "min_p", "max_new_tokens")
            if hasattr(config, name)
        }
        return cls(**known, stop=tuple(getattr(config, "stop", ())), seed=seed)

    def of(self, request: Request) -> SamplingParams:
        """These settings with the request's own limit, which is never above theirs.

        Raises:
            ConfigError: the limit leaves no token to draw.
        """
        if request.max_new_tokens is None:
            return self
        if request.max_new_tokens < 1:
            raise ConfigError(
                f"a limit of {request.max_new_tokens} tokens leaves nothing to draw",
                where=f"max_new_tokens of the request for {request.task_id}",
                cure="ask for 1 token at least, or leave the request out",
            )
        return replace(self, max_new_tokens=min(request.max_new_tokens, self.max_new_tokens))

    def column(self, engine: str) -> dict[str, Any]:
        """The `sampler` column of a completion: the engine's name and every setting."""
        return {"engine": engine, **asdict(self), "stop": list(self.stop)}


class Engine(Protocol):
    """Draws completions. Raises EngineError when it can't, ModelError when the model can't."""

    name: str

    def sample(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Completion]:
        """Yield one completion per request as each finishes.

        `requests` are read as there is room; all of them before the first completion where several processes
        decode (docs/sampling.md).
        """
        ...


def requests_for(problems: Iterable[Problem], num_samples: int) -> Iterator[Request]:
    """`num_samples` requests a problem, sample_index 0 … num_samples - 1, problem after problem."""
    for problem in problems:
        for sample_index in range(num_samples):
            yield Request(problem.task_id, problem.prompt, sample_index)


def stream_key(seed: int, task_id: str, sample_index: int) -> int:
    """128 bits that name the random stream of one completion."""
    name = f"{seed}\0{task_id}\0{sample_index}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(name).digest()[:16], "little")


def uniforms(seed: int, request: Request, count: int) -> np.ndarray:
    """`count` float64 numbers in [0, 1), one a token; a longer request starts with the same ones."""
    key = stream_key(seed, request.task_id, request.sample_index)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def server_seed(params: SamplingParams, request: Request) -> int:
    """31 bits of the stream's key: what a server or vLLM takes as a seed."""
    return stream_key(params.seed, request.task_id, request.sample_index) & 0x7FFFFFFF


def first_stop(text: str, stop: Sequence[str]) -> tuple[int, str] | None:
    """(where, which) of the earliest stop string in `text`; the longer one where two start together."""
    found = [(text.find(word), -len(word), word) for word in stop if word in text]
    if not found:
        return None
    where, _, word = min(found)
    return where, word
