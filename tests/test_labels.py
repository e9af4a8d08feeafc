"""Labelled completions: desirable or not, each by itself, in any numbers, through the loop as pairs are."""

import json
import math
from pathlib import Path

import pytest
import torch
from model_fixtures import labelled_sides, save_tiny_model, text_pairs

from codealign.batches import (
    EncodedLabelled,
    EncodedPair,
    Outputs,
    batch_labelled,
    batch_pairs,
    mismatches,
)
from codealign.config import (
    BCO,
    DPO,
    KATA_POLICY,
    KTO,
    RFT,
    SFT,
    MinorSFT,
    ModelConfig,
    RunConfig,
    TrainConfig,
    parse_config,
)
from codealign.errors import ConfigError, DataError
from codealign.experience import PairExperience, encode_pairs
from codealign.interop import export_rows
from codealign.labels import encode_labelled
from codealign.objectives import build_objective, kinds_that_read_labels
from codealign.packing import plan
from codealign.policy import Policy, load_policy
from codealign.records import Labelled, Pair, read_rows, write_records
from codealign.training import train

ROWS = labelled_sides(8)
"""Eight prompts: eight desirable completions and six others."""


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model"), "llama"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def load(path: str) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=path))


def config_of(objective, **options) -> TrainConfig:
    """14 rows, 7 a step, 3 epochs: 6 steps."""
    settings = {"learning_rate": 1e-3, "per_device_train_batch_size": 7, "num_train_epochs": 3}
    return TrainConfig(objective=objective, **{**settings, **options})


def losses_of(run_dir: Path) -> list[float]:
    return [row["loss"] for _, row in read_rows(run_dir / "metrics.jsonl") if "loss" in row]


def trained(path: str, run_dir: Path, config: TrainConfig, rows=ROWS, **options):
    return train(load(path), rows, config, run_dir=run_dir, seed=0, **options)


# ------------------------------------------------------------------ batches


def test_a_batch_of_labels_is_a_tree_with_rows_over_it():
    rows = [
        EncodedLabelled((1,), (5, 6), True, 0.5),
        EncodedLabelled((2, 3), (7,), False),
        EncodedLabelled((1,), (5, 6), False),  # the same completion, with the other label
        EncodedLabelled((1,), (5, 6), True),
        EncodedLabelled((1,), (8,), False, 2.0),
    ]
    batch = batch_labelled(rows, mismatched=mismatches(rows))
    assert batch.prompts == ((1,), (2, 3))
    assert batch.labelled_R.tolist() == [0, 1, 0, 0, 2]
    assert batch.labels_R.tolist() == [True, False, False, True, False]
    assert batch.label_weights_R.tolist() == [0.5, 1.0, 1.0, 1.0, 2.0]
    assert batch.weights_N.tolist()[:3] == [1.5, 0.0, 0.0], "desirable rows alone"
    # Under each prompt the first completion of the next; (2, 3) + (5, 6) would be the longest row.
    assert [batch.rows()[n] for n in batch.mismatched_M] == [((1,), (7,))]
    assert batch.num_pairs == 0
    assert [len(x) for x in (batch.chosen_P, batch.rejected_P, batch.pair_weights_P)] == [0, 0, 0]


def test_every_row_comes_once_an_epoch_whoever_takes_it_and_prompts_stay_together(path):
    rows = encode_labelled(load(path), ROWS, None, with_undesirable=True).rows
    config = config_of(KTO())
    seen = []
    for rank in range(2):
        experience = PairExperience(
            rows, config, with_rejected=True, seed=0, rank=rank, num_processes=2
        )
        assert experience.steps_per_epoch == 1
        for batch in experience.batches(0):
            seen += [
                (*batch.rows()[n], label)
                for n, label in zip(batch.labelled_R.tolist(), batch.labels_R.tolist(), strict=True)
            ]
    assert sorted(seen) == sorted((r.prompt_ids, r.completion_ids, r.label) for r in rows)
    (microbatches,) = plan(rows, range(len(rows)), pairs_per_microbatch=7)
    prompts = [{rows[i].prompt_ids for i in members} for members in microbatches]
    assert not prompts[0] & prompts[1]


# ------------------------------------------------------------------ losses


def test_labels_of_both_sides_have_the_loss_of_the_pairs_and_bco_half_of_it():
    pairs = [
        EncodedPair((1,), (2, 3), (4,)),
        EncodedPair((5,), (6,), (7, 8), weight=0.5),
        EncodedPair((5,), (6,), (9,)),
    ]
    rows = [
        EncodedLabelled(pair.prompt_ids, ids, label, pair.weight)
        for pair in pairs
        for ids, label in ((pair.chosen_ids, True), (pair.rejected_ids, False))
    ]
    for section, share in ((KTO(undesirable_weight=1.3), 1.0), (BCO(beta=0.1), 0.5)):
        objective = build_objective(section)
        objective.load_state_dict({"z0": 0.2} if section.kind == "kto" else {"delta": 0.2})
        losses = []
        for batch in (batch_pairs(pairs), batch_labelled(rows)):
            torch.manual_seed(0)
            logps_NT = torch.randn(batch.num_completions, 2, dtype=torch.float64)
            outputs = Outputs(logps_NT, torch.zeros_like(logps_NT), batch.lengths_N)
            losses.append((objective(outputs, batch).sum / objective.count(batch)).item())
        assert losses[1] == pytest.approx(share * losses[0], rel=1e-12)


def test_one_sided_batches_have_their_sides_loss_and_leave_bcos_shift():
    batch = batch_labelled([EncodedLabelled((1,), (2,), True), EncodedLabelled((1,), (3,), True)])
    logps_NT = torch.tensor([[0.4], [0.6]], dtype=torch.float64)
    outputs = Outputs(logps_NT, torch.zeros_like(logps_NT), batch.lengths_N)
    bco = build_objective(BCO(beta=1.0))
    loss = bco(outputs, batch)
    by_hand = -math.log(1 / (1 + math.exp(-0.4))) - math.log(1 / (1 + math.exp(-0.6)))
    assert loss.sum.item() == pytest.approx(by_hand, rel=1e-12)
    assert {name: len(values) for name, values in loss.metrics.items()} == {
        **{f"{name}/chosen": 2 for name in ("rewards", "log_ratio", "logps")},
        **{f"{name}/rejected": 0 for name in ("rewards", "log_ratio", "logps")},
        "delta": 2,
    }
    bco.after_step({"log_ratio/chosen": 0.5})
    assert bco.state_dict() == {"delta": 0.0}
    bco.after_step({"log_ratio/chosen": 0.5, "log_ratio/rejected": -0.1})
    assert bco.state_dict()["delta"] == pytest.approx(0.1 * 0.2)


@pytest.mark.parametrize(
    ("weights", "sides", "said"),
    [
        ((1.0, 1.0), (10, 10), None),
        ((1.0, 1.0), (40, 30), None),
        ((1.0, 1.0), (30, 40), "Set desirable_weight between 1.33 and 1.78"),
        ((1.0, 1.0), (300, 100), "3.00 to 1, the paper asks for 1 to 1.33"),
        ((1.0, 2.5), (300, 100), None),
        ((1.0, 1.0), (5, 0), "with one side alone nothing is told apart"),
    ],
)
def test_kto_remarks_on_a_balance_that_the_paper_does_not_have(weights, sides, said):
    remarks = build_objective(
        KTO(desirable_weight=weights[0], undesirable_weight=weights[1])
    ).remarks(*sides)
    assert said in remarks[0] if said else remarks == []


# ------------------------------------------------------------------ the loop


@pytest.mark.parametrize("section", [KTO(beta=0.5), BCO(beta=0.5)], ids=lambda s: s.kind)
def test_labels_train_and_the_sides_part(path, tmp_path, section, caplog):
    caplog.set_level("INFO")
    result = trained(path, tmp_path / "run", config_of(section, learning_rate=3e-3))
    first = 0.5 if section.kind == "kto" else math.log(2)
    losses = losses_of(tmp_path / "run")
    assert losses[0] == pytest.approx(first, abs=1e-6), "the policy is the reference"
    assert losses[-1] < losses[0]
    assert result.num_pairs == 14
    assert result.metrics["log_ratio/chosen"] > result.metrics["log_ratio/rejected"]
    assert "rewards/margins" not in result.metrics
    assert "weights: desirable 8, undesirable 6" in caplog.text


def test_an_unbalanced_side_is_warned_of_once_though_the_run_is_resumed(path, tmp_path):
    config = config_of(KTO(undesirable_weight=3.0), save_steps=1)
    trained(path, tmp_path / "run", config, should_stop=lambda: True)
    result = trained(path, tmp_path / "run", config)
    assert [text.partition(":")[0] for text in result.warnings] == ["step 0"]
    assert "8 desirable and 6 undesirable" in result.warnings[0]


@pytest.mark.parametrize("section", [KTO(beta=0.5), BCO(beta=0.5)], ids=lambda s: s.kind)
def test_stopped_and_resumed_gives_the_same_losses(path, tmp_path, section):
    config = config_of(section, save_steps=2)
    trained(path, tmp_path / "whole", config)
    asked = iter(range(1, 9))
    trained(path, tmp_path / "halved", config, should_stop=lambda: next(asked) == 3)
    trained(path, tmp_path / "halved", config)
    assert losses_of(tmp_path / "halved") == losses_of(tmp_path / "whole")


@pytest.mark.parametrize("layout", [{"per_device_train_batch_size": 1}, {"max_tokens": 64}])
def test_a_step_may_be_cut_in_any_way(path, tmp_path, layout):
    """Also where what one step measured, KTO's z0 and BCO's shift, decides the next one's loss."""
    cut = {"pairs_per_step": 7, "per_device_train_batch_size": 1}
    if "max_tokens" in layout:
        cut = {"pairs_per_step": 7, "max_tokens_per_microbatch": layout["max_tokens"]}
    for section in (BCO(beta=0.5), KTO(beta=0.5)):
        runs = [tmp_path / f"{section.kind}-{name}" for name in ("one", "cut")]
        for run_dir, options in zip(runs, ({}, cut), strict=True):
            trained(path, run_dir, config_of(section, **options))
        one, other = map(losses_of, runs)
        assert len(one) == 6
        assert other == pytest.approx(one, rel=1e-5)


@pytest.mark.parametrize("section", [SFT(), RFT(), MinorSFT()], ids=lambda s: s.kind)
def test_likelihoods_learn_the_desirable_rows_as_they_do_chosen_sides(path, tmp_path, section):
    # Steps are sorted by length, of a pair by its longer side: one step an epoch has them all.
    options = {"per_device_train_batch_size": 8}
    result = trained(path, tmp_path / "labels", config_of(section, **options))
    assert (result.num_pairs, result.left_out["undesirable"]) == (8, 6)
    trained(path, tmp_path / "pairs", config_of(section, **options), rows=text_pairs(8))
    assert losses_of(tmp_path / "labels") == pytest.approx(losses_of(tmp_path / "pairs"), rel=1e-5)


def test_objectives_of_pairs_refuse_labels_with_the_cure(path, tmp_path):
    assert kinds_that_read_labels() == ["bco", "kto", "sft", "rft", "minor_sft"]
    with pytest.raises(
        ConfigError, match=r"dpo learns from pairs.*\n.*choose one of bco, kto, sft"
    ):
        trained(path, tmp_path / "run", config_of(DPO()))
    with pytest.raises(DataError, match="14 labelled completions together"):
        trained(path, tmp_path / "run", config_of(KTO()), rows=[*ROWS, *text_pairs(2)])


def test_what_does_not_fit_is_left_out_and_what_makes_no_sense_refused(path):
    policy = load(path)
    row = ROWS[0]
    rows = [
        row,
        row.model_copy(update={"completion": "x " * 99}),
        row.model_copy(update={"prompt": ""}),
    ]
    encoded = encode_labelled(policy, rows, 64, with_undesirable=True)
    assert dict(encoded.left_out) == {"too_long": 1, "empty": 1}
    pair = encode_pairs(policy, text_pairs(1), None).pairs[0]
    assert encoded.rows[0][:3] == (pair.prompt_ids, pair.chosen_ids, True), "as in a pair"
    for change in ({"weight": -1.0}, {"prompt_ids": [9], "completion_ids": [10**6]}):
        with pytest.raises(DataError, match="row 0"):
            encode_labelled(policy, [row.model_copy(update=change)], None, with_undesirable=True)
    turned = [row.model_copy(update={"label": False})]
    hashes = {
        encode_labelled(policy, rows, None, with_undesirable=True).hash for rows in ([row], turned)
    }
    assert len(hashes) == 2, "a resumed run must notice"


# ------------------------------------------------------------------ a run


needs_kata = pytest.mark.skipif(
    not (KATA_POLICY / "model.safetensors").is_file(), reason="the packaged kata policy is missing"
)
SMALL = {
    "model": {"model_name_or_path": "kata"},
    "problems": {"num_train": 6},
    "sample": {"num_samples": 4, "max_new_tokens": 64},
    "train": {"objective": {"kind": "kto"}, "per_device_train_batch_size": 4, "max_length": 512},
}


@needs_kata
def test_a_run_learns_from_every_judged_completion(codealign, tmp_path):
    strategy = {"pairs": {"strategy": {"kind": "labelled"}}}
    Path("run.yaml").write_text(json.dumps(SMALL | strategy))
    code, out, err = codealign("run", "run.yaml", "--json")
    assert code == 0, err
    summary = json.loads(out)
    run_dir = Path(summary["run_dir"])
    rows = [
        Labelled.model_validate(row)
        for _, row in read_rows(run_dir / "pairs" / "labelled" / "part-00000.jsonl")
    ]
    verdicts = {
        (row["task_id"], row["sample_index"]): row["passed"]
        for _, row in read_rows(run_dir / "verdicts" / "part-00000.jsonl")
    }
    assert all(
        row.label == verdicts[row.task_id, (row.model_extra or {})["sample_index"]] for row in rows
    )
    assert all(row.completion_ids and row.prompt_ids for row in rows)
    assert (
        summary["pairs"]["num_labelled"] == len(rows) == summary["stages"]["train"]["num_labelled"]
    )
    assert summary["pairs"]["num_desirable"] == sum(row.label for row in rows)
    for words in (("show", run_dir, "labelled"), ("show", run_dir), ("report", run_dir)):
        code, out, err = codealign(*words)
        assert code == 0, err
    code, out, err = codealign("pairs", run_dir, "--export", "kto", "-o", "kto.jsonl", "--json")
    assert json.loads(out)["num_rows"] == len(rows)


@needs_kata
def test_a_file_of_labels_is_trained_on_and_refused_by_objectives_of_pairs(codealign, tmp_path):
    write_records("labels.jsonl", export_rows(ROWS, "kto-conversational"))
    file = {"pairs": {"strategy": {"kind": "file", "path": "labels.jsonl"}}}
    Path("run.yaml").write_text(json.dumps(SMALL | file))
    code, out, err = codealign("run", "run.yaml", "--json")
    assert code == 0, err
    assert json.loads(out)["stages"]["pairs"]["num_labelled"] == 14
    for verb in ("run", "check"):
        code, out, err = codealign(verb, "run.yaml", "train.objective.kind=dpo")
        assert code == 2
        assert "objective dpo learns from pairs" in out + err


def test_the_cap_of_pairs_is_refused_with_labels():
    with pytest.raises(ConfigError, match="max_per_side caps completions"):
        parse_config(
            RunConfig, {"pairs": {"strategy": {"kind": "labelled"}, "max_pairs_per_problem": 2}}
        )


def test_a_side_that_the_length_limit_cut_gets_no_eos_as_a_row_either(path):
    columns = {"rejected_finish_reason": "length", "mine": 1}
    pair = Pair.model_validate(text_pairs(1)[0].to_row() | columns)
    policy = load(path)
    sides = encode_labelled(policy, pair.sides(), None, with_undesirable=True).rows
    both = encode_pairs(policy, [pair], None).pairs[0]
    assert [side.completion_ids for side in sides] == [both.chosen_ids, both.rejected_ids]
    assert sides[1].completion_ids[-1] != policy.eos_id
    assert pair.sides()[0].model_extra == {"mine": 1, "rejected_finish_reason": "length"}
