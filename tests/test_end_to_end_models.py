"""`codealign run` as users use it: their model, their problems, their way of training.

The model that can solve something is the packaged kata policy, copied to a directory as a user's own.
Random ones stand for architectures. Runs are made in this process, so any warning is an error.
"""

import json
import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import peft
import pytest
import torch
from model_fixtures import save_tiny_model
from safetensors.torch import load_file
from transformers import AutoTokenizer

from codealign.batches import EncodedPair, batch_pairs
from codealign.cli import main
from codealign.config import KATA_POLICY, ModelConfig, RunConfig
from codealign.pipeline import weights_fingerprint
from codealign.policy import Policy, load_policy
from codealign.records import read_rows

needs_kata = pytest.mark.skipif(
    not (KATA_POLICY / "model.safetensors").is_file(), reason="the packaged kata policy is missing"
)
DATA = os.environ.get("CODEALIGN_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="CODEALIGN_DATA is not set")

SMALL = [
    "problems.num_train=16",
    "problems.num_validation=4",
    "problems.num_heldout=4",
    "sample.num_samples=6",
    "train.per_device_train_batch_size=4",
    "train.eval_steps=null",
    "eval.num_samples=2",
    "eval.k=[1,2]",
]
# The policy was trained on bare problems: this much around them it still understands.
CHAT_TEMPLATE = "{% for message in messages %}{{ '\\n' + message.content }}{% endfor %}"


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def codealign(capsys: pytest.CaptureFixture[str]):
    """The command line, in this process."""

    def call(*words: object) -> Ended:
        capsys.readouterr()
        try:
            main([str(word) for word in words])
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            logging.getLogger("codealign").setLevel(logging.NOTSET)
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own model, in a directory."""
    return Path(shutil.copytree(KATA_POLICY, tmp_path_factory.mktemp("model") / "mine"))


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template."""
    path = Path(shutil.copytree(KATA_POLICY, tmp_path_factory.mktemp("model") / "chat"))
    tokenizer = AutoTokenizer.from_pretrained(path)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def sampled_once(tmp_path_factory: pytest.TempPathFactory, local_model: Path) -> Path:
    """A run of the local model that has its pairs; to be copied, not changed."""
    run_dir = tmp_path_factory.mktemp("runs") / "sampled"
    for verb in ("sample", "judge", "pairs"):
        main([verb, f"run_dir={run_dir}", f"model_name_or_path={local_model}", *SMALL, "-q"])
    return run_dir


@pytest.fixture
def sampled(sampled_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sampled_once, tmp_path / "run"))


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(path)]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


# ------------------------------------------------------------------ how users train


@pytest.mark.slow
@needs_kata
@pytest.mark.parametrize(
    "settings",
    [
        ["train.objective.kind=sft"],
        ["train.update.kind=zeroth_order", "learning_rate=1e-6"],
        ["train.report_to=[]", "train.gradient_accumulation_steps=2", "num_train_epochs=2"],
    ],
    ids=["sft", "zeroth_order", "accumulation_and_epochs"],
)
def test_every_way_of_training_ends_with_weights_that_moved(
    codealign, sampled: Path, local_model: Path, settings: list[str]
) -> None:
    result = codealign("train", sampled, *settings, "--json").result
    assert result["num_steps"] > 0
    assert result["num_pairs"] == len(rows(sampled / "pairs" / "part-00000.jsonl"))
    before, after = weights(local_model), weights(sampled / "model")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
@needs_kata
@pytest.mark.parametrize(
    "settings",
    [
        ["pairs.strategy.kind=nearest"],
        ["pairs.strategy.kind=length_matched"],
        ["pairs.strategy.kind=all", "pairs.max_pairs_per_problem=5"],
        ["pairs.strategy.kind=pass_rate", "pairs.strategy.min_margin=0.2"],
    ],
    ids=["nearest", "length_matched", "all", "pass_rate"],
)
def test_every_strategy_of_pairs_gives_pairs_that_train(
    codealign, sampled: Path, settings: list[str]
) -> None:
    made = codealign("pairs", sampled, *settings, "--json").result
    trained = codealign("train", sampled, *settings, "--json").result
    assert made["num_pairs"] == trained["num_pairs"] > 0
    assert (trained["left_out"], trained["warnings"]) == ({}, [])
    assert rows(sampled / "metrics.jsonl")[0]["loss"] == pytest.approx(0.6931, abs=1e-4)


@needs_kata
def test_a_chat_model_with_an_adapter_in_bfloat16_and_gradient_checkpointing(
    codealign, chat_model: Path, tmp_path: Path
) -> None:
    """All of it at once: template in every prompt, the adapter loads in PEFT, eval is of its merge."""
    run_dir = tmp_path / "run"
    words = [f"run_dir={run_dir}", f"model_name_or_path={chat_model}", *SMALL, "extract=chat"]
    words += ["use_peft=true", "dtype=bfloat16", "gradient_checkpointing=true"]
    summary = codealign("run", *words, "learning_rate=1e-3", "--json").result
    tokenizer = AutoTokenizer.from_pretrained(chat_model)
    for row in rows(run_dir / "completions" / "part-00000.jsonl"):
        assert tokenizer.decode(row["prompt_ids"]).startswith("\ndef ")
    assert summary["base"]["pass@2"] > 0
    assert summary["aligned"]["pass@2"] > 0
    # Policy and reference are one model with the adapter on or off: the first log-ratio is exactly 0.
    assert rows(run_dir / "metrics.jsonl")[0]["log_ratio/chosen"] == 0.0
    assert_adapter_loads_alike(run_dir / "model", chat_model)


def assert_adapter_loads_alike(adapter: Path, base: Path) -> None:
    """PEFT on its base, and our merge of the two, give the same log-probs, which the base does not."""
    batch = batch_pairs([EncodedPair((317, 401, 64), (259, 321, 296), (15, 279, 0))])
    merged = load_policy(ModelConfig(model_name_or_path=str(adapter), dtype="float32"))
    plain = load_policy(ModelConfig(model_name_or_path=str(base), dtype="float32"))
    ours, before = merged.token_logps(batch), plain.token_logps(batch)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "`is_gradient_checkpointing` is deprecated"
        )  # peft 0.21's
        adapted = peft.AutoPeftModelForCausalLM.from_pretrained(adapter, dtype=torch.float32)
    theirs = Policy(adapted.eval(), merged.tokenizer, merged.config).token_logps(batch)
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)
    assert (ours - before).abs().max() > 1e-3


@needs_kata
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ["dtype=bfloat16"],
        ["gradient_checkpointing=true"],
        ["use_peft=true"],
        ["use_peft=true", "lora_dropout=0.1", "lora_r=4", "lora_target_modules=[q_proj, v_proj]"],
        ["use_peft=true", "train.update.kind=zeroth_order", "learning_rate=1e-6"],
        ["dtype=bfloat16", "train.update.kind=zeroth_order", "learning_rate=1e-6"],
    ],
    ids=lambda settings: " ".join(settings),
)
def test_every_option_of_the_model_goes_through_the_whole_loop(
    codealign, local_model: Path, tmp_path: Path, settings: list[str]
) -> None:
    words = [f"run_dir={tmp_path / 'run'}", f"model_name_or_path={local_model}", *SMALL, *settings]
    summary = codealign("run", *words, "--json").result
    assert summary["base"]["pass@2"] > 0
    assert summary["aligned"]["pass@2"] > 0
    load_policy(ModelConfig(model_name_or_path=str(tmp_path / "run" / "model")))


# ------------------------------------------------------------------ collapse and early stopping


@pytest.mark.slow
@needs_kata
def test_a_learning_rate_far_too_high_is_said_everywhere_and_early_stopping_keeps_the_best(
    codealign, sampled: Path, local_model: Path
) -> None:
    """100 times the default: the chosen programs themselves become unlikely within a few steps."""
    settings = ["learning_rate=1e-2", "train.per_device_train_batch_size=2", "train.eval_steps=2"]
    stopping = "train.early_stopping.patience=3"
    summary = codealign("run", sampled, *settings, stopping, "--json").result
    said = [
        " ".join(summary["warnings"]),
        (sampled / "run.log").read_text(),
        (sampled / "report.html").read_text(),
        " ".join(row.get("warning", "") for row in rows(sampled / "metrics.jsonl")),
    ]
    for place in said:
        assert "collapse: the mean chosen log-ratio is" in place
        assert "validation pass@1 is falling" in place
        assert "the policy before training" in place
    ratios = [row["log_ratio/chosen"] for row in rows(sampled / "metrics.jsonl") if "loss" in row]
    assert ratios[0] == 0.0
    assert min(ratios) < -10
    before, after = weights(local_model), weights(sampled / "model")
    assert all(torch.equal(before[name].float(), after[name].float()) for name in before)
    assert summary["gain"]["greedy_pass@1"]["value"] == 0.0


# ------------------------------------------------------------------ other architectures


@pytest.mark.parametrize("architecture", ["qwen2", "gpt2"])
def test_a_model_that_solves_nothing_ends_at_the_pairs_with_everything_kept(
    codealign, tmp_path: Path, architecture: str
) -> None:
    model = save_tiny_model(tmp_path / "model", architecture)
    words = [f"run_dir={tmp_path / 'run'}", f"model_name_or_path={model}", *SMALL]
    words += ["sample.max_new_tokens=20", "problems.num_train=6", "sample.num_samples=4"]
    for _ in range(2):  # the second time nothing is left to sample, and the answer is the same
        ended = codealign("run", *words, "--json")
        assert (ended.code, ended.out) == (2, "")
        assert "no problem gave a pair (6 all_fail)" in ended.err
        assert "sample more completions" in ended.err
    assert len(rows(tmp_path / "run" / "completions" / "part-00000.jsonl")) == 24
    assert len(rows(tmp_path / "run" / "verdicts" / "part-00000.jsonl")) == 24
    assert len(rows(tmp_path / "run" / "pairs" / "reasons.jsonl")) == 6
    assert not (tmp_path / "run" / "eval").exists()


def test_a_model_is_evaluated_and_a_prompt_that_fills_it_counts_as_failed(
    codealign, tmp_path: Path
) -> None:
    """256 positions: the prompts of some kata problems are longer in this small tokenizer."""
    model = save_tiny_model(tmp_path / "model", "gpt2")
    words = ["--problems", "kata:heldout", "--limit", "4", "--model", model, "-k", "1,2"]
    words += ["eval.max_new_tokens=16", "-o", tmp_path / "verdicts.jsonl"]
    result = codealign("eval", *words, "--json").result
    assert (result["num_problems"], result["num_samples"]) == (4, 32)
    assert result["pass@k"]["1"]["value"] == result["greedy_pass@1"]["value"] == 0.0
    empty = [row for row in rows(tmp_path / "verdicts.jsonl") if row["completion_ids"] == []]
    assert empty
    assert {row["finish_reason"] for row in empty} == {"length"}


# ------------------------------------------------------------------ users' own problems


@needs_kata
def test_problems_of_ones_own_from_files(codealign, local_model: Path, tmp_path: Path) -> None:
    train, heldout = tmp_path / "train.jsonl", tmp_path / "heldout.jsonl"
    codealign("kata", "problems", "train", "-n", 12, "-o", train)
    codealign("kata", "problems", "heldout", "-n", 4, "-o", heldout)
    words = [f"run_dir={tmp_path / 'run'}", f"model_name_or_path={local_model}", *SMALL]
    words += [f"problems.train={train}", f"problems.heldout={heldout}"]
    words += ["problems.validation=null", "problems.num_train=null", "problems.num_heldout=null"]
    findings = codealign("check", *words, "--json").result["findings"]
    levels = {finding["name"]: finding["level"] for finding in findings}
    assert "error" not in levels.values()
    assert levels["references"] == levels["settings"] == levels["room to sample"] == "ok"
    summary = codealign("run", *words, "--json").result
    assert summary["gain"]["greedy_pass@1"]["num_problems"] == 4
    assert summary["base"]["pass@2"] > 0


@needs_kata
@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("source", ["humaneval", "mbpp"])
def test_a_public_benchmark_as_the_proof(
    codealign, sampled: Path, local_model: Path, source: str
) -> None:
    words = [f"problems.heldout={source}", "problems.num_heldout=6", "eval.max_new_tokens=40"]
    summary = codealign("run", sampled, *words, "--json").result
    assert summary["gain"]["pass@1"]["num_problems"] == 6
    ends = ["--limit", "6", "-k", "1", "eval.max_new_tokens=40", "--json"]
    alone = codealign("eval", "--problems", source, "--model", local_model, *ends).result
    assert alone["greedy_pass@1"]["value"] == summary["base"]["greedy_pass@1"]


# ------------------------------------------------------------------ before hours are spent


@needs_kata
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["train.early_stopping.patience=2"], "early_stopping needs validation scores"),
        (["train.report_to=[wandb]"], "wandb is not installed"),
        (
            ["train.update.kind=zeroth_order", "use_peft=true", "lora_dropout=0.1"],
            "dropout would differ",
        ),
    ],
)
def test_what_training_would_refuse_is_refused_before_the_first_sample(
    codealign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], said: str
) -> None:
    monkeypatch.setattr("codealign.training.get_available_trackers", list)
    ended = codealign("run", f"run_dir={tmp_path / 'run'}", *SMALL, *settings)
    assert ended.code == 2
    assert said in ended.err
    assert not (tmp_path / "run" / "completions").exists()
    findings = codealign("check", f"run_dir={tmp_path / 'run'}", *SMALL, *settings, "--json")
    assert findings.code == 2
    levels = {item["name"]: item["level"] for item in json.loads(findings.out)["findings"]}
    assert levels["settings"] == "error"


@pytest.mark.parametrize(
    "changed", ["model.safetensors", "tokenizer.json", "chat_template.jinja", "modeling.py"]
)
def test_a_changed_model_directory_is_another_model(tmp_path: Path, changed: str) -> None:
    """So that completions of the old one are not taken for those of the new."""
    model = save_tiny_model(tmp_path / "model")
    config = RunConfig(model=ModelConfig(model_name_or_path=str(model)))
    before = weights_fingerprint(config)
    assert weights_fingerprint(config) == before
    with (model / changed).open("ab") as file:
        file.write(b" ")
    assert weights_fingerprint(config) != before


def test_a_changed_base_makes_its_adapter_another_model(tmp_path: Path) -> None:
    base = save_tiny_model(tmp_path / "base")
    load_policy(ModelConfig(model_name_or_path=str(base), use_peft=True)).save(tmp_path / "adapter")
    config = RunConfig(model=ModelConfig(model_name_or_path=str(tmp_path / "adapter")))
    before = weights_fingerprint(config)
    with (base / "model.safetensors").open("ab") as file:
        file.write(b" ")
    assert weights_fingerprint(config) != before
