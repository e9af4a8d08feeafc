"""What the reference costs: its name, a first run that computes it, a second that looks it up.

    python benchmarks/reference.py [--shape tiny] [--pairs 64] [--threads 1]

- The name is a hash of all weights: here of a 7B shape in bfloat16 whose pages are never written, so that it
  takes no memory; a hash takes as long for zeros as for anything else.
- Two trainings on the same pairs, the second with another β, seed and learning rate: CPU seconds of each, those
  that the reference took, and how many completions' log-probs were computed for it.
- Look-ups in a store of 200,000 programs of 200 tokens: rows a second, and this process's own memory for it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from training import SHAPES, draw, write_model

from codealign.config import DPO, ModelConfig, TrainConfig
from codealign.policy import load_policy
from codealign.records import Pair
from codealign.reference import ReferenceCache
from codealign.reference.store import LogpStore
from codealign.training import train

NUM_ROWS, ROW_TOKENS, LOOKUP_ROWS = 200_000, 200, 16


def time_name(directory: Path, num_threads: int) -> None:
    config = transformers.Qwen2Config(
        num_hidden_layers=28,
        hidden_size=3584,
        intermediate_size=18_944,
        num_attention_heads=28,
        num_key_value_heads=4,
        vocab_size=152_064,
        tie_word_embeddings=False,
        dtype=torch.bfloat16,
    )
    policy = load_policy(ModelConfig(model_name_or_path=str(directory), device="cpu"))
    with torch.device("meta"):
        model = transformers.Qwen2ForCausalLM(config).bfloat16()
    policy.model = model.to_empty(device="cpu")
    num_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    for threads in sorted({1, num_threads}):
        torch.set_num_threads(threads)
        cpu, wall = time.process_time(), time.perf_counter()
        policy.reference_hash()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(f"name, {num_bytes / 1e9:.1f} GB, {threads} threads: {wall:.1f} s, {cpu:.1f} CPU s")


def time_training(directory: Path, root: Path, shape: str, num_pairs: int) -> None:
    pairs = [
        Pair(
            task_id=str(number),
            prompt="",
            chosen="",
            rejected="",
            prompt_ids=tokens.prompt,
            chosen_ids=tokens.passing[0],
            rejected_ids=tokens.failing[0],
        )
        for number, tokens in enumerate(draw(SHAPES[shape], num_pairs, 1, seed=0))
    ]
    seconds_filling, num_computed = watch_fills()
    for name, beta, rate, seed in (("first", 0.1, 1e-5, 0), ("second", 0.5, 1e-6, 1)):
        policy = load_policy(ModelConfig(model_name_or_path=str(directory), device="cpu"))
        config = TrainConfig(
            objective=DPO(beta=beta), learning_rate=rate, reference_cache=str(root)
        )
        started = time.process_time()
        train(policy, pairs, config, run_dir=root.with_name(name), seed=seed)
        print(
            f"{name} training, {num_pairs} pairs: {time.process_time() - started:.1f} CPU s, of them "
            f"{sum(seconds_filling):.2f} for {sum(num_computed)} completions' reference"
        )
        seconds_filling.clear()
        num_computed.clear()


def watch_fills() -> tuple[list[float], list[int]]:
    """Lists that take the CPU seconds of each `fill` from now on, and how many completions a forward had."""
    seconds: list[float] = []
    num_computed: list[int] = []
    fill, compute = ReferenceCache.fill, ReferenceCache._compute

    def timed_fill(cache: ReferenceCache, batches: Any, **options: Any) -> None:
        started = time.process_time()
        fill(cache, batches, **options)
        seconds.append(time.process_time() - started)

    def counted_compute(cache: ReferenceCache, batch: Any, keys: Any) -> None:
        num_computed.append(batch.num_completions)
        compute(cache, batch, keys)

    ReferenceCache.fill = timed_fill
    ReferenceCache._compute = counted_compute
    return seconds, num_computed


def own_bytes() -> int:
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) * 1024


def time_look_ups(root: Path) -> None:
    def key(number: int) -> bytes:
        return random.Random(number).randbytes(16)

    keys = [key(number) for number in range(NUM_ROWS)]
    writing = LogpStore(root / ("f" * 32))
    for start in range(0, NUM_ROWS, 10_000):
        rows = torch.randn(10_000, ROW_TOKENS)
        writing.add(keys[start : start + 10_000], list(rows))
        writing.save()
    del writing
    before, started = own_bytes(), time.process_time()
    reading = LogpStore(root / ("f" * 32))
    opened = time.process_time()
    random.Random(0).shuffle(keys)
    for start in range(0, NUM_ROWS, LOOKUP_ROWS):
        reading.find(keys[start : start + LOOKUP_ROWS])
    rate = NUM_ROWS / (time.process_time() - opened)
    size = NUM_ROWS * ROW_TOKENS * 4 / 1e6
    print(
        f"look-up, {size:.0f} MB: opened in {opened - started:.2f} CPU s, {rate:,.0f} rows per CPU s, "
        f"{(own_bytes() - before) / 1e6:.0f} MB of memory"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        directory, root = Path(temporary) / "model", Path(temporary) / "references"
        write_model(SHAPES[options.shape], directory)
        time_name(directory, options.threads)
        torch.set_num_threads(options.threads)
        time_training(directory, root, options.shape, options.pairs)
        time_look_ups(root)


if __name__ == "__main__":
    main()
