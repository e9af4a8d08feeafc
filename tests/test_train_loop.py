"""The loop: resumable to the bit, honest about collapse, and it leaves what a user expects."""

import json
import math
from pathlib import Path

import peft
import pytest
import torch
import transformers
from full_disk import files_of_at_most
from model_fixtures import save_tiny_model, text_pairs

from codealign import checkpoint as checkpoint_module
from codealign import loop
from codealign import training as train_module
from codealign.config import (
    DPO,
    SFT,
    Backprop,
    EarlyStopping,
    ModelConfig,
    TrainConfig,
    ZerothOrder,
)
from codealign.errors import ConfigError, DataError, InputError, StorageError
from codealign.experience import PairExperience, encode_pairs
from codealign.loop import TrainResult, learning_rate_at
from codealign.policy import Policy, load_policy
from codealign.records import Pair, read_rows
from codealign.training import train
from codealign.updates import NonFiniteError
from codealign.validation import Evaluation, best_evaluation, is_falling, out_of_patience

PAIRS = text_pairs(20)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model"), "llama"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    """Where another test has filled the reference in other batches, the first log-ratio is not exactly 0."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def load(path: str, **options) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=path, **options))


def make_config(**options) -> TrainConfig:
    """20 pairs, 4 a step, 2 epochs: 10 steps."""
    settings = {
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 4,
        "num_train_epochs": 2,
        "save_steps": 5,
    }
    return TrainConfig(**{**settings, **options})


def run(policy: Policy, run_dir: Path, config: TrainConfig, pairs=PAIRS, **options) -> TrainResult:
    return train(policy, pairs, config, run_dir=run_dir, seed=0, **options)


def rows_of(run_dir: Path) -> list[dict]:
    return [row for _, row in read_rows(run_dir / "metrics.jsonl")]


def losses_of(run_dir: Path) -> list[float]:
    return [row["loss"] for row in rows_of(run_dir) if "loss" in row]


def stop_at(step: int):
    """A `should_stop` that says yes after so many steps of this call."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= step


def weights_of(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for _, p in policy.trainable_parameters()])


# ------------------------------------------------------------------ what it leaves behind


def test_dpo_starts_at_log_two_and_falls(path, tmp_path):
    result = run(load(path), tmp_path, make_config())
    losses = losses_of(tmp_path)
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses[-1] < 0.5
    assert (result.steps, result.finished, result.num_pairs) == (10, True, 20)
    first = rows_of(tmp_path)[0]
    assert first["rewards/margins"] == 0.0
    assert {"step", "epoch", "grad_norm", "learning_rate", "num_tokens"} <= first.keys()


def test_checkpoints_load_in_plain_transformers_and_old_ones_go(path, tmp_path):
    policy = load(path)
    run(policy, tmp_path, make_config(save_steps=3, save_total_limit=2))
    assert sorted(p.name for p in tmp_path.glob("*checkpoint*")) == [
        "checkpoint-10",
        "checkpoint-9",
    ]
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint-10")
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(model(ids).logits, policy.model(ids).logits, rtol=0, atol=0)


def test_an_adapter_trains_and_loads_on_its_untouched_base(path, tmp_path):
    policy = load(path, use_peft=True)
    before = policy.reference_hash()
    run(policy, tmp_path, make_config(learning_rate=1e-2))
    assert policy.reference_hash() == before
    assert losses_of(tmp_path)[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses_of(tmp_path)[-1] < 0.5
    config = peft.PeftConfig.from_pretrained(tmp_path / "checkpoint-10")
    assert config.base_model_name_or_path == path


def test_logged_rows_are_means_over_their_steps(path, tmp_path):
    run(load(path), tmp_path / "each", make_config())
    run(load(path), tmp_path / "fours", make_config(logging_steps=4))
    each = losses_of(tmp_path / "each")
    rows = rows_of(tmp_path / "fours")
    # Steps 1-4, 5-8, and the last two: 10 is the end.
    assert [row["step"] for row in rows] == [4, 8, 10]
    wanted = [sum(each[:4]) / 4, sum(each[4:8]) / 4, sum(each[8:]) / 2]
    assert [row["loss"] for row in rows] == pytest.approx(wanted, rel=1e-12)


# ------------------------------------------------------------------ resuming


@pytest.mark.parametrize(
    ("objective", "update", "options"),
    [
        (DPO(), Backprop(), {}),
        (SFT(), Backprop(), {}),
        (DPO(), ZerothOrder(), {}),
        (DPO(), Backprop(), {"use_peft": True, "lora_dropout": 0.1}),
        (DPO(), Backprop(), {"dtype": "bfloat16"}),
        (DPO(), Backprop(ema_decay=0.8), {"dtype": "bfloat16"}),
        (DPO(), ZerothOrder(ema_decay=0.8), {}),
        (DPO(), Backprop(optim="adamw_bnb_8bit"), {}),
    ],
    ids=["dpo", "sft", "zeroth_order", "lora_dropout", "bfloat16", "ema", "zo_ema", "8bit"],
)
def test_stopped_at_five_and_resumed_gives_the_same_losses_and_weights(
    path, tmp_path, objective, update, options
):
    config = make_config(objective=objective, update=update, logging_steps=2)
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    unbroken = load(path, **options)
    run(unbroken, whole, config)
    half = run(load(path, **options), halved, config, should_stop=stop_at(5))
    assert (half.finished, half.steps) == (False, 5)
    resumed = load(path, **options)
    result = run(resumed, halved, config)
    assert (result.finished, result.steps) == (True, 10)
    assert rows_of(halved) == rows_of(whole)
    if getattr(update, "ema_decay", None):
        again = load(path, **options)
        run(again, halved, config)  # finished: what it gives is the average once more
        assert torch.equal(weights_of(again), weights_of(resumed))
    for (name, one), (_, other) in zip(
        unbroken.trainable_parameters(), resumed.trainable_parameters(), strict=True
    ):
        assert torch.equal(one, other), name


def test_the_average_is_what_is_evaluated_and_what_remains(path, tmp_path):
    """With a decay near 1 the average stays at the first weights, however far the weights go."""
    first = weights_of(load(path))
    seen: list[torch.Tensor] = []

    def evaluate(policy: Policy) -> float:
        seen.append(weights_of(policy))
        return 0.5

    far, policy = load(path), load(path)
    run(far, tmp_path / "far", make_config())
    config = make_config(update=Backprop(ema_decay=1 - 1e-9), eval_steps=5)
    run(policy, tmp_path / "near", config, evaluate=evaluate)
    assert (weights_of(far) - first).abs().max() > 1e-3
    for each in [*seen, weights_of(policy)]:
        torch.testing.assert_close(each, first, rtol=0, atol=1e-6)
    assert losses_of(tmp_path / "near") == losses_of(tmp_path / "far")
    saved = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "near" / "checkpoint-10")
    assert (torch.cat([p.flatten() for p in saved.parameters()]) - first).abs().max() > 1e-3


def test_rows_after_the_checkpoint_are_not_there_twice(path, tmp_path):
    """Killed at step 7, two steps after the checkpoint: rows 6 and 7 are written anew."""
    config = make_config()
    run(load(path), tmp_path / "whole", config)

    def killed(report) -> None:
        if report.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(load(path), tmp_path / "killed", config, on_step=killed)
    assert len(losses_of(tmp_path / "killed")) == 7
    with (tmp_path / "killed" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "lo')  # the torn line of a killed writer
    run(load(path), tmp_path / "killed", config)
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")


def test_a_full_disk_is_a_storage_error_for_weights_and_for_the_updates_state(path, tmp_path):
    """safetensors and torch.save have errors of their own for it, neither an OSError."""
    policy = load(path)
    with files_of_at_most(1000), pytest.raises(StorageError, match="could not write the model"):
        policy.save(tmp_path / "model")
    with files_of_at_most(1000), pytest.raises(StorageError, match="could not write a checkpoint"):
        checkpoint_module.write_state(tmp_path, {"moments": torch.zeros(10_000)}, {})


def test_a_half_written_checkpoint_is_not_there(path, tmp_path, monkeypatch):
    def full_disk(*_args) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_state", full_disk)
        with pytest.raises(KeyboardInterrupt):
            run(load(path), tmp_path, make_config())
    assert not list(tmp_path.glob("checkpoint-*"))
    assert run(load(path), tmp_path, make_config()).finished
    assert not list(tmp_path.glob(".checkpoint-*"))


def test_a_half_deleted_checkpoint_is_not_there(path, tmp_path, monkeypatch):
    """The third checkpoint pushes out the first; the run is killed while its files are deleted."""
    config = make_config(save_steps=3, save_total_limit=2)

    def killed(directory, **_options) -> None:
        next(directory.glob("*.safetensors")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            run(load(path), tmp_path, config)
    assert sorted(p.name for p in tmp_path.glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-9"]
    assert run(load(path), tmp_path, config).finished
    assert not list(tmp_path.glob(".checkpoint-*"))


def test_a_finished_run_is_not_trained_again(path, tmp_path):
    first = run(load(path), tmp_path, make_config(), evaluate=lambda _: 0.5)
    rows = rows_of(tmp_path)
    again = run(load(path), tmp_path, make_config(), evaluate=pytest.fail)
    assert rows_of(tmp_path) == rows
    assert again._replace(seconds=0) == first._replace(seconds=0)


@pytest.mark.parametrize("change", ["rate", "pairs", "weights"])
def test_a_checkpoint_of_other_settings_is_refused(path, tmp_path, change):
    run(load(path), tmp_path, make_config(), should_stop=stop_at(5))
    policy, config, pairs = load(path), make_config(), PAIRS
    if change == "rate":
        config = make_config(learning_rate=2e-3)
    elif change == "pairs":
        pairs = PAIRS[1:]
    else:
        with torch.no_grad():
            policy.trainable_parameters()[0][1].add_(1.0)
    with pytest.raises(InputError, match="other settings, pairs or first weights"):
        run(policy, tmp_path, config, pairs)


# ------------------------------------------------------------------ warnings, evaluation, stopping


def test_collapse_is_said_once_in_log_metrics_and_result(path, tmp_path, caplog):
    """A learning rate far too high: the log-ratio of the chosen side falls through the floor."""
    result = run(load(path), tmp_path, make_config(learning_rate=3.0))
    rows = rows_of(tmp_path)
    fallen = [row["step"] for row in rows if row.get("log_ratio/chosen", 0) < -10]
    warned = [row for row in rows if "warning" in row]
    assert len(fallen) > 1
    assert warned[0]["step"] == fallen[0]
    assert "collapse" in warned[0]["warning"]
    assert any("collapse" in text for text in result.warnings)
    assert "collapse" in caplog.text


def test_early_stopping_goes_back_to_the_best_weights(path, tmp_path):
    # Scores at steps 0, 2, 4, 6, 8: best at 4, then two evaluations without a better one.
    scores = iter([0.5, 0.6, 0.8, 0.7, 0.75])
    at_step_four: list[torch.Tensor] = []
    policy = load(path)

    def remember(report) -> None:
        if report.step == 4:
            at_step_four.extend(p.detach().clone() for _, p in policy.trainable_parameters())

    config = make_config(eval_steps=2, early_stopping=EarlyStopping(patience=2))
    result = run(policy, tmp_path, config, evaluate=lambda _: next(scores), on_step=remember)
    assert (result.steps, result.best_step, result.finished) == (8, 4, True)
    for (_, parameter), best in zip(policy.trainable_parameters(), at_step_four, strict=True):
        assert torch.equal(parameter, best)
    evaluations = [(r["step"], r["eval_pass@1"]) for r in rows_of(tmp_path) if "eval_pass@1" in r]
    assert evaluations == [(0, 0.5), (2, 0.6), (4, 0.8), (6, 0.7), (8, 0.75)]
    again = load(path)
    assert run(again, tmp_path, config, evaluate=pytest.fail).best_step == 4
    assert torch.equal(again.trainable_parameters()[0][1], at_step_four[0])


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_that_gains_nothing_says_once_that_the_result_is_the_policy_before_it(
    path, tmp_path, killed
):
    """Scores 0.5 before, 0.4 at step 2 and 0.3 at step 4, where patience ends."""
    config = make_config(eval_steps=2, early_stopping=EarlyStopping(patience=2))
    scores = iter([0.5, 0.4, 0.3])
    policy = load(path)
    result = run(policy, tmp_path, config, evaluate=lambda _: next(scores))
    if killed:  # after training, before the caller kept the result
        policy = load(path)
        result = run(policy, tmp_path, config, evaluate=pytest.fail)
    assert (result.best_step, result.steps) == (0, 4)
    for (_, parameter), (_, first) in zip(
        policy.trainable_parameters(), load(path).trainable_parameters(), strict=True
    ):
        assert torch.equal(parameter, first)
    said = [text for text in result.warnings if "before training" in text]
    logged = [row for row in rows_of(tmp_path) if "before training" in row.get("warning", "")]
    assert (len(said), len(logged)) == (1, 1)


def test_the_last_weights_are_evaluated_even_between_evaluations(path, tmp_path):
    scores = iter([0.5, 0.4, 0.45])
    result = run(load(path), tmp_path, make_config(eval_steps=7), evaluate=lambda _: next(scores))
    evaluated = [row["step"] for row in rows_of(tmp_path) if "eval_pass@1" in row]
    assert evaluated == [0, 7, 10]
    assert len([text for text in result.warnings if "falling" in text]) == 2


def test_early_stopping_without_validation_is_refused(path, tmp_path):
    with pytest.raises(ConfigError, match="eval_steps"):
        run(load(path), tmp_path, make_config(early_stopping=EarlyStopping()))


def test_dropout_is_refused_where_two_losses_are_compared(path, tmp_path):
    policy = load(path, use_peft=True, lora_dropout=0.1)
    with pytest.raises(ConfigError, match="dropout would differ"):
        run(policy, tmp_path, make_config(update=ZerothOrder()))


def test_a_missing_tracker_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "get_available_trackers", list)
    with pytest.raises(ConfigError, match="wandb is not installed"):
        run(load(path), tmp_path, make_config(report_to=["wandb"]))


def test_a_loss_that_is_not_a_number_stops_with_the_batch_saved(path, tmp_path):
    policy = load(path, use_peft=True)
    with torch.no_grad():
        policy.trainable_parameters()[0][1].fill_(math.nan)
    with pytest.raises(NonFiniteError, match="step 0: loss nan"):
        run(policy, tmp_path, make_config())
    saved = json.loads((tmp_path / "non_finite_step-0.json").read_text())
    assert len(saved[0]["chosen_P"]) == 4


# ------------------------------------------------------------------ schedule and scores


def test_learning_rates_warm_up_and_end_near_zero():
    config = make_config(learning_rate=1.0, warmup_ratio=0.2)
    rates = [learning_rate_at(step, 10, config) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    cosine = make_config(learning_rate=1.0, warmup_ratio=0.0, lr_scheduler_type="cosine")
    assert learning_rate_at(5, 10, cosine) == pytest.approx(0.5)
    constant = make_config(learning_rate=1.0, warmup_ratio=0.0, lr_scheduler_type="constant")
    assert {learning_rate_at(step, 10, constant) for step in range(10)} == {1.0}


def evaluations(*scores: float) -> list[Evaluation]:
    return [Evaluation(step, score) for step, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "falling"),
    [
        ((0.5,), False),
        ((0.5, 0.6, 0.55), False),  # one step back is noise
        ((0.5, 0.49), True),  # below the start
        ((0.5, 0.7, 0.65, 0.6), True),  # twice running
    ],
)
def test_when_a_score_counts_as_falling(scores, falling):
    assert is_falling(evaluations(*scores)) is falling


def test_patience_counts_evaluations_without_a_better_score():
    stopping = EarlyStopping(patience=2, min_delta=0.05)
    assert not out_of_patience(evaluations(0.5, 0.6, 0.64), stopping)
    assert out_of_patience(evaluations(0.5, 0.6, 0.64, 0.65), stopping)
    assert best_evaluation(evaluations(0.5, 0.6, 0.6)) == Evaluation(1, 0.6)


# ------------------------------------------------------------------ experience


@pytest.mark.parametrize("num_processes", [1, 3])
def test_every_pair_comes_once_an_epoch_whoever_takes_it(path, num_processes):
    encoded = encode_pairs(load(path), text_pairs(23), None).pairs
    config = make_config(per_device_train_batch_size=2, gradient_accumulation_steps=2)
    ranks = [
        PairExperience(
            encoded, config, with_rejected=True, seed=0, rank=rank, num_processes=num_processes
        )
        for rank in range(num_processes)
    ]
    steps_per_epoch = ranks[0].steps_per_epoch
    for epoch in range(2):
        seen = [
            batch.completions[index]
            for rank in ranks
            for step in range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)
            for batch in rank.batches(step)
            for index in batch.chosen_P.tolist()
        ]
        assert sorted(seen) == sorted(pair.chosen_ids for pair in encoded)
    assert ranks[0].num_steps == 2 * math.ceil(23 / (4 * num_processes))


def test_the_order_depends_on_seed_and_epoch_only(path):
    encoded = encode_pairs(load(path), text_pairs(40), None).pairs

    def order(seed: int, step: int):
        experience = PairExperience(encoded, make_config(), with_rejected=True, seed=seed)
        return [batch.completions for batch in experience.batches(step)]

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(1, 3)
    assert order(0, 3) != order(0, 13), "the second epoch has its own order"


def test_sampled_ids_are_never_tokenised_again(path):
    policy = load(path)
    # These ids decode to the text below but no tokenizer would write them like this; no EOS: cut off.
    letters = [policy.tokenizer.convert_tokens_to_ids(letter) for letter in "return"]
    pair = Pair(
        prompt="def f():",
        chosen="return",
        rejected="pass",
        prompt_ids=[7, 8],
        chosen_ids=letters,
        rejected_ids=[9, 0],
    )
    assert policy.tokenizer("return")["input_ids"] != letters
    encoded = encode_pairs(policy, [pair], None).pairs[0]
    assert encoded[:4] == ((7, 8), tuple(letters), (9, 0), 1.0)


def test_what_does_not_fit_is_left_out_and_counted(path):
    policy = load(path)
    pair = text_pairs(1)[0]
    long = pair.model_copy(update={"chosen": "x = 1\n" * 100})
    same = pair.model_copy(update={"rejected": pair.chosen})
    empty = pair.model_copy(update={"prompt_ids": [1], "chosen_ids": [], "rejected_ids": [2]})
    encoded = encode_pairs(policy, [pair, long, same, empty], max_length=64)
    assert dict(encoded.left_out) == {"too_long": 1, "identical": 1, "empty": 1}
    assert len(encoded.pairs) == 1
    # Without max_length the model's own window of 256 positions still counts.
    assert encode_pairs(policy, [long], None).left_out["too_long"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt_ids": [1], "chosen_ids": [999], "rejected_ids": [2]}, "token id 999"),
        ({"weight": -1.0}, "weight -1.0"),
    ],
)
def test_pairs_that_make_no_sense_are_errors(path, change, said):
    with pytest.raises(DataError, match=said):
        encode_pairs(load(path), [text_pairs(1)[0].model_copy(update=change)], None)


def test_no_pair_left_says_why(path, tmp_path):
    with pytest.raises(DataError, match="20 too_long"):
        run(load(path), tmp_path, make_config(max_length=4))
