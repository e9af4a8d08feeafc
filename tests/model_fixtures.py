"""Small random models on disk, made here, to be loaded as a user loads theirs.

Each directory holds a stock transformers model (two layers, width 32) and a byte-level BPE tokenizer
of about 300 tokens trained on a few lines of Python, with `<eos>` and no BOS.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from codealign.records import Labelled, Pair

# Every test that trains imports this module. Two threads are slower than one for models this small, far
# slower when the machine is busy, and one makes the sums come out in one order.
torch.set_num_threads(1)

CODE = [
    'def add(a, b):\n    """Add two numbers.\n    >>> add(1, 2)\n    3\n    """\n    return a + b\n',
    "def head(xs):\n    for x in xs:\n        if x > 0:\n            return x\n    return None\n",
    "def total(xs):\n    result = 0\n    for x in xs:\n        result += x\n    return result\n",
]
CHAT_TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
ARCHITECTURES = ("qwen2", "llama", "gpt2")


@cache
def make_tokenizer(vocab_size: int = 300) -> transformers.PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of about 300 tokens with `<eos>`; of fewer, one that cuts the same text otherwise."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CODE * 4, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


COMMON = {"vocab_size": len(make_tokenizer()), "bos_token_id": None, "eos_token_id": 0}
ROPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
"""Weights ten times as wide as usual: greedy text of narrow ones is one token over and over."""


def make_model(
    architecture: str, seed: int = 0, vocab_size: int = 300
) -> transformers.PreTrainedModel:
    """A random model of the named architecture; the same seed gives the same weights."""
    common = COMMON | {"vocab_size": len(make_tokenizer(vocab_size))}
    rope = ROPE | {"max_position_embeddings": 256}
    configs = {
        "qwen2": lambda: transformers.Qwen2Config(**common, **rope, tie_word_embeddings=True),
        "llama": lambda: transformers.LlamaConfig(**common, **rope, tie_word_embeddings=False),
        "gpt2": lambda: transformers.GPT2Config(
            **common, n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.2
        ),
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.AutoModelForCausalLM.from_config(configs[architecture]())


def save_tiny_model(
    directory: Path,
    architecture: str = "qwen2",
    *,
    seed: int = 0,
    chat: bool = False,
    vocab_size: int = 300,
) -> Path:
    """Write a tiny model with its tokenizer to `directory` and return it."""
    make_model(architecture, seed, vocab_size).save_pretrained(directory)
    tokenizer = make_tokenizer(vocab_size)
    tokenizer.chat_template = CHAT_TEMPLATE if chat else None
    tokenizer.save_pretrained(directory)
    return directory


def text_pairs(count: int) -> list[Pair]:
    """`count` different text-only pairs, of different lengths."""
    return [
        Pair(
            task_id=f"t/{i}",
            prompt=f"def f{i}(a, b):\n",
            chosen=f"    return a + {i}\n",
            rejected="    return " + "b" * (i % 7 + 1),
        )
        for i in range(count)
    ]


def labelled_sides(num_pairs: int) -> list[Labelled]:
    """The sides of `text_pairs`, every third rejected one left out: more desirable ones than others."""
    sides = [side for pair in text_pairs(num_pairs) for side in pair.sides()]
    return [side for number, side in enumerate(sides) if number % 6 != 5]
