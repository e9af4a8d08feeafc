"""Token weights from a good and a bad model: the formulas, the two models, and the stages that make them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from model_fixtures import save_tiny_model, text_pairs

from codealign.batches import EncodedPair, batch_pairs
from codealign.config import (
    DPO,
    SFT,
    ContrastSection,
    DPOContrast,
    ModelConfig,
    PromptContrast,
    RandomWeights,
    RanksOfContrast,
    RunConfig,
    SFTContrast,
    TrainConfig,
    contrast_training,
    parse_config,
)
from codealign.contrast import (
    SideLogps,
    encode_for_weights,
    instructed_logps,
    pair_logps,
    rank_weights,
    swapped,
    tis_weights,
    train_contrast,
    weigh_at_random,
    weigh_by_contrast,
)
from codealign.errors import ConfigError
from codealign.experience import encode_pairs
from codealign.loop import PolicyLoss
from codealign.objectives import build_objective
from codealign.pipeline import (
    Run,
    annotate_stage,
    contrast_bad_stage,
    contrast_good_stage,
    train_stage,
)
from codealign.policy import Policy, load_policy
from codealign.progress import Progress
from codealign.records import Pair, write_records
from codealign.reference import ReferenceCache
from codealign.rundir import RunDir

SETTINGS = TrainConfig(per_device_train_batch_size=3, max_length=200)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("contrast") / "model", "llama")


def load(path: Path, **options: Any) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=str(path), dtype="float32", **options))


# ---------------------------------------------------------------- formulas


def test_equal_models_weigh_every_token_k():
    contrast_T = torch.zeros(4, dtype=torch.float64)
    for chosen in (True, False):
        assert tis_weights(contrast_T, chosen=chosen, scale=0.7).tolist() == [0.7] * 4


def test_exchanged_models_turn_the_contrast_around():
    contrast_T = torch.linspace(-0.4, 0.4, 9, dtype=torch.float64)
    there, back = tis_weights(contrast_T, chosen=True), tis_weights(-contrast_T, chosen=True)
    torch.testing.assert_close(there * back, torch.ones_like(there))


@pytest.mark.parametrize("chosen", [True, False])
def test_ranks_run_evenly_from_the_worst_token_to_the_best(chosen: bool):
    contrast_T = torch.tensor([0.5, -2.0, 9.0, 0.0], dtype=torch.float64)
    expected = [1.1, 0.7, 1.3, 0.9] if chosen else [0.9, 1.3, 0.7, 1.1]
    weights_T = rank_weights(contrast_T, chosen=chosen)
    assert weights_T.tolist() == pytest.approx(expected)
    assert float(weights_T.mean()) == pytest.approx(1.0)


def test_of_equal_tokens_the_earlier_ranks_lower_and_a_lone_token_is_average():
    assert rank_weights(torch.zeros(3), chosen=True).tolist() == pytest.approx([0.7, 1.0, 1.3])
    assert rank_weights(torch.tensor([5.0]), chosen=False).tolist() == [1.0]


# ---------------------------------------------------------------- what a model says of the pairs


def test_log_probs_of_pairs_are_those_of_each_pair_alone(path: Path):
    policy = load(path)
    pairs = text_pairs(7)
    encoded = encode_for_weights(policy, pairs, SETTINGS)
    for pair, found in zip(encoded, pair_logps(policy, encoded, SETTINGS), strict=True):
        assert pair is not None
        batch = batch_pairs([pair])
        alone_NT = policy.token_logps(batch)
        assert found.chosen == pytest.approx(alone_NT[0, : len(pair.chosen_ids)].tolist(), abs=1e-5)
        assert found.rejected == pytest.approx(
            alone_NT[1, : len(pair.rejected_ids)].tolist(), abs=1e-5
        )


def test_a_pair_that_training_leaves_out_is_not_weighed(path: Path):
    policy = load(path)
    good, same = text_pairs(2)
    same = same.model_copy(update={"rejected": same.chosen})
    encoded = encode_for_weights(policy, [same, good], SETTINGS)
    assert encoded[0] is None
    logps = pair_logps(policy, encoded, SETTINGS)
    assert logps[0] == SideLogps()
    weighed = weigh_by_contrast([same, good], encoded, logps, logps, SFTContrast(), 0)
    assert weighed[0] == same
    assert weighed[1].chosen_weights == [1.0] * len(weighed[1].chosen_ids or ())


def test_an_instruction_changes_the_prompt_alone(path: Path):
    policy = load(path)
    pairs = text_pairs(2)
    encoded = encode_for_weights(policy, pairs, SETTINGS)
    prompts = [pair.prompt for pair in pairs]
    section = PromptContrast(good="right", bad="wrong\nagain")
    good, bad = instructed_logps(policy, encoded, prompts, section, SETTINGS)
    for number, pair in enumerate(encoded):
        assert pair is not None
        for instruction, found in (("# right\n", good), ("# wrong\n# again\n", bad)):
            ids = tuple(policy.encode_prompt(instruction + prompts[number]))
            alone = pair_logps(policy, [pair._replace(prompt_ids=ids)], SETTINGS)[0]
            assert found[number].chosen == pytest.approx(alone.chosen, abs=1e-5)
    assert good[0].chosen != bad[0].chosen


def test_a_chat_model_is_instructed_by_its_system_prompt(tmp_path: Path):
    policy = load(save_tiny_model(tmp_path / "chat", chat=True))
    rendered = policy.render_prompt("def f():", instruction="be careful")
    assert rendered.startswith("[system]be careful\n[user]def f():")


def test_a_pair_that_an_instruction_makes_too_long_gets_no_weights(path: Path):
    policy = load(path)
    (pair,) = encode_for_weights(policy, text_pairs(1), SETTINGS)
    section = PromptContrast(good="x" * 2000, bad="short")
    good, bad = instructed_logps(policy, [pair], ["def f():"], section, SETTINGS)
    assert good == [SideLogps()]
    assert bad[0].chosen is not None
    (weighed,) = weigh_by_contrast(text_pairs(1), [pair], good, bad, section, 0)
    assert weighed.chosen_weights is None


# ---------------------------------------------------------------- weights in the pairs


def contrasted(
    path: Path, section: ContrastSection, shift: float = 0.0
) -> tuple[list[Pair], list[EncodedPair]]:
    policy = load(path)
    pairs = text_pairs(4)
    encoded = encode_for_weights(policy, pairs, SETTINGS)
    good = pair_logps(policy, encoded, SETTINGS)
    bad = [
        SideLogps(
            chosen=[x - shift for x in each.chosen or ()],
            rejected=[x - shift for x in each.rejected or ()],
        )
        for each in good
    ]
    weighed = weigh_by_contrast(pairs, encoded, good, bad, section, seed=1)
    return weighed, [pair for pair in encoded if pair is not None]


def test_every_token_has_a_weight_and_eos_is_one_of_them(path: Path):
    weighed, encoded = contrasted(path, SFTContrast(), shift=0.3)
    for pair, ids in zip(weighed, encoded, strict=True):
        assert tuple(pair.chosen_ids or ()) == ids.chosen_ids
        assert pair.chosen_weights == pytest.approx([math.exp(0.3)] * len(ids.chosen_ids))
        assert pair.rejected_weights == pytest.approx([math.exp(-0.3)] * len(ids.rejected_ids))
        assert ids.chosen_ids[-1] == 0, "EOS"


def test_weights_of_equal_models_are_plain_dpo(path: Path):
    weighed, _ = contrasted(path, SFTContrast())
    policy = load(path)
    batch = batch_pairs(encode_pairs(policy, weighed, None).pairs)
    cache = ReferenceCache(policy)
    cache.fill([batch])
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.01 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(0)
            )
        losses = [
            float(PolicyLoss(policy, build_objective(objective), cache)(batch).sum)
            for objective in (
                parse_config(TrainConfig, {"objective": {"kind": "tis_dpo"}}).objective,
                DPO(),
            )
        ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] != pytest.approx(4 * math.log(2), abs=1e-4), "the policy has moved"


def test_shuffled_weights_are_the_same_ones_elsewhere(path: Path):
    plain, _ = contrasted(path, SFTContrast(transform=RanksOfContrast()))
    mixed, _ = contrasted(path, SFTContrast(transform=RanksOfContrast(), shuffle=True))
    for one, other in zip(plain, mixed, strict=True):
        assert sorted(one.chosen_weights or ()) == sorted(other.chosen_weights or ())
    assert any(
        one.chosen_weights != other.chosen_weights for one, other in zip(plain, mixed, strict=True)
    )


def test_random_weights_lie_between_their_bounds_and_come_again(path: Path):
    policy = load(path)
    pairs = text_pairs(3)
    encoded = encode_for_weights(policy, pairs, SETTINGS)
    section = RandomWeights(lower=0.25, upper=0.5)
    once, again = (weigh_at_random(pairs, encoded, section, seed=2) for _ in range(2))
    assert once == again != weigh_at_random(pairs, encoded, section, seed=3)
    assert all(0.25 <= w <= 0.5 for pair in once for w in pair.chosen_weights or ())


# ---------------------------------------------------------------- the two models


@pytest.mark.parametrize("section", [SFTContrast(), DPOContrast(beta=0.3)])
def test_the_two_are_trained_as_the_policy_but_for_what_the_contrast_says(section: Any):
    settings = TrainConfig(
        per_device_train_batch_size=5, eval_steps=7, max_length=99, learning_rate=1.0
    )
    trained = contrast_training(section, settings)
    assert trained.per_device_train_batch_size == 5
    assert trained.max_length == 99
    assert trained.learning_rate == section.learning_rate
    assert trained.num_train_epochs == section.num_train_epochs
    assert trained.eval_steps is None
    assert trained.objective == (SFT() if section.kind == "sft" else DPO(beta=0.3))


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_the_good_model_prefers_the_chosen_side_to_what_the_bad_one_does(
    kind: str, path: Path, tmp_path: Path
):
    section = {"sft": SFTContrast, "dpo": DPOContrast}[kind](learning_rate=1e-2, num_train_epochs=3)
    settings = contrast_training(section, SETTINGS)
    pairs = text_pairs(6)
    margins = {}
    for good in (True, False):
        policy = load(path)
        run_dir = tmp_path / str(good)
        train_contrast(policy, pairs, settings, good=good, run_dir=run_dir, seed=0)
        encoded = encode_for_weights(policy, pairs, settings)
        margins[good] = sum(
            sum(found.chosen or ()) - sum(found.rejected or ())
            for found in pair_logps(policy, encoded, settings)
        )
    assert margins[True] > margins[False]


def test_swapping_twice_is_nothing():
    (pair,) = text_pairs(1)
    assert swapped(swapped(pair)) == pair
    assert swapped(pair).chosen == pair.rejected


def test_a_swapped_side_keeps_what_is_known_of_it():
    """A side that the length limit cut has no EOS, as whichever side it is trained on."""
    (pair,) = text_pairs(1)
    cut = Pair(**pair.to_row(), chosen_weights=[0.5], rejected_finish_reason="length")
    assert (
        swapped(cut).to_row().items()
        >= {
            "rejected_weights": [0.5],
            "chosen_finish_reason": "length",
        }.items()
    )
    assert "rejected_finish_reason" not in swapped(cut).to_row()


# ---------------------------------------------------------------- the stages


def run_with_pairs(path: Path, run_dir: Path, **sections: Any) -> Run:
    """A run whose pairs are there already, as its own stages would have left them."""
    data = {
        "model": {"model_name_or_path": str(path), "dtype": "float32"},
        "problems": {"train": "kata:train", "num_train": 2},
        "train": {"objective": {"kind": "tis_dpo"}, "per_device_train_batch_size": 3},
        **sections,
    }
    run = Run(parse_config(RunConfig, data), RunDir(run_dir), Progress(quiet=True))
    pairs = run.stage("pairs")
    if not pairs.done:
        write_records(run_dir / "pairs" / "part-00000.jsonl", text_pairs(6))
        pairs.finish(num_pairs=6)
    return run


def annotate(run: Run) -> list[Pair]:
    for name, work in (
        ("contrast/good", contrast_good_stage),
        ("contrast/bad", contrast_bad_stage),
        ("annotate", annotate_stage),
    ):
        if name in run.keys:
            work(run)
    return run.stage("annotate").shards.read(Pair)


def test_stages_come_only_where_they_are_asked_for(path: Path, tmp_path: Path):
    plain = run_with_pairs(path, tmp_path / "plain", train={"objective": {"kind": "dpo"}})
    assert plain.last_pairs_stage == "pairs"
    assert not {"annotate", "contrast/good"} & plain.keys.keys()
    prompted = run_with_pairs(path, tmp_path / "prompted", token_weights={"kind": "prompt"})
    assert "annotate" in prompted.keys
    assert "contrast/good" not in prompted.keys


def test_trained_contrasts_end_in_weighed_pairs_and_their_models_stay(path: Path, tmp_path: Path):
    trained = {"kind": "sft", "learning_rate": 1e-2}
    run = run_with_pairs(path, tmp_path / "run", token_weights=trained)
    weighed = annotate(run)
    assert all(pair.chosen_weights for pair in weighed)
    record = run.stage("annotate").record
    assert record["num_pairs"] == 6
    assert "num_unweighed" not in record
    weights = [w for pair in weighed for w in pair.chosen_weights or ()]
    assert record["mean_chosen_weight"] == pytest.approx(sum(weights) / len(weights), abs=1e-4)
    assert min(weights) >= math.exp(-0.5) - 1e-6
    assert max(weights) <= math.exp(1.5) + 1e-6
    assert len(set(weights)) > 10
    load(tmp_path / "run" / "contrast" / "good" / "model")

    # Another transform reads the same two models.
    ranks = {**trained, "transform": {"kind": "ranks"}}
    again = run_with_pairs(path, tmp_path / "run", token_weights=ranks)
    assert again.stage("contrast/good").done
    assert not again.stage("annotate").done
    assert max(w for pair in annotate(again) for w in pair.chosen_weights or ()) <= 1.3 + 1e-6


def test_a_contrast_goes_on_where_it_was_killed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trained = {"kind": "dpo", "learning_rate": 1e-2, "num_train_epochs": 2}
    sections = {
        "token_weights": trained,
        "train": {
            "objective": {"kind": "tis_dpo"},
            "per_device_train_batch_size": 3,
            "save_steps": 1,
        },
    }
    expected = annotate(run_with_pairs(path, tmp_path / "whole", **sections))

    from codealign import loop

    class Killed(Exception): ...

    original = loop.Loop._step
    steps = 0

    def dies_at_three(self: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise Killed
        return original(self)

    monkeypatch.setattr(loop.Loop, "_step", dies_at_three)
    broken = run_with_pairs(path, tmp_path / "broken", **sections)
    with pytest.raises(Killed):
        annotate(broken)
    assert (tmp_path / "broken" / "contrast" / "good" / "checkpoint-3").is_dir()
    assert annotate(run_with_pairs(path, tmp_path / "broken", **sections)) == expected


def test_execution_weights_are_made_of_the_runs_own_verdicts(path: Path, tmp_path: Path):
    policy = load(path)
    section = {"kind": "execution", "sources": ["divergence"], "outside": 0.5, "normalise": False}
    run = run_with_pairs(path, tmp_path / "run", token_weights=section)
    rows = []
    for number, pair in enumerate(text_pairs(2)):
        ids = policy.encode_pair_text(pair.prompt, pair.chosen)
        other = policy.encode_pair_text(pair.prompt, pair.rejected)
        columns = {
            "task_id": f"t{number}",
            "prompt_ids": ids.prompt_ids,
            "chosen_ids": ids.completion_ids,
            "rejected_ids": other.completion_ids,
            "chosen_index": 0,
            "rejected_index": 1,
        }
        rows.append(pair.model_copy(update=columns))
    write_records(tmp_path / "run" / "pairs" / "part-00000.jsonl", rows)
    samples, judged = run.stage("sample"), run.stage("judge")
    samples.finish()
    judged.finish()
    for row in rows:
        for index, passed in ((0, True), (1, False)):
            text = row.chosen if passed else row.rejected
            key = {"task_id": row.task_id, "sample_index": index}
            ids = row.chosen_ids if passed else row.rejected_ids
            completion = {"completion": text, "completion_ids": ids}
            samples.shards.append([key | completion])
            outcome = "passed" if passed else "failed"
            verdict = {"outcome": outcome, "passed": passed, "program": row.prompt + text}
            judged.shards.append([key | verdict])
    annotate_stage(run)
    for pair in run.stage("annotate").shards.read(Pair):
        ids = list(zip(pair.chosen_ids or (), pair.rejected_ids or (), strict=False))
        first = next(n for n, (one, other) in enumerate(ids) if one != other)
        for weights in (pair.chosen_weights or [], pair.rejected_weights or []):
            assert weights[:first] == [0.5] * first
            assert weights[first:] == [1.0] * (len(weights) - first)


def test_what_other_references_say_is_written_and_trained_on(path: Path, tmp_path: Path):
    others = [save_tiny_model(tmp_path / f"other{seed}", "llama", seed=seed) for seed in (1, 2)]

    def mrpo_run(**options: Any) -> Run:
        references = [{"model_name_or_path": str(each)} for each in others]
        objective = {"kind": "mrpo", "references": references, **options}
        train = {
            "objective": objective,
            "per_device_train_batch_size": 3,
            "reference_cache": str(tmp_path / "cache"),
            "learning_rate": 1e-2,
        }
        return run_with_pairs(path, tmp_path / "run", train=train)

    run = mrpo_run()
    annotated = annotate(run)
    assert [len(pair.chosen_reference_logps or ()) for pair in annotated] == [2] * 6
    train_stage(run)
    assert run.stage("train").record["num_steps"] == 2
    rows = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert "reference_weight/2" in rows

    held_out = mrpo_run(weights={"kind": "validation", "share": 0.34})
    assert not held_out.stage("annotate").done
    assert len(annotate(held_out)) == 4
    record = held_out.stage("annotate").record
    assert record["left_out"] == {"validation": 2}
    assert len(record["reference_weights"]) == 3

    key = held_out.keys["annotate"]
    save_tiny_model(others[0], "llama", seed=3)
    assert mrpo_run(weights={"kind": "validation", "share": 0.34}).keys["annotate"] != key


def test_two_sets_of_references_are_refused():
    mrpo = {"kind": "mrpo", "references": [{"model_name_or_path": "x"}]}
    terms = [{"objective": mrpo}, {"objective": {"kind": "wpo", "objective": mrpo}}]
    with pytest.raises(ConfigError, match="mrpo once"):
        parse_config(TrainConfig, {"objective": {"kind": "sum", "terms": terms}})


def test_coverage_weights_need_coverage():
    weights = {"kind": "execution", "sources": ["coverage"]}
    data = {"token_weights": weights, "train": {"objective": {"kind": "tis_dpo"}}}
    with pytest.raises(ConfigError, match=r"needs judge\.coverage: true"):
        parse_config(RunConfig, data)
    parse_config(RunConfig, data | {"judge": {"coverage": True}})


def test_weights_that_no_objective_reads_are_refused():
    with pytest.raises(ConfigError, match="would be ignored by dpo"):
        parse_config(RunConfig, {"token_weights": {"kind": "sft"}})
    nested = {"kind": "wpo", "objective": {"kind": "tis_dpo"}}
    parse_config(RunConfig, {"token_weights": {"kind": "sft"}, "train": {"objective": nested}})


@pytest.mark.parametrize(
    "section",
    [
        {"kind": "random", "lower": 1, "upper": 1},
        {"kind": "sft", "transform": {"kind": "exp", "lower": 2}},
        {"kind": "sft", "transform": {"kind": "ranks", "lowest": 1.3, "highest": 0.7}},
    ],
)
def test_bounds_that_leave_no_room_are_refused(section: dict[str, Any]):
    data = {"token_weights": section, "train": {"objective": {"kind": "tis_dpo"}}}
    with pytest.raises(ConfigError, match="must be below"):
        parse_config(RunConfig, data)
