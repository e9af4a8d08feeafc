"""A run on preference data made elsewhere: no sampling, no judging for training, the same proof at the end."""

import json
from pathlib import Path

import pytest

from codealign.config import KATA_POLICY, RunConfig, load_run_config, parse_config
from codealign.errors import ConfigError, DataError
from codealign.interop import export_rows
from codealign.pipeline import Run, plan
from codealign.problems import load_problems
from codealign.progress import Progress
from codealign.records import Pair, write_records
from codealign.rundir import RunDir, Shards

pytestmark = pytest.mark.skipif(
    not (KATA_POLICY / "model.safetensors").is_file(), reason="the packaged kata policy is missing"
)
STAGES = ["pairs", "eval/base", "train", "eval/aligned"]
SETTINGS = {
    "model": {"model_name_or_path": "kata"},
    "problems": {"heldout": "kata:heldout", "num_heldout": 3},
    "train": {"per_device_train_batch_size": 2, "max_length": 512},
    "eval": {"num_samples": 1, "k": [1], "max_new_tokens": 16},
}


def some_pairs(num: int = 4) -> list[Pair]:
    problems = load_problems("kata:train", limit=num).problems
    return [
        Pair(prompt=p.prompt, chosen=str(p.canonical_solution), rejected="    return 7\n")
        for p in problems
    ]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run_file(place: Path, **strategy: object) -> Path:
    data = SETTINGS | {"pairs": {"strategy": {"kind": "file", **strategy}}}
    place.write_text(json.dumps(data))  # JSON is YAML
    return place


def opened(strategy: dict, run_dir: Path, **sections: object) -> Run:
    data = SETTINGS | sections | {"pairs": {"strategy": {"kind": "file", **strategy}}}
    return Run(parse_config(RunConfig, data), RunDir(run_dir), Progress(quiet=True))


def test_a_run_on_a_file_has_its_own_stages_and_the_same_proof(codealign, tmp_path: Path) -> None:
    rows = [*export_rows(some_pairs(), "llama-factory"), {"instruction": 3}]
    write_records(tmp_path / "prefs.jsonl", [*rows, {**rows[0], "rejected": rows[0]["chosen"]}])
    yaml = run_file(tmp_path / "run.yaml", path="prefs.jsonl")

    code, out, err = codealign("run", yaml, "--dry-run", "--json")
    assert code == 0, err
    assert [row["stage"] for row in json.loads(out)["stages"]] == STAGES
    code, out, err = codealign("run", yaml, "--json")
    assert code == 0, err
    assert "prefs.jsonl:5: instruction: a text is needed" in err
    summary = json.loads(out)
    assert list(summary["stages"]) == STAGES
    assert summary["pairs"]["num_pairs"] == 4
    assert summary["stages"]["pairs"]["left_out"] == {"unreadable": 1, "identical_sides": 1}
    assert summary["stages"]["train"]["num_pairs"] == 4
    assert set(summary["gain"]) == {"greedy_pass@1", "pass@1"}
    assert summary["isolation"] in ("S3", "S2", "S1", "S0")
    run_dir = Path(summary["run_dir"])
    assert [p.prompt for p in Shards(run_dir / "pairs").read(Pair)] == [
        p.prompt for p in some_pairs()
    ]
    report = (run_dir / "report.html").read_text()
    assert "file (path prefs.jsonl, format auto)" in report
    assert "Training problems" not in report
    assert "at most 1 a problem" not in report

    code, out, err = codealign("run", yaml, "--json")
    assert "every stage is done" in err
    for words in (("show", run_dir, "pairs"), ("report", run_dir), ("show", run_dir)):
        code, out, err = codealign(*words)
        assert code == 0, err
    code, out, err = codealign("pairs", yaml, "--export", "trl", "-o", "back.jsonl", "--json")
    assert json.loads(out)["num_rows"] == 4
    assert [
        row["chosen"] for row in map(json.loads, Path("back.jsonl").read_text().splitlines())
    ] == [pair.chosen for pair in some_pairs()]


@pytest.mark.parametrize("words", [("sample",), ("judge",), ("sample", "--dry-run")])
def test_a_stage_that_the_run_does_not_have_is_refused(codealign, tmp_path: Path, words) -> None:
    write_records(tmp_path / "prefs.jsonl", some_pairs())
    code, _, err = codealign(*words, run_file(tmp_path / "run.yaml", path="prefs.jsonl"))
    assert code == 2
    assert f"this run has no stage '{words[0]}': its pairs come from a file" in err


def test_check_looks_at_the_file(codealign, tmp_path: Path) -> None:
    write_records(tmp_path / "prefs.jsonl", some_pairs())
    yaml = run_file(tmp_path / "run.yaml", path="prefs.jsonl")
    code, out, err = codealign("check", yaml, "problems.heldout=null", "--json")
    assert code == 0, err
    findings = {row["name"]: row for row in json.loads(out)["findings"]}
    assert findings["preference data"]["text"] == "4 rows of the format trl"
    assert "train problems" not in findings
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Add."}]
    pair = Pair(prompt="", prompt_messages=turns, chosen="a", rejected="b")
    write_records(tmp_path / "prefs.jsonl", export_rows([pair], "trl-conversational"))
    code, out, err = codealign("check", yaml, "--json")
    assert code == 2
    findings = {row["name"]: row for row in json.loads(out)["findings"]}
    assert "a prompt of 2 messages" in findings["prompts"]["text"]


def test_the_content_of_the_file_is_the_key_and_its_place_is_not(tmp_path: Path) -> None:
    for name, num in (("one", 4), ("same", 4), ("other", 3)):
        write_records(tmp_path / f"{name}.jsonl", some_pairs(num))
    one, same, other = (
        opened({"path": str(tmp_path / f"{name}.jsonl")}, tmp_path / "run").keys
        for name in ("one", "same", "other")
    )
    assert one == same
    assert [name for name in one if one[name] != other[name]] == ["pairs", "train", "eval/aligned"]


def test_a_held_out_problem_in_the_file_is_refused(tmp_path: Path) -> None:
    problem = load_problems("kata:heldout", limit=1).problems[0]
    leaked = Pair(prompt=f"  {problem.prompt.upper()}", chosen="a", rejected="b")
    write_records(tmp_path / "prefs.jsonl", [*some_pairs(), leaked])
    run = opened({"path": str(tmp_path / "prefs.jsonl")}, tmp_path / "run")
    with pytest.raises(DataError, match="the training data and heldout share 1 problems"):
        run.check_leakage()


def test_a_missing_file_is_said_before_anything_is_done(tmp_path: Path) -> None:
    run = opened({"path": str(tmp_path / "nothing.jsonl")}, tmp_path / "run")
    with pytest.raises(DataError, match="no such file"):
        plan(run.config, run.path)


def test_settings_that_choose_pairs_are_refused_with_a_file() -> None:
    file = {"strategy": {"kind": "file", "path": "prefs.jsonl"}}
    with pytest.raises(ConfigError, match="max_pairs_per_problem, deduplicate would be ignored"):
        parse_config(
            RunConfig, {"pairs": file | {"max_pairs_per_problem": 2, "deduplicate": False}}
        )
    with pytest.raises(ConfigError, match=r"format: Input should be 'auto', 'trl'"):
        parse_config(RunConfig, {"pairs": {"strategy": file["strategy"] | {"format": "csv"}}})
    weights = {
        "token_weights": {"kind": "execution"},
        "train": {"objective": {"kind": "tis_dpo"}},
    }
    with pytest.raises(ConfigError, match="execution reads verdicts, and pairs of a file"):
        parse_config(RunConfig, {"pairs": file} | weights)
    overrides = ["pairs.strategy.kind=file", "pairs.strategy.path=p", "max_pairs_per_problem=1"]
    assert load_run_config(None, overrides).pairs.strategy.kind == "file"


def test_files_are_converted_without_a_run(codealign, tmp_path: Path) -> None:
    rows = [row.model_copy(update={"weight": 0.5}) for row in some_pairs()]
    write_records(tmp_path / "prefs.jsonl", export_rows(rows, "ultrafeedback"))
    words = ("pairs", "--pairs", "prefs.jsonl", "--export", "llama-factory-kto", "--json")
    code, out, err = codealign(*words, "--dry-run")
    assert code == 0, err
    assert not Path("llama-factory-kto.jsonl").exists()
    code, out, err = codealign(*words)
    done = json.loads(out)
    assert done["read_as"] == "ultrafeedback"
    assert done["num_rows"] == 8
    assert done["dataset_info"]["llama-factory-kto"]["columns"]["kto_tag"] == "kto_tag"
    written = [
        json.loads(line) for line in Path("llama-factory-kto.jsonl").read_text().splitlines()
    ]
    assert [row["kto_tag"] for row in written] == [True, False] * 4
    assert {row["weight"] for row in written} == {0.5}
    code, out, err = codealign("pairs", "--pairs", "prefs.jsonl", "--export", "llama-factory")
    assert '"ranking": true' in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--pairs p.jsonl", "nothing to do"),
        ("--pairs p.jsonl --export trl stray.yaml", "stray.yaml would be ignored"),
        ("--pairs p.jsonl --export trl --seed 3", "--seed would be ignored"),
        ("--pairs p.jsonl --export trl -o p.jsonl", "one of the inputs"),
        ("--pairs p.jsonl --export trl -o x.parquet", "name it .jsonl"),
        ("--pairs p.jsonl --export csv", "Invalid value for '--export'"),
    ],
)
def test_what_a_conversion_would_ignore_is_refused(codealign, tmp_path, words, message) -> None:
    write_records(tmp_path / "p.jsonl", some_pairs(1))
    code, out, err = codealign("pairs", *words.split())
    assert code == 2
    assert message in err
    assert out == ""
