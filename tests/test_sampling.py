"""The embedded engine: what is drawn, what it depends on, and what comes with it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from model_fixtures import ARCHITECTURES, COMMON, ROPE, make_tokenizer, save_tiny_model
from transformers.generation import logits_process

from codealign.config import ModelConfig, SampleConfig
from codealign.config import TransformersEngine as EngineConfig
from codealign.errors import ConfigError, ModelError
from codealign.policy import Policy, load_policy
from codealign.records import Completion
from codealign.sampling import Request, SamplingParams, open_engine
from codealign.sampling.draw import choose_tokens
from codealign.sampling.engine import first_stop, uniforms
from codealign.sampling.keyvalues import LockstepKeyValues, SlotKeyValues
from codealign.sampling.selfcheck import fault_of, pick_keyvalues, shortest_window
from codealign.sampling.shared_prompts import SharedKeyValues
from codealign.sampling.transformers_engine import StopStrings, continuation_text

torch.set_num_threads(1)

PROMPTS = [
    "def add(a, b):\n",
    "def head(xs):\n    for x in xs:\n        if x",
    "xs = [1, 2, 3]\nfor x",
    "return",
    "def total(xs):\n    result = 0\n",
]


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Policy]:
    return {
        name: load_policy(ModelConfig(model_name_or_path=str(_saved(tmp_path_factory, name))))
        for name in ARCHITECTURES
    }


def _saved(factory: pytest.TempPathFactory, architecture: str) -> Path:
    return save_tiny_model(factory.mktemp(architecture), architecture)


def requests(num_samples: int = 4) -> list[Request]:
    return [Request(f"t{i}", p, j) for i, p in enumerate(PROMPTS) for j in range(num_samples)]


def draw(
    policy: Policy, wanted: Iterable[Request], batch_size: int = 64, **settings: Any
) -> dict[tuple[str, int], Completion]:
    params = SamplingParams(**{"max_new_tokens": 24, **settings})
    engine = open_engine(EngineConfig(batch_size=batch_size), policy)
    completions = list(engine.sample(wanted, params))
    by_key = {(c.task_id, c.sample_index): c for c in completions}
    assert len(by_key) == len(completions)
    return by_key


def ids(completions: dict[tuple[str, int], Completion]) -> dict[tuple[str, int], list[int] | None]:
    return {key: completion.completion_ids for key, completion in completions.items()}


# ------------------------------------------------------------------- choosing a token


def shares(logits_V: torch.Tensor, num: int = 20_000, **settings: Any) -> torch.Tensor:
    """Share of each token over a grid of uniforms: the probabilities, to within 1/num each."""
    grid_N = (torch.arange(num, dtype=torch.float64) + 0.5) / num
    choice = choose_tokens(logits_V.expand(num, -1), grid_N, SamplingParams(**settings))
    return torch.bincount(choice.tokens_N, minlength=len(logits_V)).double() / num


@pytest.mark.parametrize(
    ("settings", "processors"),
    [
        ({}, []),
        ({"temperature": 0.5}, [logits_process.TemperatureLogitsWarper(0.5)]),
        ({"top_k": 5}, [logits_process.TopKLogitsWarper(5)]),
        ({"top_p": 0.7}, [logits_process.TopPLogitsWarper(0.7)]),
        ({"min_p": 0.2}, [logits_process.MinPLogitsWarper(0.2)]),
        (
            {"temperature": 1.5, "top_k": 9, "top_p": 0.8, "min_p": 0.1},
            [
                logits_process.TemperatureLogitsWarper(1.5),
                logits_process.TopKLogitsWarper(9),
                logits_process.TopPLogitsWarper(0.8),
                logits_process.MinPLogitsWarper(0.1),
            ],
        ),
    ],
)
def test_tokens_are_drawn_with_the_probabilities_of_transformers_processors(
    settings: dict[str, Any], processors: list[Any]
) -> None:
    logits_V = torch.randn(40, generator=torch.Generator().manual_seed(1)) * 2
    scores_V = logits_V[None]
    for process in processors:
        scores_V = process(None, scores_V)
    expected_V = scores_V[0].double().softmax(-1)
    assert torch.allclose(shares(logits_V, **settings), expected_V, atol=1.5 / 20_000)


def test_top_p_beyond_the_first_thousand_candidates_sorts_the_whole_vocabulary() -> None:
    # Of 3,000 equal tokens 2,701 are needed to reach 0.90015 (2,700 hold 0.9).
    assert int((shares(torch.zeros(3000), num=4000, top_p=0.90015) > 0).sum()) == 2701


def test_a_token_of_no_probability_is_never_chosen_even_at_the_ends_of_the_unit_interval() -> None:
    logits_NV = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]]).expand(2, -1)
    ends_N = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert choose_tokens(logits_NV, ends_N, SamplingParams()).tokens_N.tolist() == [1, 3]


def test_the_log_probability_is_the_models_own_whatever_the_sampler_does() -> None:
    logits_V = torch.tensor([1.0, 2.0, 3.0])
    choice = choose_tokens(
        logits_V[None],
        torch.tensor([0.5], dtype=torch.float64),
        SamplingParams(temperature=0.3, top_k=1),
    )
    # The largest of 1, 2, 3 at temperature 1: 3 - log(e + e^2 + e^3) = -0.4076.
    assert choice.logps_N.item() == pytest.approx(-0.4076, abs=1e-4)


def test_a_stream_belongs_to_seed_task_and_index_and_a_longer_one_starts_with_the_shorter() -> None:
    first = uniforms(0, Request("a", "", 1), 5)
    assert uniforms(0, Request("a", "another prompt", 1), 9)[:5].tolist() == first.tolist()
    for seed, request in [
        (1, Request("a", "", 1)),
        (0, Request("b", "", 1)),
        (0, Request("a", "")),
    ]:
        assert not set(uniforms(seed, request, 5)) & set(first)


# ------------------------------------------------------------------- what a completion depends on


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_completions_do_not_depend_on_batch_size_or_order(
    policies: dict[str, Policy], architecture: str
) -> None:
    policy = policies[architecture]
    alone = ids(draw(policy, requests(), batch_size=1))
    assert len({tuple(tokens or ()) for tokens in alone.values()}) > 15  # they do differ
    assert ids(draw(policy, requests(), batch_size=3)) == alone
    assert ids(draw(policy, reversed(requests()), batch_size=64)) == alone
    by_sample = sorted(requests(), key=lambda request: request.sample_index)
    assert ids(draw(policy, by_sample, batch_size=6)) == alone


def test_a_completion_does_not_depend_on_which_others_are_drawn(
    policies: dict[str, Policy],
) -> None:
    everything = ids(draw(policies["qwen2"], requests(), batch_size=5))
    some = ids(draw(policies["qwen2"], requests()[3:17:5], batch_size=5))
    assert some == {key: everything[key] for key in some}


def test_another_seed_gives_other_completions(policies: dict[str, Policy]) -> None:
    first, second = (ids(draw(policies["llama"], requests(), seed=seed)) for seed in (0, 1))
    assert all(first[key] != second[key] for key in first)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_text_is_that_of_generate(policies: dict[str, Policy], architecture: str) -> None:
    policy = policies[architecture]
    ours = draw(policy, requests(2), batch_size=3, temperature=0.0)
    for i, prompt in enumerate(PROMPTS):
        expected = _generate(policy.model, policy.encode_prompt(prompt), 24)
        assert ours[f"t{i}", 0].completion_ids == expected
        assert ours[f"t{i}", 1].completion_ids == expected


def _generate(model: Any, prompt_ids: list[int], limit: int) -> list[int]:
    output = model.generate(
        torch.tensor([prompt_ids]), max_new_tokens=limit, do_sample=False, pad_token_id=0
    )
    return output[0, len(prompt_ids) :].tolist()


# ------------------------------------------------------------------- what comes with a completion


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_probabilities_are_those_of_a_plain_forward_at_temperature_one(
    policies: dict[str, Policy], architecture: str
) -> None:
    policy = policies[architecture]
    drawn = draw(policy, requests(2), temperature=0.7, top_p=0.9)
    for completion in drawn.values():
        assert completion.prompt_ids is not None
        assert completion.completion_ids is not None
        whole = torch.tensor([completion.prompt_ids + completion.completion_ids])
        with torch.no_grad():
            logps_TV = policy.model(whole).logits[0].log_softmax(-1)
        start = len(completion.prompt_ids) - 1
        expected = sum(
            float(logps_TV[start + i, token]) for i, token in enumerate(completion.completion_ids)
        )
        assert completion.logprob == pytest.approx(expected, abs=1e-3)


def test_eos_ends_a_completion_and_the_limit_adds_none(policies: dict[str, Policy]) -> None:
    policy = policies["gpt2"]
    drawn = draw(policy, requests(12)).values()
    stopped = [c for c in drawn if c.finish_reason == "stop"]
    cut = [c for c in drawn if c.finish_reason == "length"]
    assert stopped
    assert cut
    for completion in stopped:
        *tokens, last = completion.completion_ids or []
        assert last == policy.eos_id
        assert policy.eos_id not in tokens
        assert completion.completion == policy.tokenizer.decode(tokens)
    for completion in cut:
        assert len(completion.completion_ids or []) == 24
        assert policy.eos_id not in (completion.completion_ids or [])


def test_a_stop_string_cuts_the_text_and_keeps_the_tokens_that_made_it(
    policies: dict[str, Policy],
) -> None:
    policy = policies["qwen2"]
    free = draw(policy, requests(6), max_new_tokens=40)
    stopped = draw(policy, requests(6), max_new_tokens=40, stop=("a", "re"))
    num_stopped = 0
    for key, completion in stopped.items():
        hit = first_stop(free[key].completion, ("a", "re"))
        if hit is None:
            same = {"sampler": completion.sampler, "logprob": pytest.approx(completion.logprob)}
            assert completion == free[key].model_copy(update=same)
            continue
        num_stopped += 1
        tokens = completion.completion_ids or []
        assert completion.completion == free[key].completion[: hit[0]]
        assert (completion.finish_reason, completion.stop_reason) == ("stop", hit[1])
        assert tokens == (free[key].completion_ids or [])[: len(tokens)]
        # Just enough tokens: without the last one the stop string is not there.
        assert hit[1] in policy.tokenizer.decode(tokens)
        assert first_stop(policy.tokenizer.decode(tokens[:-1]), ("a", "re")) is None
    assert num_stopped > 5


def test_the_earliest_stop_string_wins() -> None:
    assert first_stop("x = 1\ndef f", ("\ndef", "\n")) == (5, "\ndef")
    assert first_stop("x = 1", ("\n",)) is None


def test_only_tokens_that_can_complete_a_stop_string_are_looked_at() -> None:
    tokenizer = make_tokenizer()
    newline, letter = (tokenizer.encode(text)[0] for text in ("\n", "q"))
    assert StopStrings(tokenizer, ["def\n"]).may_end_with(newline)
    assert not StopStrings(tokenizer, ["def\n"]).may_end_with(letter)
    assert StopStrings(tokenizer, ["é"]).may_end_with(letter)


class _LeadingSpaceDropper:
    """What SentencePiece tokenizers do: the first piece of a text loses its space."""

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join([" a", " b", " c"][i] for i in ids).removeprefix(" ")


def test_a_completions_first_space_survives_tokenizers_that_drop_leading_ones() -> None:
    assert continuation_text(_LeadingSpaceDropper(), [0], [1, 2]) == " b c"


def test_every_setting_of_the_sampler_is_on_the_row(policies: dict[str, Policy]) -> None:
    completion = draw(policies["llama"], requests(1), top_k=3, seed=5)["t0", 0]
    sampler = completion.to_row()["sampler"]
    assert sampler["engine"] == "transformers"
    assert (sampler["top_k"], sampler["seed"], sampler["temperature"]) == (3, 5, 1.0)


def test_settings_come_from_a_sample_section() -> None:
    config = SampleConfig(temperature=0.6, top_k=7, min_p=0.05, max_new_tokens=9, stop=["\n\n"])
    assert SamplingParams.from_config(config, 3) == SamplingParams(
        temperature=0.6, top_k=7, min_p=0.05, max_new_tokens=9, stop=("\n\n",), seed=3
    )


# ------------------------------------------------------------------- limits of single requests


@pytest.mark.parametrize("kind", [SharedKeyValues, LockstepKeyValues])
def test_a_request_has_its_own_limit_and_a_longer_one_continues_the_same_completion(
    policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    policy = policies["qwen2"]
    free = draw(policy, requests())
    monkeypatch.setattr(
        "codealign.sampling.transformers_engine.pick_keyvalues", lambda model, longest: kind
    )
    limits = [1, 7, 24, 100, None]  # of which 24 and 100 are no stricter than the params'
    wanted = [
        request._replace(max_new_tokens=limits[number % len(limits)])
        for number, request in enumerate(requests())
    ]
    drawn = draw(policy, wanted, batch_size=6)
    for request in wanted:
        limit = min(request.max_new_tokens or 24, 24)
        completion = drawn[request.task_id, request.sample_index]
        expected = free[request.task_id, request.sample_index].completion_ids or []
        assert completion.completion_ids == expected[:limit]
        reason = "length" if policy.eos_id not in expected[:limit] else "stop"
        assert completion.finish_reason == reason
        assert completion.to_row()["sampler"]["max_new_tokens"] == limit


def test_a_request_for_no_tokens_is_refused(policies: dict[str, Policy]) -> None:
    with pytest.raises(ConfigError, match=r"request for t.*0 tokens leaves nothing to draw"):
        draw(policies["qwen2"], [Request("t", "x", max_new_tokens=0)])


# ------------------------------------------------------------------- how it is decoded


def test_a_prompt_is_computed_once_for_all_its_samples(
    policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies["qwen2"]
    prompt_tokens = sum(len(policy.encode_prompt(prompt)) for prompt in PROMPTS)
    shapes: list[torch.Size] = []
    forward = policy.model.forward

    def watched(*args: Any, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        shapes.append(input_ids.shape)
        return forward(*args, input_ids=input_ids, **kwargs)

    # The self-check has forwards of its own; slots are known to suit this model.
    monkeypatch.setattr(
        "codealign.sampling.transformers_engine.pick_keyvalues",
        lambda model, longest: SlotKeyValues,
    )
    monkeypatch.setattr(policy.model, "forward", watched)
    draw(policy, requests(7), batch_size=4, max_new_tokens=5)  # 7 samples never fit 4 rows
    prefills = [shape for shape in shapes if shape[1] > 1]
    # One prompt a prefill here, so no padding: exactly the prompts' own tokens.
    assert sum(rows * columns for rows, columns in prefills) == prompt_tokens


@pytest.mark.parametrize("kind", [SharedKeyValues, SlotKeyValues, LockstepKeyValues])
def test_a_token_budget_bounds_what_is_held_and_changes_no_completion(
    policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """Prompts have 3 to 17 tokens. 160 hold 5 tails of 24 and two prompts of 17, or 4 rows of 14 + 24."""
    policy, held = policies["qwen2"], []
    free = ids(draw(policy, requests()))

    class Watched(kind):
        def step(self, tokens_N: torch.Tensor) -> torch.Tensor:
            logits_NV = super().step(tokens_N)
            layers = self.cache.layers
            stores = [layer.store for layer in layers] if kind is not LockstepKeyValues else layers
            held.append(stores[0].keys.shape[0])
            return logits_NV

    monkeypatch.setattr(
        "codealign.sampling.transformers_engine.pick_keyvalues", lambda model, longest: Watched
    )
    engine = open_engine(EngineConfig(batch_size=64, max_cached_tokens=160), policy)
    completions = list(engine.sample(requests(), SamplingParams(max_new_tokens=24)))
    assert {(c.task_id, c.sample_index): c.completion_ids for c in completions} == free
    assert max(held) == (5 if kind is SharedKeyValues else 4)


def test_a_row_beyond_the_budget_is_decoded_alone(policies: dict[str, Policy]) -> None:
    engine = open_engine(EngineConfig(max_cached_tokens=1), policies["qwen2"])
    completions = list(engine.sample(requests(2), SamplingParams(max_new_tokens=4)))
    assert len(completions) == 2 * len(PROMPTS)


def test_requests_are_read_as_there_is_room_and_completions_come_before_the_last_is_read(
    policies: dict[str, Policy],
) -> None:
    num_read = 0

    def endless() -> Iterable[Request]:
        nonlocal num_read
        while True:
            num_read += 1
            yield Request("t", PROMPTS[0], num_read)

    engine = open_engine(EngineConfig(batch_size=2), policies["llama"])
    stream = engine.sample(endless(), SamplingParams(max_new_tokens=3))
    assert len([next(stream) for _ in range(5)]) == 5
    assert num_read < 20


def _model(config: transformers.PreTrainedConfig) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.AutoModelForCausalLM.from_config(config).eval()


OTHERS = {
    # Windows of 8 tokens are in reach: lock step. ALiBi needs each key's own distance.
    "mistral": (
        transformers.MistralConfig(**COMMON, **ROPE, sliding_window=8),
        LockstepKeyValues,
    ),
    "gemma3": (
        transformers.Gemma3TextConfig(
            **COMMON,
            **ROPE,
            head_dim=8,
            pad_token_id=0,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention"],
        ),
        LockstepKeyValues,
    ),
    "bloom": (
        transformers.BloomConfig(
            **COMMON, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2
        ),
        SlotKeyValues,
    ),
    "qwen3_moe": (
        transformers.Qwen3MoeConfig(
            **COMMON, **ROPE, moe_intermediate_size=32, num_experts=4, num_experts_per_tok=2
        ),
        SharedKeyValues,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_attention_decodes_as_generate_does(name: str) -> None:
    config, expected_kind = OTHERS[name]
    model, tokenizer = _model(config), make_tokenizer()
    policy = Policy(model, tokenizer, ModelConfig(model_name_or_path=name))
    assert pick_keyvalues(model, longest=60) is expected_kind
    ours = draw(policy, requests(2), batch_size=5, temperature=0.0)
    assert len(ours) == 2 * len(PROMPTS)
    for i, prompt in enumerate(PROMPTS):
        expected = _generate(model, policy.encode_prompt(prompt), 24)
        assert ours[f"t{i}", 1].completion_ids == expected


def test_lock_step_draws_what_slots_draw(
    policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = ids(draw(policies["gpt2"], requests(), batch_size=6))
    monkeypatch.setattr(
        "codealign.sampling.transformers_engine.pick_keyvalues",
        lambda model, longest: LockstepKeyValues,
    )
    assert ids(draw(policies["gpt2"], requests(), batch_size=6)) == slots


def test_a_window_counts_only_where_a_layer_uses_it() -> None:
    assert shortest_window(OTHERS["mistral"][0]) == 8
    assert shortest_window(transformers.Qwen2Config(sliding_window=8)) is None


class _PositionBlind(torch.nn.Module):
    """A wrapper that loses the position ids it is given, as some remote code does."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner, self.config, self.device = model, model.config, model.device
        self.dtype, self.get_input_embeddings = model.dtype, model.get_input_embeddings

    def forward(self, *args: Any, position_ids: Any = None, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def test_the_self_check_notices_a_model_that_ignores_positions(policies: dict[str, Policy]) -> None:
    blind = _PositionBlind(policies["gpt2"].model)
    assert not fault_of(SlotKeyValues, policies["gpt2"].model)
    assert "logits differ" in fault_of(SlotKeyValues, blind)
    assert pick_keyvalues(blind, longest=60) is LockstepKeyValues


def test_lora_and_bfloat16_policies_sample_their_own_distribution(tmp_path: Path) -> None:
    directory = str(save_tiny_model(tmp_path, "llama"))
    policy = load_policy(
        ModelConfig(model_name_or_path=directory, use_peft=True, lora_r=2, dtype="bfloat16")
    )
    base = draw(policy, requests(2))
    with torch.no_grad():
        for name, parameter in policy.trainable_parameters():
            if "lora_B" in name:
                parameter.fill_(0.3)
    moved = draw(policy, requests(2))
    assert ids(moved) != ids(base)
    for completion in moved.values():
        whole = torch.tensor([(completion.prompt_ids or []) + (completion.completion_ids or [])])
        with torch.no_grad():
            logps_TV = policy.model(whole).logits[0].float().log_softmax(-1)
        tokens = completion.completion_ids or []
        start = len(completion.prompt_ids or []) - 1
        expected = sum(float(logps_TV[start + i, token]) for i, token in enumerate(tokens))
        # bfloat16 has 8 bits: about 1e-2 a token.
        assert completion.logprob == pytest.approx(expected, abs=0.05 * len(tokens))


def test_a_policy_in_training_is_left_as_it_was_even_when_sampling_is_cut_short(
    tmp_path: Path,
) -> None:
    directory = str(save_tiny_model(tmp_path, "qwen2"))
    policy = load_policy(ModelConfig(model_name_or_path=directory, gradient_checkpointing=True))
    policy.train_mode(True)
    training = [name for name, module in policy.model.named_modules() if module.training]
    assert training
    stream = open_engine(EngineConfig(), policy).sample(
        requests(), SamplingParams(max_new_tokens=5)
    )
    next(stream)
    stream.close()
    assert [name for name, module in policy.model.named_modules() if module.training] == training


# ------------------------------------------------------------------- what is refused


def test_a_prompt_that_fills_the_models_positions_gets_nothing_and_a_long_limit_is_lowered(
    policies: dict[str, Policy], caplog: pytest.LogCaptureFixture
) -> None:
    """256 positions: 250 leave six tokens, 256 none; the request beside them is not disturbed."""
    policy = policies["gpt2"]
    asked = [Request(f"of {size}", "", prompt_ids=tuple([5] * size)) for size in (250, 256, 300)]
    drawn = draw(policy, asked, temperature=0.0)
    assert 0 < len(drawn["of 250", 0].completion_ids or []) <= 6
    for name in ("of 256", "of 300"):
        completion = drawn[name, 0]
        assert (completion.completion, completion.completion_ids) == ("", [])
        assert (completion.finish_reason, completion.logprob) == ("length", 0.0)
    assert (
        "2 problems have prompts that fill the model's 256 positions (first: of 256)" in caplog.text
    )
    alone = draw(policy, asked[:1], temperature=0.0)["of 250", 0]
    assert alone.completion_ids == drawn["of 250", 0].completion_ids


def test_more_full_prompts_than_are_read_ahead_are_all_answered(
    policies: dict[str, Policy],
) -> None:
    full = tuple([5] * 256)
    asked = [Request("t", "", index, prompt_ids=full) for index in range(50)]
    assert len(draw(policies["gpt2"], asked, batch_size=2)) == 50


def test_a_prompt_without_tokens_is_an_error(policies: dict[str, Policy]) -> None:
    with pytest.raises(ModelError, match="no tokens to continue"):
        draw(policies["gpt2"], [Request("empty", "")])


def test_an_engine_that_samples_in_process_needs_a_policy() -> None:
    with pytest.raises(ConfigError, match="got none"):
        open_engine(EngineConfig(), None)


@pytest.mark.parametrize("kind", [SharedKeyValues, SlotKeyValues, LockstepKeyValues])
def test_keys_and_values_go_with_the_sampling_and_not_when_python_next_looks_for_circles(
    policies: dict[str, Policy], kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that samples in every iteration would otherwise hold those of many."""
    made: list[weakref.ref[Any]] = []

    class Noted(kind):
        def __init__(self, model: Any, num_slots: int) -> None:
            super().__init__(model, num_slots)
            made.append(weakref.ref(self))

    monkeypatch.setattr("codealign.sampling.transformers_engine.pick_keyvalues", lambda *_: Noted)
    gc.collect()
    gc.disable()
    try:
        draw(policies["llama"], requests(2))
        assert made
        assert all(each() is None for each in made)
    finally:
        gc.enable()
