"""Decoding with each prompt held once: exact, whoever else is decoded, and only for models that it suits."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from model_fixtures import COMMON, ROPE, make_model

from codealign.sampling.keyvalues import Group, KeyValues, SlotKeyValues
from codealign.sampling.selfcheck import pick_keyvalues
from codealign.sampling.shared_prompts import SharedKeyValues

torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent
GEMMA = {"head_dim": 8, "pad_token_id": 0, "layer_types": ["full_attention"] * 2}
SHARING = {
    "llama": lambda: transformers.LlamaConfig(**COMMON, **ROPE),
    "qwen2": lambda: transformers.Qwen2Config(**COMMON, **ROPE),
    "gpt2": lambda: transformers.GPT2Config(
        **COMMON, n_embd=32, n_layer=2, n_head=4, initializer_range=0.2
    ),
    "mixtral": lambda: transformers.MixtralConfig(**COMMON, **ROPE, num_local_experts=4),
    "phi3": lambda: transformers.Phi3Config(**COMMON, **ROPE, pad_token_id=0),
    "gemma3": lambda: transformers.Gemma3TextConfig(**COMMON, **ROPE, **GEMMA),
}


def model_of(config: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.AutoModelForCausalLM.from_config(config).eval()


class Rows:
    """Decodes random tokens and compares every logit with a plain forward of the row's whole text."""

    def __init__(self, model: Any, kind: type[KeyValues]) -> None:
        self.model, self.past = model, kind(model, 16)
        self.texts: list[list[int]] = []
        self.generator = torch.Generator().manual_seed(1)
        self.worst = 0.0

    def draw(self, count: int) -> list[int]:
        return torch.randint(COMMON["vocab_size"], (count,), generator=self.generator).tolist()

    def admit(self, *groups: Group) -> None:
        first = len(self.texts)
        self.texts += [list(g.prompt_ids) for g in groups for _ in range(g.num_rows)]
        self._compare(self.texts[first:], self.past.admit(groups))

    def step(self, times: int) -> None:
        for _ in range(times):
            tokens = self.draw(len(self.texts))
            for text, token in zip(self.texts, tokens, strict=True):
                text.append(token)
            self._compare(self.texts, self.past.step(torch.tensor(tokens)))

    def end(self, *rows: int) -> None:
        kept = len(self.texts) - len(rows)
        target = [row for row in rows if row < kept]
        source = [row for row in range(kept, len(self.texts)) if row not in rows]
        for to, of in zip(target, source, strict=True):
            self.texts[to] = self.texts[of]
        del self.texts[kept:]
        self.past.move(kept, target, source)

    @torch.no_grad()
    def _compare(self, texts: list[list[int]], logits_NV: torch.Tensor) -> None:
        for text, logits_V in zip(texts, logits_NV, strict=True):
            plain_V = self.model(torch.tensor([text])).logits[0, -1]
            self.worst = max(self.worst, float((logits_V - plain_V).abs().max()))


@pytest.mark.parametrize("name", SHARING)
@torch.no_grad()
def test_every_logit_is_a_plain_forwards_while_rows_come_and_go(name: str) -> None:
    model = model_of(SHARING[name]())
    # PyTorch multiplies by experts in float32 at most.
    exact, allowed = (model, 1e-4) if name == "mixtral" else (model.double(), 1e-9)
    rows = Rows(exact, SharedKeyValues)
    long, short, late = (tuple(rows.draw(count)) for count in (11, 4, 70))
    rows.admit(Group(long, 3), Group(short, 1))
    rows.step(2)
    rows.end(0, 3)  # the short prompt's only row, and one of the long one's
    rows.step(1)
    rows.admit(Group(late, 2), Group(short, 4))
    rows.step(70)  # tails beyond the first columns that were reserved
    rows.end(0, 1)  # the first prompt: another takes its place
    rows.admit(Group(short, 1), Group(long, 1))
    rows.step(2)
    assert rows.worst < allowed  # of logits of about 4


@torch.no_grad()
def test_a_prompt_is_held_once_and_as_long_as_a_row_continues_it() -> None:
    rows = Rows(make_model("qwen2").eval(), SharedKeyValues)
    past: Any = rows.past
    first, second = tuple(rows.draw(100)), tuple(rows.draw(90))
    rows.admit(Group(first, 8), Group(second, 8))
    rows.step(1)
    for store in past.prompts:
        assert store.keys.shape[0] == 2  # prompts, not rows
    for store in past.stores:
        assert store.keys.shape[2] == 64  # one step of growth: no prompt in here
    rows.end(*range(7))
    assert set(past.prompt_ids) == {first, second}
    (last,) = (row for row, text in enumerate(rows.texts) if tuple(text[:100]) == first)
    rows.end(last)
    assert past.prompt_ids == [second]


@torch.no_grad()
def test_between_steps_the_models_attention_is_its_own() -> None:
    model = make_model("llama").eval()
    rows = Rows(model, SharedKeyValues)
    rows.admit(Group((5, 6, 7), 2))
    rows.step(1)
    assert model.config._attn_implementation == "sdpa"
    with pytest.raises(IndexError):
        rows.past.step(torch.tensor([10**6, 0]))  # no such token
    assert model.config._attn_implementation == "sdpa"


UNSUITED = {
    # Scores are capped before the softmax; heads beside the keys; distances read from the cache's columns.
    "gemma2": (
        lambda: transformers.Gemma2Config(**COMMON, **ROPE, **GEMMA, attn_logit_softcapping=5.0),
        "softcap",
    ),
    "bloom": (
        lambda: transformers.BloomConfig(
            **COMMON, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2
        ),
        "",
    ),
}


@pytest.mark.parametrize("name", UNSUITED)
def test_a_model_with_other_attention_is_decoded_in_slots_and_the_log_says_why(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, reason = UNSUITED[name]
    with caplog.at_level(logging.INFO, logger="codealign.sampling"):
        assert pick_keyvalues(model_of(make()), longest=60) is SlotKeyValues
    assert "a copy of the prompt in every row" in caplog.text
    assert reason in caplog.text


@pytest.mark.slow
def test_the_benchmark_compares_greedy_text_and_times_all_three() -> None:
    small = ["--prompts", "2", "--samples", "3", "--rows", "6", "--prompt-tokens", "5", "9"]
    quick = ["--new-tokens", "4", "--repeats", "1", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "sampling.py", "--json", *small, *quick],
        stdout=subprocess.PIPE,
        check=True,
        timeout=200,
    )
    told = json.loads(done.stdout)
    assert set(told["tokens_per_s"]) == {"ours", "generate", "continuous"}
    assert told["times_generate"][0] > 0


@pytest.mark.slow
def test_the_benchmark_continues_the_lines_of_katas_completions() -> None:
    options = ["--work", "steps", "--prompts", "1", "--samples", "2", "--rows", "8"]
    quick = ["--new-tokens", "24", "--repeats", "1", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "sampling.py", "--json", *options, *quick],
        stdout=subprocess.PIPE,
        check=True,
        timeout=200,
    )
    told = json.loads(done.stdout)
    assert set(told["tokens_per_s"]) == {"ours", "generate"}
    assert told["num_prompts"] > 1  # the problem, and beginnings of its completions
    assert 0 < told["prefill"] < 1
