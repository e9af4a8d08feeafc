"""A run file refuses what would be ignored, and says the nearest name."""

from pathlib import Path

import pytest
import yaml

from codealign.config import DPO, SFT, RunConfig, load_run_config, parse_config
from codealign.errors import ConfigError


def refusal(data: dict, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(RunConfig, data, overrides, where="run.yaml")
    assert str(caught.value).startswith(("run.yaml: ", "command line: "))
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "unknown", "nearest"),
    [
        ({"trian": {}}, "trian", "train"),
        ({"train": {"learning_rat": 1}}, "train.learning_rat", "learning_rate"),
        ({"train": {"objective": {"kind": "dpo", "betta": 1}}}, "train.objective.betta", "beta"),
        ({"learning_rate": 1e-5}, "learning_rate", "train.learning_rate"),
        (
            {"sample": {"engine": {"kind": "transformers", "batchsize": 1}}},
            "sample.engine.batchsize",
            "batch_size",
        ),
    ],
)
def test_an_unknown_key_names_the_nearest(data: dict, unknown: str, nearest: str) -> None:
    assert f"unknown key {unknown!r}, did you mean {nearest!r}?" in refusal(data)


def test_an_option_of_another_kind_is_unknown() -> None:
    assert "unknown key 'pairs.strategy.max_ratio'" in refusal(
        {"pairs": {"strategy": {"kind": "random", "max_ratio": 2.0}}}
    )


def test_a_value_out_of_range_names_its_key() -> None:
    assert "train.learning_rate: " in refusal({"train": {"learning_rate": -1}})
    assert "model.lora_dropout: " in refusal({"model": {"use_peft": True, "lora_dropout": 2}})


def test_a_knob_that_would_be_ignored_is_refused_with_both_names() -> None:
    message = refusal({"model": {"lora_r": 8}})
    assert "lora_r" in message
    assert "use_peft" in message


def test_pass_at_k_needs_k_samples() -> None:
    assert "num_samples is 8" in refusal({"eval": {"k": [1, 100]}})
    assert "eval.k: List should have at least 1 item" in refusal({"eval": {"k": []}})


def test_a_choice_that_does_not_exist_names_the_nearest_or_all() -> None:
    assert "train.objective: no kind 'dpoo', did you mean 'dpo'?" in refusal(
        {"train": {"objective": {"kind": "dpoo"}}}
    )
    assert "train.objective: no kind 'zzz', there is dpo, cdpo, robust" in refusal(
        {"train": {"objective": {"kind": "zzz"}}}
    )


def test_a_value_in_the_place_of_a_section_is_told_in_the_users_words() -> None:
    assert "sample: a section with settings is expected, this is 5" in refusal({"sample": 5})


def test_the_blame_is_the_command_lines_where_the_value_came_from_there() -> None:
    assert refusal({"seed": 1}, "seed=x").startswith("command line: seed: ")
    assert refusal({"seed": "x"}, "name=y").startswith("run.yaml: seed: ")


def test_a_file_that_is_no_run_file_gives_a_few_reasons_not_hundreds() -> None:
    message = refusal({f"key {i}": i for i in range(100)})
    assert message.count("unknown key") == 5
    assert "and 95 more" in message


def test_overrides_take_short_names_where_they_are_in_one_section_only() -> None:
    config = parse_config(
        RunConfig, {}, ["learning_rate=1e-5", "objective.beta=0.2", "eval.k=[1]", "seed=3"]
    )
    assert config.train.learning_rate == 1e-5
    assert config.train.objective == DPO(beta=0.2)
    assert config.eval.k == [1]
    assert config.seed == 3


def test_an_ambiguous_short_name_lists_the_full_ones() -> None:
    assert "'engine' is in several sections" in refusal({}, "engine.kind=vllm")
    message = refusal({}, "temperature=0.5")
    assert "sample.temperature=…" in message
    assert "eval.temperature=…" in message


def test_choosing_another_kind_forgets_the_options_of_the_old_one() -> None:
    data = {"train": {"objective": {"kind": "dpo", "beta": 0.5}}}
    assert parse_config(RunConfig, data, ["train.objective.kind=sft"]).train.objective == SFT()


def test_an_override_without_a_sign_is_refused() -> None:
    assert "'seed' is not key=value" in refusal({}, "seed")


def test_a_missing_or_broken_run_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such run file"):
        load_run_config(tmp_path / "run.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("model: [")
    with pytest.raises(ConfigError, match=r"broken\.yaml:1: not YAML: expected the node content"):
        load_run_config(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not text"):
        load_run_config(broken)
    broken.write_text("- a")
    with pytest.raises(ConfigError, match="this is a list"):
        load_run_config(broken)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_run_config(tmp_path)


def test_the_embedded_run_file_and_every_dumped_config_read_back_equal() -> None:
    config = load_run_config(None)
    assert config.model.model_name_or_path == "kata"
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True))
    assert parse_config(RunConfig, yaml.safe_load(text)) == config


def test_a_resolved_config_reads_back_equal() -> None:
    """config.json of a run directory holds every field, the ones left at their default too."""
    config = load_run_config(None)
    assert parse_config(RunConfig, config.model_dump(mode="json")) == config


def test_what_a_chosen_kind_lacks_is_the_command_line_s_fault(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 1\n")
    for given, where in ((path, "command line"), (None, "command line")):
        with pytest.raises(ConfigError) as caught:
            load_run_config(given, ["train.objective.kind=mrpo"])
        assert caught.value.where == where
        assert "train.objective.references" in str(caught.value)
    path.write_text("train: {objective: {kind: mrpo}}\n")
    with pytest.raises(ConfigError) as caught:
        load_run_config(path)
    assert caught.value.where == str(path)
