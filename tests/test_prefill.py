"""Prompts that share beginnings: computed once, with the pasts and completions that each would have alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import transformers
from model_fixtures import COMMON, ROPE, make_model, make_tokenizer
from test_sampling_shared import SHARING, UNSUITED, model_of

from codealign.config import ModelConfig
from codealign.config import TransformersEngine as EngineConfig
from codealign.policy import Policy
from codealign.records import Completion
from codealign.sampling import Request, SamplingParams, open_engine
from codealign.sampling.keyvalues import LockstepKeyValues, SlotKeyValues
from codealign.sampling.prefill import PREFILL_TOKENS, Ids, PromptPast, compute, prefill
from codealign.sampling.selfcheck import fault_of, pick_keyvalues

torch.set_num_threads(1)

MODELS = SHARING | {name: make for name, (make, _) in UNSUITED.items()}


def tokens(count: int, seed: int = 0) -> Ids:
    rng = random.Random(f"{count} {seed}")
    return tuple(rng.randrange(1, COMMON["vocab_size"]) for _ in range(count))


@contextmanager
def forwards(model: Any) -> Iterator[list[tuple[int, int]]]:
    """[rows, columns] of each forward meanwhile."""
    shapes: list[tuple[int, int]] = []

    def note(module: Any, args: Any, kwargs: Any) -> None:
        shapes.append(tuple(kwargs["input_ids"].shape))

    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    yield shapes
    hook.remove()


@torch.no_grad()
def computed(
    model: Any, prompts: list[Ids], known: PromptPast | None = None
) -> dict[Ids, PromptPast]:
    pasts = [past.clone() for past in compute(model, prompts, known)]
    assert sorted(past.prompt_ids for past in pasts) == sorted(prompts)
    return {past.prompt_ids: past for past in pasts}


# A prompt of 40 tokens, and completions of it cut at their lines.
PROMPT = tokens(40)
A1 = PROMPT + tokens(10, 1)
A2 = A1 + tokens(8, 2)
B1 = PROMPT + tokens(12, 3)
B2 = B1 + tokens(9, 4)
C1 = PROMPT + tokens(5, 5)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_every_past_and_logit_is_that_of_the_prompt_alone(name: str) -> None:
    model = model_of(MODELS[name]())
    # These multiply by experts, or mask, in float32 at most.
    in_float32 = name == "mixtral" or name in UNSUITED
    exact, allowed = (model, 1e-4) if in_float32 else (model.double(), 1e-9)
    first = computed(exact, [PROMPT, A2, B1, A1, tokens(3)])
    second = computed(exact, [C1, B2, B1[:-2], B1, tokens(50)], first[B1])
    for past in (*first.values(), *second.values()):
        (alone,) = prefill(exact, [past.prompt_ids], None)
        assert float((past.logits_V - alone.logits_V).abs().max()) < allowed
        for ours, theirs in zip(past.layers, alone.layers, strict=True):
            for part, expected in zip(ours, theirs, strict=True):
                assert part.shape == expected.shape
                assert float((part - expected).abs().max()) < allowed


def test_a_prompt_that_another_one_extends_takes_no_computation() -> None:
    model = make_model("qwen2").eval()
    with forwards(model) as shapes:
        computed(model, [A1, PROMPT, A2])
    assert shapes == [(1, 58)]


def test_what_is_shared_with_a_prompt_just_computed_is_not_computed_again() -> None:
    model = make_model("qwen2").eval()
    with forwards(model) as shapes:
        pasts = computed(model, [PROMPT, A1, A2, B1])
        # A2 first, whose past gives the prompt's 40 tokens to the 12 of B1.
        assert shapes == [(1, 58), (1, 12)]
        shapes.clear()
        # Both after B1's past: 9 tokens of B2, and as many of C1, which needs 5.
        computed(model, [B2, C1], pasts[B1])
        assert shapes == [(2, 9)]
        shapes.clear()
        # The known one itself, and shorter ones: the last token for its logits, from the shortest on.
        computed(model, [B1], pasts[B1])
        assert shapes == []
        computed(model, [B1[:-3], B1[:-1]], pasts[B1])
        assert shapes == [(1, 3)]


def test_prompts_that_share_little_are_computed_together_by_length() -> None:
    model = make_model("qwen2").eval()
    prompts = [tokens(size) for size in (300, 30, 200, 20)]
    alike = [PROMPT[:15] + tokens(size) for size in (20, 21)]  # 15 are not worth a forward
    with forwards(model) as shapes:
        computed(model, prompts + alike)
    # 5 rows of 200 fit 1,024 tokens, with a sixth of 300 they do not.
    assert shapes == [(5, 200), (1, 300)]


def test_a_forward_is_given_no_more_than_its_budget() -> None:
    model = make_model("qwen2").eval()
    long = tokens(200)
    with forwards(model) as shapes:
        computed(model, [long + tokens(10, seed) for seed in range(12)])
    # 4 rows of 210 columns, given or made, fit 1,024.
    assert shapes == [(1, 210), (4, 10), (4, 10), (3, 10)]
    assert all(rows * 210 <= PREFILL_TOKENS for rows, _ in shapes)


# ------------------------------------------------------------------- what is drawn


def policy_of(architecture: str) -> Policy:
    return Policy(make_model(architecture), make_tokenizer(), ModelConfig())


def beginnings(num_samples: int) -> list[Request]:
    """Of 6 completions of each of 2 prompts, cut after every fifth token, in order of arrival."""
    rng = random.Random(0)
    wanted: list[Request] = []
    for problem in range(2):
        prompt = tokens(30, problem)
        for number in range(6):
            completion = tokens(rng.randint(6, 24), 100 + 10 * problem + number)
            for end in range(0, len(completion), 5):
                name = f"{problem}/{number}/{end}"
                ids, limit = prompt + completion[:end], 24 - end
                wanted += [Request(name, "", i, ids, limit) for i in range(num_samples)]
    return wanted


def drawn(policy: Policy, wanted: list[Request], **settings: Any) -> dict[Any, Completion]:
    engine = open_engine(EngineConfig(**settings), policy)
    rows = engine.sample(wanted, SamplingParams(max_new_tokens=24))
    return {(row.task_id, row.sample_index): row for row in rows}


@pytest.mark.parametrize("kind", ["qwen2", "gpt2", "slots", "lock step"])
def test_continuations_of_beginnings_are_those_of_each_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policy_of(kind if kind in SHARING else "llama")
    wanted = beginnings(3)
    alone: dict[Any, Completion] = {}
    for request in wanted:
        alone |= drawn(policy, [request])
    if kind not in SHARING:
        chosen = SlotKeyValues if kind == "slots" else LockstepKeyValues
        monkeypatch.setattr(
            "codealign.sampling.transformers_engine.pick_keyvalues", lambda model, longest: chosen
        )
    shuffled = random.Random(1).sample(wanted, len(wanted))
    for order, batch_size in [(wanted, 8), (wanted[::-1], 20), (shuffled, 64)]:
        together = drawn(policy, order, batch_size=batch_size)
        assert len(together) == len(wanted)
        for key, row in together.items():
            assert row.completion_ids == alone[key].completion_ids
            assert row.logprob == pytest.approx(alone[key].logprob, abs=1e-3)


def test_most_of_a_beginning_is_not_computed_again() -> None:
    policy = policy_of("qwen2")
    wanted = beginnings(3)
    with forwards(policy.model) as shapes:
        drawn(policy, wanted, batch_size=16)
    made = sum(rows * columns for rows, columns in shapes if columns > 1)
    whole = sum(len(ids) for ids in {request.prompt_ids or () for request in wanted})
    assert made < whole / 2


# ------------------------------------------------------------------- models that it does not suit


class _Wrapper(torch.nn.Module):
    """What some remote code does otherwise than transformers' own models."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner, self.config, self.device = model, model.config, model.device
        self.dtype, self.get_input_embeddings = model.dtype, model.get_input_embeddings


class _OneColumnAfterAPast(_Wrapper):
    def forward(self, input_ids: Any, past_key_values: Any = None, **others: Any) -> Any:
        if past_key_values and past_key_values.get_seq_length() and input_ids.shape[1] > 1:
            others["attention_mask"] = None  # forgets what is padding
            others["position_ids"] = None
            input_ids = input_ids.flip(1)
        return self.inner(input_ids, past_key_values=past_key_values, **others)


class _AllLogits(_Wrapper):
    def forward(self, input_ids: Any, logits_to_keep: Any = None, **others: Any) -> Any:
        return self.inner(input_ids, **others)


def test_a_model_that_takes_no_columns_after_a_past_is_decoded_in_lock_step() -> None:
    model = _OneColumnAfterAPast(make_model("llama").eval())
    assert "logits differ" in fault_of(SlotKeyValues, model)
    assert pick_keyvalues(model, longest=60) is LockstepKeyValues


def test_a_model_that_gives_all_logits_is_served() -> None:
    model = _AllLogits(make_model("llama").eval())
    assert fault_of(SlotKeyValues, model) == ""


def test_a_window_in_reach_keeps_each_prompt_by_itself() -> None:
    config = transformers.MistralConfig(**COMMON, **ROPE, sliding_window=8)
    model = model_of(config)
    policy = Policy(model, make_tokenizer(), ModelConfig())
    first = [Request("t", "", i, PROMPT) for i in range(2)]
    with forwards(model) as shapes:
        drawn(policy, [*first, Request("u", "", 0, A1)])
    assert [shape for shape in shapes if shape[1] > 20] == [(1, 40), (1, 50)]
