"""Tokens per second of the embedded engine, `model.generate` and transformers' continuous batching.

    python benchmarks/sampling.py [--shape small] [--threads 1] [--clock cpu] [--json]

All sides sample the same number of tokens from the same random weights and prompts at equal settings (temperature 1,
no filter, no EOS), with equal numbers of rows at once. First greedy tokens are compared, of every completion of ours
with `generate`'s: where one differs nothing is timed. Then the sides run in turn, in one process, and the medians and
the median of each round's ratios are printed. `--clock cpu` counts CPU seconds, which say more than wall seconds on
a machine that is shared.

    ours        the engine, as `codealign sample` uses it
    generate    model.generate(num_return_sequences=…), left-padded prompts
    continuous  model.generate_batch, which shares pages of keys and values between the samples of a prompt

Not measured: ragged endings. There engine and continuous batching gain more, since they refill the rows that end.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, models
from transformers import GenerationConfig, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from codealign.config import ModelConfig, TransformersEngine
from codealign.policy import Policy
from codealign.sampling import Request, SamplingParams, open_engine

WEIGHTS_STD = 0.1
"""With transformers' own 0.02 greedy text is one token over and over, whatever the attention."""
PAGE_TOKENS = 32
"""Of continuous batching: its default of 256 would keep pages mostly empty here."""

SHAPES: dict[str, Callable[[], Any]] = {
    # The size of the policy that ships with the package.
    "tiny": lambda: LlamaConfig(
        vocab_size=1024,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=4,
        tie_word_embeddings=True,
        initializer_range=WEIGHTS_STD,
    ),
    # Where the LM head is most of the work, as in small models with large vocabularies.
    "small": lambda: Qwen2Config(
        vocab_size=151_936,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        initializer_range=WEIGHTS_STD,
    ),
}


class Work(NamedTuple):
    prompts: list[list[int]]
    num_samples: int
    max_new_tokens: int
    num_rows: int


def make_policy(shape: str) -> Policy:
    torch.manual_seed(0)
    config = SHAPES[shape]()
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    model = AutoModelForCausalLM.from_config(config).eval()
    model.generation_config.eos_token_id = None
    # EOS comes after the model's vocabulary: every completion runs to the limit on both sides.
    vocabulary = {f"t{i}": i for i in range(config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="t0"))
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")
    return Policy(model, wrapped, ModelConfig())


def make_work(arguments: argparse.Namespace, vocab_size: int) -> Work:
    rng = random.Random(0)
    prompts = [
        [rng.randrange(1, vocab_size) for _ in range(rng.randint(*arguments.prompt_tokens))]
        for _ in range(arguments.prompts)
    ]
    return Work(prompts, arguments.samples, arguments.new_tokens, arguments.rows)


def ours(policy: Policy, work: Work, temperature: float = 1.0) -> list[list[int]]:
    engine = open_engine(TransformersEngine(batch_size=work.num_rows), policy)
    requests = [
        Request(str(i), "", j, tuple(prompt))
        for i, prompt in enumerate(work.prompts)
        for j in range(work.num_samples)
    ]
    params = SamplingParams(temperature=temperature, max_new_tokens=work.max_new_tokens)
    drawn = {(int(c.task_id), c.sample_index): c for c in engine.sample(requests, params)}
    return [drawn[key].completion_ids or [] for key in sorted(drawn)]


def by_generate(policy: Policy, work: Work, temperature: float = 1.0) -> list[list[int]]:
    model: Any = policy.model
    sampling: dict[str, Any] = (
        {"do_sample": True, "top_k": 0} if temperature else {"do_sample": False}
    )
    num_prompts = max(1, work.num_rows // work.num_samples)
    rows: list[list[int]] = []
    for first in range(0, len(work.prompts), num_prompts):
        prompts = work.prompts[first : first + num_prompts]
        # generate repeats prompts itself only when it samples.
        repeats = 1 if temperature else work.num_samples
        if temperature:
            sampling["num_return_sequences"] = work.num_samples
        ids, mask = left_padded([prompt for prompt in prompts for _ in range(repeats)])
        with torch.no_grad():
            output = model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=work.max_new_tokens,
                pad_token_id=0,
                **sampling,
            )
        rows.extend(output[:, ids.shape[1] :].tolist())
    return rows


def left_padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    return ids, mask


def by_continuous_batching(policy: Policy, work: Work, temperature: float = 1.0) -> list[list[int]]:
    model: Any = policy.model
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature:
        sampling = {"do_sample": True, "top_k": 0, "num_return_sequences": work.num_samples}
    longest = max(map(len, work.prompts)) + work.max_new_tokens
    answers = model.generate_batch(
        work.prompts,
        GenerationConfig(
            max_new_tokens=work.max_new_tokens, eos_token_id=-1, pad_token_id=0, **sampling
        ),
        ContinuousBatchingConfig(
            page_size=PAGE_TOKENS,
            # Room for every row's whole text, so that none waits for pages.
            num_blocks=work.num_rows * (-(-longest // PAGE_TOKENS) + 1),
            max_batch_tokens=max(1024, work.num_rows),
            max_requests_per_batch=work.num_rows,
        ),
    )
    return [answer.generated_tokens for answer in answers.values()]


SIDES = {"ours": ours, "generate": by_generate, "continuous": by_continuous_batching}


def run_side(name: str, policy: Policy, work: Work, temperature: float = 1.0) -> list[list[int]]:
    # Continuous batching accepts no other name; for the others it is what they would use anyway.
    model: Any = policy.model
    model.set_attn_implementation("sdpa")
    return SIDES[name](policy, work, temperature)


def check_greedy(policy: Policy, work: Work) -> None:
    """Every greedy completion of ours is that of `generate`, or nothing is timed."""
    once = work._replace(num_samples=1, num_rows=len(work.prompts))
    expected = [
        row for row in run_side("generate", policy, once, 0.0) for _ in range(work.num_samples)
    ]
    for name in ("ours", "continuous"):
        got = run_side(name, policy, work if name == "ours" else once, 0.0)
        wanted = expected if name == "ours" else expected[:: work.num_samples]
        different = sum(a != b for a, b in zip(got, wanted, strict=True))
        if different:
            message = (
                f"{different} of {len(wanted)} greedy completions of {name} differ from generate's"
            )
            if name == "ours":
                raise SystemExit(message)
            print(message, file=sys.stderr)


def measure(policy: Policy, work: Work, repeats: int, clock: Callable[[], float]) -> dict[str, Any]:
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(repeats):
        for name in SIDES:
            started = clock()
            rows = run_side(name, policy, work)
            rates[name].append(sum(map(len, rows)) / (clock() - started))
    result: dict[str, Any] = {
        "tokens_per_s": {name: round(statistics.median(rate)) for name, rate in rates.items()}
    }
    for name in ("generate", "continuous"):
        ratios = [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]
        result[f"times_{name}"] = [
            round(ratio, 2) for ratio in (statistics.median(ratios), min(ratios), max(ratios))
        ]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Tokens per second of the embedded engine, generate and continuous batching."
    )
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--prompt-tokens", type=int, nargs=2, default=[150, 400])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64, help="completions decoded at once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--json", action="store_true", help="one line of JSON, the settings in it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    policy = make_policy(arguments.shape)
    work = make_work(arguments, policy.vocab_size)
    check_greedy(policy, work)
    result = measure(policy, work, arguments.repeats, clock)
    if arguments.json:
        print(json.dumps(vars(arguments) | result))
        return
    for name, rate in result["tokens_per_s"].items():
        print(f"{name:<12}{rate:>8,} tokens/s")
    for name in ("generate", "continuous"):
        median, low, high = result[f"times_{name}"]
        print(f"ours / {name}: {median} [{low}-{high}]")


if __name__ == "__main__":
    main()
