"""Tokens per second of the embedded engine, `model.generate` and transformers' continuous batching.

    python benchmarks/sampling.py [--shape small] [--threads 1] [--clock cpu] [--json]
    python benchmarks/sampling.py --work steps --threads 1 --clock cpu

All sides sample the same number of tokens from the same random weights and prompts at equal settings (temperature 1,
no filter, no EOS), with equal numbers of rows at once. First greedy tokens are compared, of every completion of ours
with `generate`'s: where one differs nothing is timed. Then the sides run in turn, in one process, and the medians and
the median of each round's ratios are printed. `--clock cpu` counts CPU seconds, which say more than wall seconds on
a machine that is shared.

    ours        the engine, as `codealign sample` uses it
    generate    model.generate(num_return_sequences=…), left-padded prompts
    continuous  model.generate_batch, which shares pages of keys and values between the samples of a prompt

With random weights no completion ends before the limit. Two more works have the endings of a trained model, the
policy of kata and its problems; continuous batching is not among their rivals:

    rollouts    `--samples` completions of each problem
    steps       8 completions of each problem, cut at each line, and `--samples` continuations of every such
                beginning: prompts that extend one another, as Monte Carlo values of steps need them

"prefill" is the share of our time in forwards of more than one column.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, models
from transformers import GenerationConfig, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from codealign.config import ModelConfig, TransformersEngine
from codealign.policy import Policy, load_policy
from codealign.problems import load_problems
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


CUT_COMPLETIONS = 8
"""Of each problem, whose lines are the steps that are continued."""


class Work(NamedTuple):
    prompts: list[list[int]]
    num_samples: int
    max_new_tokens: int
    num_rows: int
    num_processes: int = 1


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


def make_work(arguments: argparse.Namespace, policy: Policy) -> Work:
    prompts = PROMPTS[arguments.work](arguments, policy)
    return Work(
        prompts, arguments.samples, arguments.new_tokens, arguments.rows, arguments.processes
    )


def random_prompts(arguments: argparse.Namespace, policy: Policy) -> list[list[int]]:
    rng = random.Random(0)
    return [
        [rng.randrange(1, policy.vocab_size) for _ in range(rng.randint(*arguments.prompt_tokens))]
        for _ in range(arguments.prompts)
    ]


def kata_prompts(arguments: argparse.Namespace, policy: Policy) -> list[list[int]]:
    problems = load_problems("kata:train", limit=arguments.prompts).problems
    return [policy.encode_prompt(problem.prompt) for problem in problems]


def kata_steps(arguments: argparse.Namespace, policy: Policy) -> list[list[int]]:
    """Each beginning once, as they come in its completions."""
    prompts = kata_prompts(arguments, policy)
    work = Work(prompts, CUT_COMPLETIONS, arguments.new_tokens, arguments.rows)
    beginnings: dict[tuple[int, ...], None] = {}
    for number, row in enumerate(ours(policy, work)):
        prompt = prompts[number // CUT_COMPLETIONS]
        ends = [i for i, token in enumerate(row, 1) if "\n" in policy.tokenizer.decode([token])]
        for end in [0, *ends]:
            beginnings[(*prompt, *row[:end])] = None
    return [list(beginning) for beginning in beginnings]


PROMPTS = {"random": random_prompts, "rollouts": kata_prompts, "steps": kata_steps}


def ours(policy: Policy, work: Work, temperature: float = 1.0) -> list[list[int]]:
    config = TransformersEngine(batch_size=work.num_rows, processes=work.num_processes)
    engine = open_engine(config, policy)
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
        rows.extend(until_end(policy, row) for row in output[:, ids.shape[1] :].tolist())
    return rows


def until_end(policy: Policy, row: list[int]) -> list[int]:
    """With EOS, and without the padding after it."""
    ends = [number for number, token in enumerate(row, 1) if token in policy.stop_ids]
    return row[: ends[0]] if ends else row


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


def check_greedy(policy: Policy, work: Work, sides: Sequence[str]) -> None:
    """Every greedy completion of ours is that of `generate`, or nothing is timed."""
    once = work._replace(num_samples=1, num_rows=len(work.prompts))
    expected = [
        row for row in run_side("generate", policy, once, 0.0) for _ in range(work.num_samples)
    ]
    for name in sides:
        if name == "generate":
            continue
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


def measure(
    policy: Policy,
    work: Work,
    sides: Sequence[str],
    repeats: int,
    clock: Callable[[], float],
) -> dict[str, Any]:
    rates: dict[str, list[float]] = {name: [] for name in sides}
    shares: list[float] = []
    for _ in range(repeats):
        for name in sides:
            with prefills_timed(policy, clock) as prefills_s:
                started = clock()
                rows = run_side(name, policy, work)
                seconds = clock() - started
            rates[name].append(sum(map(len, rows)) / seconds)
            if name == "ours":
                shares.append(sum(prefills_s) / seconds)
    result: dict[str, Any] = {
        "num_prompts": len(work.prompts),
        "tokens_per_s": {name: round(statistics.median(rate)) for name, rate in rates.items()},
        "prefill": round(statistics.median(shares), 3),
    }
    for name in sides[1:]:
        ratios = [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]
        result[f"times_{name}"] = [
            round(ratio, 2) for ratio in (statistics.median(ratios), min(ratios), max(ratios))
        ]
    return result


@contextmanager
def prefills_timed(policy: Policy, clock: Callable[[], float]) -> Iterator[list[float]]:
    """Seconds of each forward of more than one column, in this process."""
    started_s: list[float] = []
    seconds: list[float] = []

    def begin(module: Any, args: Any, kwargs: Any) -> None:
        started_s.append(clock())

    def end(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        if kwargs["input_ids"].shape[1] > 1:
            seconds.append(clock() - started_s[-1])

    model: Any = policy.model
    hooks = [
        model.register_forward_pre_hook(begin, with_kwargs=True),
        model.register_forward_hook(end, with_kwargs=True),
    ]
    try:
        yield seconds
    finally:
        for hook in hooks:
            hook.remove()


CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    # Of processes too, which the system counts once they have ended.
    "cpu": lambda: sum(os.times()[:4]),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Tokens per second of the embedded engine, generate and continuous batching."
    )
    parser.add_argument("--work", choices=PROMPTS, default="random")
    parser.add_argument("--shape", choices=SHAPES, default="tiny", help="of the random weights")
    parser.add_argument("--prompts", type=int, default=4, help="prompts, or problems of kata")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--prompt-tokens", type=int, nargs=2, default=[150, 400])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64, help="completions decoded at once")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--processes", type=int, default=1, help="of ours, each of one thread")
    parser.add_argument("--only-ours", action="store_true", help="no rival, and nothing compared")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--json", action="store_true", help="one line of JSON, the settings in it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    policy = (
        make_policy(arguments.shape) if arguments.work == "random" else load_policy(ModelConfig())
    )
    work = make_work(arguments, policy)
    sides = list(SIDES) if arguments.work == "random" else ["ours", "generate"]
    if arguments.only_ours:
        sides = ["ours"]
    else:
        check_greedy(policy, work, sides)
    result = measure(policy, work, sides, arguments.repeats, CLOCKS[arguments.clock])
    if arguments.json:
        print(json.dumps(vars(arguments) | result))
        return
    print(f"{result['num_prompts']} prompts; prefill {result['prefill']:.1%} of our time")
    for name, rate in result["tokens_per_s"].items():
        print(f"{name:<12}{rate:>8,} tokens/s")
    for name in sides[1:]:
        median, low, high = result[f"times_{name}"]
        print(f"ours / {name}: {median} [{low}-{high}]")


if __name__ == "__main__":
    main()
