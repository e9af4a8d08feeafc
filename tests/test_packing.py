"""Sharing out a step: nothing lost, nothing twice, budgets kept, prompts whole, processes even."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_fixtures import save_tiny_model

from codealign.batches import EncodedPair, batch_pairs
from codealign.config import ModelConfig, TrainConfig
from codealign.errors import DataError
from codealign.experience import PairExperience
from codealign.packing import plan
from codealign.policy import load_policy
from codealign.records import Pair, read_rows
from codealign.training import train


def ids(length: int, first: int) -> tuple[int, ...]:
    return (first, *[9] * (length - 1))


@st.composite
def steps(draw) -> tuple[list[EncodedPair], int]:
    """Pairs of a few prompts, and a number of processes that they are enough for."""
    prompts = draw(st.lists(st.integers(1, 60), min_size=1, max_size=5))
    pairs = []
    for number, length in enumerate(prompts):
        for _ in range(draw(st.integers(1, 6))):
            chosen, rejected = draw(st.integers(0, 3)), draw(st.integers(4, 7))
            side = draw(st.integers(1, 40))
            pairs.append(
                EncodedPair(ids(length, number), ids(side, chosen), ids(side + 1, rejected))
            )
    return pairs, draw(st.integers(1, min(4, len(pairs))))


def num_tokens(pairs: list[EncodedPair], members: list[int]) -> int:
    """Of the tree that the model really gets."""
    batch = batch_pairs(pairs[i] for i in members)
    return sum(map(len, batch.prompts)) + sum(map(len, batch.completions))


@given(steps(), st.integers(1, 8), st.one_of(st.none(), st.integers(10, 300)))
@settings(max_examples=300, deadline=None)
def test_a_plan_is_a_partition_with_equally_many_microbatches(step, size, max_tokens) -> None:
    pairs, num_processes = step
    shares = plan(
        pairs,
        range(len(pairs)),
        num_processes=num_processes,
        pairs_per_microbatch=size,
        max_tokens=max_tokens,
    )
    assert Counter(i for share in shares for members in share for i in members) == Counter(
        range(len(pairs))
    )
    assert len(shares) == num_processes
    assert len({len(share) for share in shares}) == 1
    assert all(members for share in shares for members in share)
    if max_tokens is None:
        return
    could_be_more = len(shares[0]) + 1 <= len(pairs) // num_processes
    for members in (members for share in shares for members in share):
        within = num_tokens(pairs, members) <= max_tokens
        longest = max(num_tokens(pairs, [i]) for i in range(len(pairs)))
        assert within or longest > max_tokens or not could_be_more


def test_a_budget_keeps_prompts_whole_where_they_fit_and_cuts_them_where_not() -> None:
    pairs = [
        EncodedPair(ids(50, prompt), ids(10, chosen), ids(10, 100 + rejected))
        for prompt in (1, 2)
        for chosen in range(4)
        for rejected in range(4)
    ]
    whole = 50 + 8 * 10

    def parts(max_tokens: int) -> list[list[int]]:
        return plan(pairs, range(32), pairs_per_microbatch=4, max_tokens=max_tokens)[0]

    assert [*map(len, parts(2 * whole))] == [32]
    assert sorted(map(sorted, parts(whole))) == [[*range(16)], [*range(16, 32)]]
    assert max(num_tokens(pairs, part) for part in parts(whole - 1)) < whole
    assert [*map(len, parts(1))] == [1] * 32, "a single pair is never left out"


def test_without_a_budget_a_prompt_is_not_cut_and_processes_get_the_same_work() -> None:
    rng = random.Random(0)
    pairs = [
        EncodedPair(ids(rng.randrange(100, 400), n), ids(rng.randrange(60, 250), 1), ids(70, 2))
        for n in range(32)
    ]
    shares = plan(pairs, range(32), num_processes=2, pairs_per_microbatch=4)
    work = [sum(num_tokens(pairs, members) for members in share) for share in shares]
    assert max(work) < 1.02 * min(work)
    one_prompt = [pair._replace(prompt_ids=ids(50, 0)) for pair in pairs]
    assert [*map(len, plan(one_prompt, range(32), pairs_per_microbatch=4)[0])] == [32]


def test_pairs_of_a_prompt_meet_in_one_step() -> None:
    pairs = [
        EncodedPair(ids(20 + prompt, prompt), ids(9, chosen), ids(9, 100))
        for chosen in range(4)
        for prompt in range(40)
    ]
    config = TrainConfig(per_device_train_batch_size=8)
    experience = PairExperience(pairs, config, with_rejected=True, seed=0)
    held = [
        {batch.prompts for batch in experience.batches(step)}
        for step in range(experience.num_steps)
    ]
    assert len(held) == 20
    assert all(len(prompts) == 2 for step in held for prompts in step)


def text_pairs(num_prompts: int, num_each: int) -> list[Pair]:
    return [
        Pair(
            prompt=f"def f{p}(x):\n",
            chosen=f"    return {c}\n",
            rejected=f"    return {c}{c} + x\n",
        )
        for p in range(num_prompts)
        for c in range(num_each)
    ]


@pytest.mark.parametrize("objective", ["dpo", "sft"])
def test_how_a_step_is_shared_out_moves_no_weight(tmp_path: Path, objective: str) -> None:
    """Same losses and weights for any microbatches of the same pairs: sums are divided once."""
    model = str(save_tiny_model(tmp_path / "model", "llama"))
    layouts = {
        "whole": {"per_device_train_batch_size": 12},
        "halves": {"per_device_train_batch_size": 6, "gradient_accumulation_steps": 2},
        "tokens": {"per_device_train_batch_size": 12, "max_tokens_per_microbatch": 60},
        "single": {"per_device_train_batch_size": 12, "max_tokens_per_microbatch": 1},
    }
    losses, weights, norms = {}, {}, {}
    for name, layout in layouts.items():
        policy = load_policy(ModelConfig(model_name_or_path=model))
        config = TrainConfig(
            objective={"kind": objective}, learning_rate=1e-3, num_train_epochs=3, **layout
        )
        train(policy, text_pairs(6, 4), config, run_dir=tmp_path / name, seed=0)
        rows = [row for _, row in read_rows(tmp_path / name / "metrics.jsonl")]
        losses[name] = [row["loss"] for row in rows if "loss" in row]
        norms[name] = [row["grad_norm"] for row in rows if "loss" in row]
        weights[name] = torch.cat([p.detach().flatten() for p in policy.model.parameters()])
    for name in layouts:
        assert losses[name] == pytest.approx(losses["whole"], abs=1e-5)
        assert norms[name] == pytest.approx(norms["whole"], rel=1e-3)
        torch.testing.assert_close(weights[name], weights["whole"], rtol=0, atol=2e-5)


def test_a_step_counts_the_pairs_of_all_processes_where_it_is_told_to() -> None:
    pairs = [EncodedPair(ids(20, n), ids(9, 1), ids(9, 2)) for n in range(24)]
    config = TrainConfig(per_device_train_batch_size=3, pairs_per_step=12)

    def steps(num_processes: int) -> list[set[tuple[int, ...]]]:
        ranks = [
            PairExperience(
                pairs, config, with_rejected=True, seed=0, rank=rank, num_processes=num_processes
            )
            for rank in range(num_processes)
        ]
        return [
            {prompt for each in ranks for batch in each.batches(step) for prompt in batch.prompts}
            for step in range(ranks[0].num_steps)
        ]

    assert steps(1) == steps(2) == steps(3)
    assert [*map(len, steps(1))] == [12, 12]
    with pytest.raises(DataError, match="12 pairs a step"):
        steps(13)


def test_how_many_pairs_a_step_has_is_said_once() -> None:
    with pytest.raises(ValueError, match="leave one of them out"):
        TrainConfig(pairs_per_step=8, gradient_accumulation_steps=2)
