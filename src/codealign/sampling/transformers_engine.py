"""The embedded engine: our own decode loop over any transformers causal language model.

A prompt is computed once for all its samples; rows join when there is room and leave when they end, so
no step is spent on finished rows. Greedy text equals `model.generate`'s.

Every token the model chose is kept: a completion that ends by itself has its EOS in `completion_ids`
and finish_reason "stop"; one that met a stop string has the tokens up to and including the one that
completed it, no EOS (the model did not choose one), finish_reason "stop" and the string in the column
`stop_reason`; one that hit the limit has neither EOS nor any other mark but finish_reason "length".
`logprob` is the sum over exactly these ids, so a trainer's own log-probs can be checked against it.

Where prompt and limit go beyond the model's positions the limit is lowered to fit. A prompt that leaves
no room at all gets an empty completion with finish_reason "length", and a warning.

Axes: N rows, T new tokens, V vocabulary.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch

from codealign.config import TransformersEngine as TransformersEngineConfig
from codealign.errors import ModelError
from codealign.policy import Policy
from codealign.records import Completion
from codealign.sampling.draw import choose_tokens
from codealign.sampling.engine import Request, SamplingParams, first_stop, uniforms
from codealign.sampling.forked import deal, decode_in_processes, num_processes_for
from codealign.sampling.keyvalues import Group, KeyValues
from codealign.sampling.selfcheck import pick_keyvalues

log = logging.getLogger("codealign.sampling")

LOOK_AHEAD = 4
"""Batches of requests read ahead, from which lock step picks prompts of one length."""


class TransformersEngine:
    """Samples a policy in this process; see the module's text."""

    name = "transformers"

    def __init__(self, policy: Policy, config: TransformersEngineConfig | None = None) -> None:
        self.policy = policy
        self.config = config or TransformersEngineConfig()

    def sample(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Completion]:
        """Yield completions as they finish. The model is in eval mode meanwhile."""
        model = self.policy.model
        # Module by module: a policy in training has gradient checkpointing on (which refuses a cache)
        # and its dropout off.
        training = [module for module in model.modules() if module.training]
        model.eval()
        without_room: dict[str, None] = {}
        try:
            for completion in self._decoded(requests, params):
                if not completion.completion_ids:
                    without_room[completion.task_id] = None
                yield completion
        finally:
            for module in training:
                module.training = True
        self._warn_of_full_prompts(list(without_room))

    def _decoded(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Completion]:
        num_processes = num_processes_for(self.policy, self.config.processes)
        if num_processes == 1:
            return self._decode(requests, params, 1)
        shares = deal(list(requests), num_processes)
        if len(shares) < 2:
            return self._decode(chain.from_iterable(shares), params, 1)
        return decode_in_processes(lambda share: self._decode(share, params, len(shares)), shares)

    def _decode(
        self, requests: Iterable[Request], params: SamplingParams, num_processes: int
    ) -> Iterator[Completion]:
        max_tokens = (self.config.max_cached_tokens or math.inf) / num_processes
        return _Decoder(self.policy, params, self.config.batch_size, max_tokens).run(requests)

    def _warn_of_full_prompts(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            log.warning(
                "%d problems have prompts that fill the model's %s positions (first: %s); their "
                "completions are empty",
                len(task_ids),
                self.policy.max_positions,
                task_ids[0],
            )


class _Wanted(NamedTuple):
    """A request with its prompt's ids and the tokens it may have."""

    request: Request
    prompt_ids: tuple[int, ...]
    limit: int


class _Held:
    """What rows may come to hold, in tokens; counted by the longest, as the buffers are made."""

    def __init__(self, shares_prompts: bool, rows: Sequence[_Wanted]) -> None:
        self.shares_prompts = shares_prompts
        self.rows = self.longest_prompt = self.longest_tail = 0
        self.prompts: set[tuple[int, ...]] = set()
        for wanted in rows:
            self.add(wanted)

    def add(self, wanted: _Wanted) -> None:
        self.rows += 1
        self.prompts.add(wanted.prompt_ids)
        self.longest_prompt = max(self.longest_prompt, len(wanted.prompt_ids))
        self.longest_tail = max(self.longest_tail, wanted.limit)

    def tokens_with(self, wanted: _Wanted) -> int:
        num_prompts = len(self.prompts) + (wanted.prompt_ids not in self.prompts)
        copies = num_prompts if self.shares_prompts else self.rows + 1
        prompts = copies * max(self.longest_prompt, len(wanted.prompt_ids))
        return prompts + (self.rows + 1) * max(self.longest_tail, wanted.limit)


def _by_prompt(taken: Sequence[_Wanted]) -> list[list[_Wanted]]:
    """The requests of each prompt together."""
    groups: dict[tuple[int, ...], list[_Wanted]] = {}
    for wanted in taken:
        groups.setdefault(wanted.prompt_ids, []).append(wanted)
    return list(groups.values())


class _Decoder:
    """One pass of decoding: a queue, the active rows, and what is known of each."""

    def __init__(
        self, policy: Policy, params: SamplingParams, num_rows: int, max_tokens: float
    ) -> None:
        self.policy, self.params = policy, params
        self.num_rows, self.max_tokens = num_rows, max_tokens
        self.tokenizer: Any = policy.tokenizer
        self.eos_ids = policy.stop_ids
        self.eos_tensor = torch.tensor(sorted(self.eos_ids), device=policy.device)
        self.stops = StopStrings(self.tokenizer, params.stop)
        self.queue: deque[_Wanted] = deque()
        self.without_room: list[_Wanted] = []
        self.rows: list[_Wanted] = []
        self.past: KeyValues | None = None
        self.encoded: tuple[str, tuple[int, ...]] = ("", ())
        self._allocate()

    def _allocate(self) -> None:
        shape, device = (self.num_rows, self.params.max_new_tokens), self.policy.device
        self.tokens_NT = torch.zeros(shape, dtype=torch.long, device=device)
        self.counts_N = torch.zeros(self.num_rows, dtype=torch.long, device=device)
        self.limits_N = torch.zeros(self.num_rows, dtype=torch.long, device=device)
        self.logps_N = torch.zeros(self.num_rows, device=device)
        # Some accelerators have no float64; the draw then happens on the CPU.
        self.draw_device = torch.device("cpu") if device.type == "mps" else device
        self.uniforms_NT = torch.zeros(
            shape if self.params.temperature else (self.num_rows, 1),
            dtype=torch.float64,
            device=self.draw_device,
        )
        self.order_N = torch.arange(self.num_rows, device=device)

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        waiting = iter(requests)
        self._read(waiting)
        while self.queue or self.rows or self.without_room:
            yield from self._give_up()
            yield from self._admit()
            if self.rows:
                yield from self._step()
            self._read(waiting)

    def _read(self, waiting: Iterator[Request]) -> None:
        while len(self.queue) + len(self.without_room) < LOOK_AHEAD * self.num_rows:
            request = next(waiting, None)
            if request is None:
                return
            wanted = self._want(request)
            (self.queue if wanted.limit > 0 else self.without_room).append(wanted)

    def _give_up(self) -> Iterator[Completion]:
        """Empty completions of the prompts that leave no room."""
        for wanted in self.without_room:
            yield Completion(
                completion="",
                completion_ids=[],
                finish_reason="length",
                logprob=0.0,
                **self._columns(wanted),
            )
        self.without_room.clear()

    def _want(self, request: Request) -> _Wanted:
        prompt_ids = request.prompt_ids or self._encode(request.prompt)
        limit = self.params.of(request).max_new_tokens
        positions = self.policy.max_positions
        if not prompt_ids:
            raise ModelError(
                "the prompt has no tokens to continue",
                where=request.task_id,
                cure="give the problem a prompt, or use a tokenizer that starts texts with BOS",
            )
        if positions is not None:
            limit = min(limit, positions - len(prompt_ids))
        return _Wanted(request, prompt_ids, limit)

    def _encode(self, prompt: str) -> tuple[int, ...]:
        # The samples of one problem follow one another; encoding once is enough.
        if self.encoded[0] != prompt or not self.encoded[1]:
            self.encoded = (prompt, tuple(self.policy.encode_prompt(prompt)))
        return self.encoded[1]

    @torch.no_grad()
    def _admit(self) -> list[Completion]:
        """Fill free rows from the queue once a quarter is free (or nothing runs)."""
        free = self.num_rows - len(self.rows)
        if not self.queue or (self.rows and free * 4 < min(self.num_rows, 4 * len(self.queue))):
            return []
        past = self._past()
        taken = self._take(past, free)
        if not taken:
            return []
        groups = _by_prompt(taken)
        logits_NV = past.admit([Group(group[0].prompt_ids, len(group)) for group in groups])
        first, taken = len(self.rows), list(chain.from_iterable(groups))
        self.rows.extend(taken)
        self._prepare(first, taken)
        return self._choose(first, logits_NV)

    def _past(self) -> KeyValues:
        if self.past is None:
            # Later prompts may be longer by what a completion has: those that continue its beginnings.
            longest = max(len(wanted.prompt_ids) for wanted in self.queue)
            longest += self.params.max_new_tokens
            kind = pick_keyvalues(self.policy.model, longest)
            self.past = kind(self.policy.model, self.num_rows)
        return self.past

    def _take(self, past: KeyValues, free: int) -> list[_Wanted]:
        """Up to `free` requests that may join now; the others keep their order."""
        taken: list[_Wanted] = []
        passed: list[_Wanted] = []
        held = _Held(past.shares_prompts, self.rows)
        while self.queue and len(taken) < free:
            # A row that is too long for the budget is decoded alone.
            if held.rows and held.tokens_with(self.queue[0]) > self.max_tokens:
                break
            wanted = self.queue.popleft()
            taken_length = len(taken[0].prompt_ids) if taken else None
            fits = past.accepts(len(wanted.prompt_ids), taken_length)
            (taken if fits else passed).append(wanted)
            if fits:
                held.add(wanted)
        self.queue.extendleft(reversed(passed))
        return taken

    def _prepare(self, first: int, taken: Sequence[_Wanted]) -> None:
        """Counters, limits and random numbers of the rows that join at `first`."""
        place = slice(first, first + len(taken))
        self.counts_N[place] = 0
        self.logps_N[place] = 0.0
        limits = [wanted.limit for wanted in taken]
        self.limits_N[place] = torch.tensor(limits, device=self.limits_N.device)
        if self.params.temperature:
            for row, wanted in enumerate(taken, start=first):
                numbers = uniforms(self.params.seed, wanted.request, self.params.max_new_tokens)
                self.uniforms_NT[row] = torch.from_numpy(numbers)

    @torch.no_grad()
    def _step(self) -> list[Completion]:
        assert self.past is not None
        active = len(self.rows)
        last_N = self.tokens_NT[self.order_N[:active], self.counts_N[:active] - 1]
        return self._choose(0, self.past.step(last_N))

    def _choose(self, first: int, logits_NV: torch.Tensor) -> list[Completion]:
        """Choose a token for the rows from `first` on, and take out those that end with it."""
        place = slice(first, len(self.rows))
        counts_N = self.counts_N[place]
        if self.params.temperature:
            at_N = counts_N.to(self.draw_device)
            uniforms_N = self.uniforms_NT[place].gather(1, at_N[:, None])[:, 0]
        else:
            uniforms_N = self.uniforms_NT[place, 0]
        choice = choose_tokens(logits_NV.to(self.draw_device), uniforms_N, self.params)
        tokens_N = choice.tokens_N.to(counts_N.device)
        self.tokens_NT[self.order_N[place], counts_N] = tokens_N
        self.logps_N[place] += choice.logps_N.to(counts_N.device)
        counts_N += 1
        ended_N = torch.isin(tokens_N, self.eos_tensor) | (counts_N >= self.limits_N[place])
        ended = {first + row: None for row in ended_N.nonzero()[:, 0].tolist()}
        stopped = self._stopped(first, tokens_N) if self.params.stop else {}
        return self._release(ended | stopped)

    def _stopped(self, first: int, tokens_N: torch.Tensor) -> dict[int, tuple[str, str] | None]:
        """Rows whose text now holds a stop string: (the text before it, the string)."""
        found = {}
        for row, token in enumerate(tokens_N.tolist(), start=first):
            if self.stops.may_end_with(token):
                text = self._text(
                    self.rows[row], self.tokens_NT[row, : self.counts_N[row]].tolist()
                )
                hit = first_stop(text, self.params.stop)
                if hit is not None:
                    found[row] = (text[: hit[0]], hit[1])
        return found

    def _release(self, ended: dict[int, tuple[str, str] | None]) -> list[Completion]:
        """The ended rows' completions; the last rows move into their places."""
        if not ended:
            return []
        finished = [self._completion(row, hit) for row, hit in ended.items()]
        active = len(self.rows)
        kept = active - len(ended)
        target = [row for row in ended if row < kept]
        source = [row for row in range(kept, active) if row not in ended]
        if target:
            to, of = self.order_N[target], self.order_N[source]
            for state in (self.tokens_NT, self.counts_N, self.limits_N, self.logps_N):
                state[to] = state[of]
            self.uniforms_NT[to.to(self.draw_device)] = self.uniforms_NT[of.to(self.draw_device)]
            for to_row, of_row in zip(target, source, strict=True):
                self.rows[to_row] = self.rows[of_row]
        del self.rows[kept:]
        assert self.past is not None
        self.past.move(kept, target, source)
        return finished

    def _completion(self, row: int, hit: tuple[str, str] | None) -> Completion:
        wanted, ids = self.rows[row], self.tokens_NT[row, : self.counts_N[row]].tolist()
        by_eos = ids[-1] in self.eos_ids
        text = hit[0] if hit else self._text(wanted, ids[:-1] if by_eos else ids)
        columns = self._columns(wanted)
        if hit:
            columns["stop_reason"] = hit[1]
        return Completion(
            completion=text,
            completion_ids=ids,
            finish_reason="stop" if by_eos or hit else "length",
            logprob=float(self.logps_N[row]),
            **columns,
        )

    def _columns(self, wanted: _Wanted) -> dict[str, Any]:
        """What a completion has of its request, whatever came out."""
        return {
            "task_id": wanted.request.task_id,
            "sample_index": wanted.request.sample_index,
            "prompt_ids": list(wanted.prompt_ids),
            "sampler": self.params.of(wanted.request).column(TransformersEngine.name),
        }

    def _text(self, wanted: _Wanted, ids: list[int]) -> str:
        return continuation_text(self.tokenizer, wanted.prompt_ids, ids)


CONTEXT_TOKENS = 4
"""Prompt tokens decoded along with a completion: what a tokenizer may need to keep a first space."""


def continuation_text(tokenizer: Any, prompt_ids: Sequence[int], ids: list[int]) -> str:
    """The text that `ids` add after the prompt. SentencePiece drops a leading space without context."""
    context = list(prompt_ids[-CONTEXT_TOKENS:])
    before = _decode(tokenizer, context)
    text = _decode(tokenizer, context + ids)
    return text[len(before) :] if text.startswith(before) else _decode(tokenizer, ids)


def _decode(tokenizer: Any, ids: list[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


class StopStrings:
    """Tells cheaply which tokens can complete a stop string, so that few texts are searched."""

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        # A token that completes a stop string holds its last character. Whitespace and partial
        # characters may decode differently alone, so those stop strings look at every token.
        self.last_characters = {word[-1] for word in stop}
        self.always = any(not c.isascii() or c == " " for c in self.last_characters)
        self.known: dict[int, bool] = {}

    def may_end_with(self, token: int) -> bool:
        if self.always:
            return True
        if token not in self.known:
            text = _decode(self.tokenizer, [token])
            self.known[token] = any(c in text for c in self.last_characters)
        return self.known[token]
