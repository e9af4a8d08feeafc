"""DPO steps by TRL's DPOTrainer and by ours: the same pairs, weights and settings, first shown to give the same losses.

    python benchmarks/training.py [--shape small] [--steps 6] [--threads 1] [--way ours-cached …]
    python benchmarks/training.py --memory            peak memory of each way, one process each

Every step runs each way once, in turn, and the median of the ratios of CPU seconds is what counts: a busy
machine slows both. Prompts have 150 to 400 tokens, completions 60 to 250, drawn with a fixed seed.

    trl              TRL as it is, float32, no checkpointing; the reference in every step
    trl-bf16         with bfloat16 autocast and gradient checkpointing, its defaults
    trl-precomputed  float32 with its precomputed reference
    ours-plain       our loop, a padded row a completion
    ours             trees; the reference in every step, as in a first epoch
    ours-cached      trees, the reference from the cache
    ours-bf16        bfloat16 weights with float32 masters, the reference from the cache
    ours-all         all pairs of 4 passing and 4 failing completions of each prompt, cached; per pair
    ours-least       as ours-cached, with gradient checkpointing: for memory
    floor            no forward at all: imports, weights, gradients, optimiser state; for memory

Ours take a prompt or two at a time (`train.max_tokens_per_microbatch`), TRL its batch at once, as it does by default.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PROMPT_TOKENS, COMPLETION_TOKENS = (150, 400), (60, 250)
LEARNING_RATE, BETA = 1e-4, 0.1
MICROBATCH_TOKENS = 1024
ALL_PAIRS_TOKENS = 2560
"""A prompt with eight completions is not to be cut."""
WAYS = (
    "trl",
    "trl-bf16",
    "trl-precomputed",
    "ours-plain",
    "ours",
    "ours-cached",
    "ours-bf16",
    "ours-all",
)
CACHED = ("ours-cached", "ours-bf16", "ours-all", "ours-least")
FOR_MEMORY = ("ours-least", "floor")


class Shape(NamedTuple):
    """A Qwen2-shaped model with tied embeddings, and pairs a step."""

    num_layers: int
    width: int
    num_heads: int
    vocabulary: int
    num_pairs: int


SHAPES = {
    "tiny": Shape(4, 256, 4, 4_096, 8),
    "small": Shape(8, 512, 8, 151_936, 4),
    "small-half-vocabulary": Shape(8, 512, 8, 75_968, 4),
}


class Tokens(NamedTuple):
    """One prompt with passing and failing completions; every completion ends with EOS, id 0."""

    prompt: list[int]
    passing: list[list[int]]
    failing: list[list[int]]


def draw(shape: Shape, num_prompts: int, num_each: int, seed: int) -> list[Tokens]:
    rng = random.Random(seed)

    def some(bounds: tuple[int, int]) -> list[int]:
        return [rng.randrange(1, shape.vocabulary) for _ in range(rng.randint(*bounds))]

    def completions() -> list[list[int]]:
        return [[*some(COMPLETION_TOKENS), 0] for _ in range(num_each)]

    return [Tokens(some(PROMPT_TOKENS), completions(), completions()) for _ in range(num_prompts)]


def write_model(shape: Shape, directory: Path) -> None:
    """Random weights, and a tokenizer whose words are numbers, so that text and ids are the same thing."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        num_hidden_layers=shape.num_layers,
        hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
    )
    transformers.Qwen2ForCausalLM(config).save_pretrained(directory)
    words = {"<eos>": 0} | {str(number): number for number in range(1, shape.vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="1"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>"
    ).save_pretrained(directory)


# --- the two trainers: each a function that takes one step and gives its loss --------------------------

Step = Callable[[list[Tokens]], float]


def trl_trainer(
    directory: Path, way: str, batches: list[list[Tokens]]
) -> tuple[Any, Callable[[list[Tokens]], Any]]:
    """TRL's trainer over all batches, and what gives its inputs of one of them."""
    import datasets
    import torch
    import transformers
    from trl import DPOConfig, DPOTrainer

    def text(ids: list[int]) -> str:
        return " ".join(map(str, ids))

    rows = [
        {
            "prompt": text(t.prompt),
            "chosen": " " + text(t.passing[0][:-1]),
            "rejected": " " + text(t.failing[0][:-1]),
        }
        for batch in batches
        for t in batch
    ]
    config = DPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=len(batches[0]),
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        beta=BETA,
        max_length=None,
        bf16=way == "trl-bf16",
        gradient_checkpointing=way == "trl-bf16",
        precompute_ref_log_probs=way == "trl-precomputed",
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=True,
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    # AutoTokenizer would put Qwen2's own in the place of this one.
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(directory)
    trainer = DPOTrainer(
        model=model,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    data = trainer.train_dataset
    trainer.current_gradient_accumulation_steps = 1  # train() would set it
    places = {tuple(row["prompt_ids"]): row for row in data}
    return trainer, lambda batch: trainer.data_collator([places[tuple(t.prompt)] for t in batch])


def trl_step(directory: Path, way: str, batches: list[list[Tokens]]) -> Step:
    import torch

    trainer, inputs = trl_trainer(directory, way, batches)
    optimizer = trainer.create_optimizer()

    def step(batch: list[Tokens]) -> float:
        loss = trainer.training_step(trainer.model, inputs(batch), None)
        torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss)

    return step


def microbatches(batch: list[Tokens], num_each: int | None, max_tokens: int | None) -> list[Any]:
    """The pairs of `num_each` passing with as many failing completions (None: all) of each prompt, shared out."""
    from codealign.batches import EncodedPair, batch_pairs
    from codealign.packing import plan

    pairs = [
        EncodedPair(tuple(t.prompt), tuple(good), tuple(bad))
        for t in batch
        for good in t.passing[:num_each]
        for bad in t.failing[:num_each]
    ]
    num = len(pairs)
    (shares,) = plan(pairs, range(num), pairs_per_microbatch=num, max_tokens=max_tokens)
    return [batch_pairs(pairs[i] for i in members) for members in shares]


def our_step(directory: Path, way: str, batches: list[list[Tokens]]) -> Step:
    import torch
    from accelerate import Accelerator

    from codealign import config
    from codealign.batches import Batch
    from codealign.logprobs import PLAIN
    from codealign.loop import PolicyLoss
    from codealign.objectives import build_objective
    from codealign.policy import load_policy
    from codealign.reference import ReferenceCache
    from codealign.updates import build_update

    section = config.ModelConfig(
        model_name_or_path=str(directory),
        dtype="bfloat16" if way == "ours-bf16" else "float32",
        gradient_checkpointing=way == "ours-least",
    )
    policy = load_policy(section)
    # The cache is filled by the policy before its first step; only a reference in every step is a second model.
    reference_policy = policy if way in CACHED else load_policy(section)
    if way == "ours-plain":
        policy.log_probs.path = reference_policy.log_probs.path = PLAIN
    objective = build_objective(config.DPO(beta=BETA))
    update = build_update(
        config.Backprop(max_grad_norm=1.0),
        policy,
        Accelerator(cpu=not torch.cuda.is_available()),
        0,
    )
    numbers = itertools.count()
    num_each, budget = (None, ALL_PAIRS_TOKENS) if way == "ours-all" else (1, MICROBATCH_TOKENS)

    def trees(batch: list[Tokens]) -> list[Batch]:
        return microbatches(batch, num_each, None if way == "ours-plain" else budget)

    cached = ReferenceCache(reference_policy) if way in CACHED else None
    if cached is not None:
        for batch in batches:
            cached.fill(trees(batch))

    def step(batch: list[Tokens]) -> float:
        parts = trees(batch)
        reference = cached or ReferenceCache(reference_policy)
        reference.fill(parts)
        policy.train_mode(True)
        loss = PolicyLoss(policy, objective, reference)
        result = update.step(parts, loss, LEARNING_RATE, next(numbers))
        policy.train_mode(False)
        return result.loss

    return step


# --- measuring -----------------------------------------------------------------------------------------


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def idle_step(directory: Path, way: str, batches: list[list[Tokens]]) -> Step:
    """What no trainer can avoid holding."""
    import torch
    from accelerate import Accelerator

    from codealign import config
    from codealign.policy import load_policy
    from codealign.updates import build_update

    policy = load_policy(config.ModelConfig(model_name_or_path=str(directory), dtype="float32"))
    update = build_update(config.Backprop(), policy, Accelerator(cpu=True), 0)

    def step(batch: list[Tokens]) -> float:
        for _, parameter in policy.trainable_parameters():
            parameter.grad = torch.zeros_like(parameter)
            parameter.grad += 1e-9  # zeros are promised pages, not memory
        update.optimizer.step()
        return 0.0

    return step


def prepare(directory: Path, way: str, batches: list[list[Tokens]]) -> Step:
    makers = {"trl": trl_step, "ours": our_step, "floor": idle_step}
    return makers[way.partition("-")[0]](directory, way, batches)


def compare(shape: Shape, ways: list[str], num_steps: int, directory: Path) -> dict[str, Any]:
    batches = [draw(shape, shape.num_pairs, 4, seed) for seed in range(num_steps + 1)]
    steps = {way: prepare(directory, way, batches) for way in ways}
    losses: dict[str, list[float]] = {way: [] for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number, batch in enumerate(batches):
        for way in ways:
            started = cpu_s()
            losses[way].append(steps[way](batch))
            seconds[way].append(cpu_s() - started)
        told = "  ".join(f"{way} {losses[way][-1]:.6f} {seconds[way][-1]:.2f} s" for way in ways)
        print(f"step {number}: {told}", flush=True)
    return report(shape, ways, losses, seconds)


def report(
    shape: Shape, ways: list[str], losses: dict[str, list[float]], seconds: dict[str, list[float]]
) -> dict[str, Any]:
    rows = {}
    for way in ways:
        pairs = shape.num_pairs * (16 if way == "ours-all" else 1)
        # The first step of each way also fills caches and allocates: not counted.
        ratios = [
            base / own * pairs / shape.num_pairs
            for base, own in zip(seconds[ways[0]][1:], seconds[way][1:], strict=True)
        ]
        rows[way] = {
            "pairs_per_s": pairs / statistics.median(seconds[way][1:]),
            "ratio": statistics.median(ratios),
            "ratio_low": min(ratios),
            "ratio_high": max(ratios),
            "loss_difference": max(
                abs(a - b) for a, b in zip(losses[ways[0]], losses[way], strict=True)
            ),
        }
        told = rows[way]
        print(
            f"{way:<16} {told['pairs_per_s']:8.3f} pairs/s   {told['ratio']:6.2f} x {ways[0]} "
            f"[{told['ratio_low']:.2f}-{told['ratio_high']:.2f}]   largest loss difference {told['loss_difference']:.1e}"
        )
    return rows


def peak_bytes(shape: Shape, way: str, num_steps: int, directory: Path) -> int:
    """Peak resident bytes of this process over a few steps."""
    batches = [draw(shape, shape.num_pairs, 4, seed) for seed in range(num_steps)]
    step = prepare(directory, way, batches)
    for batch in batches:
        step(batch)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--way", action="append", choices=(*WAYS, *FOR_MEMORY), help="default: all of them"
    )
    parser.add_argument("--memory", action="store_true", help="peak memory, one process a way")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(options.threads)
    shape = SHAPES[options.shape]
    ways = options.way or [*WAYS, *(FOR_MEMORY if options.memory else ())]
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.model or Path(temporary)
        if options.model is None:
            write_model(shape, directory)
        if options.one:
            print(json.dumps(peak_bytes(shape, options.one, options.steps, directory)))
        elif options.memory:
            for way in ways:
                command = [
                    sys.executable,
                    __file__,
                    "--one",
                    way,
                    "--model",
                    str(directory),
                    "--shape",
                    options.shape,
                ]
                command += ["--steps", str(options.steps), "--threads", str(options.threads)]
                told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                print(f"{way:<16} {int(told.splitlines()[-1]) / 2**30:6.2f} GiB", flush=True)
        else:
            compare(shape, ways, options.steps, directory)


if __name__ == "__main__":
    main()
