"""Looking at things on the command line: show, report, eval, and dry runs as one JSON object."""

import json
from pathlib import Path

import pytest

from codealign.cli import main
from codealign.config import RunConfig, overlaid
from codealign.records import Pair, Verdict, write_records


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command line in this process, in an empty directory: (exit code, out, err)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        try:
            main([str(word) for word in words])
            code = 0
        except SystemExit as exited:
            code = int(exited.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """What a killed run may leave: a configuration, verdicts, one whole pair and a torn one."""
    directory = tmp_path / "runs" / "mine"
    directory.mkdir(parents=True)
    config = RunConfig.model_validate(
        {"run_dir": str(directory), "problems": {"train": "kata:train", "num_train": 2}}
    )
    (directory / "config.json").write_text(config.model_dump_json())
    verdicts = [
        Verdict(task_id="t", sample_index=i, outcome=outcome, passed=outcome == "passed")
        for i, outcome in enumerate(["passed", "failed", "timeout"])
    ]
    write_records(directory / "verdicts" / "part-00000.jsonl", verdicts)
    pairs = directory / "pairs" / "part-00000.jsonl"
    write_records(pairs, [Pair(prompt="p", chosen="c", rejected="r", task_id="t")])
    with pairs.open("a") as file:
        file.write('{"prompt": "p", "chos')
    return directory


def test_show_gives_one_object_and_leaves_the_run_as_it_was(ask, run_dir: Path) -> None:
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    code, out, _ = ask("show", run_dir, "pairs", "--json")
    assert code == 0
    shown = json.loads(out)
    assert (shown["total"], shown["pairs"][0]["chosen"]) == (1, "c")
    shown = json.loads(ask("show", run_dir, "verdicts", "--outcome", "timeout", "--json")[1])
    assert (shown["total"], shown["verdicts"][0]["sample_index"]) == (1, 2)
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


def test_show_gives_the_pairs_that_were_trained_on_with_their_weights(ask, run_dir: Path) -> None:
    settings = {"token_weights": {"kind": "random"}, "train": {"objective": {"kind": "tis_dpo"}}}
    stored = json.loads((run_dir / "config.json").read_text())
    config = RunConfig.model_validate(overlaid(stored, settings))
    (run_dir / "config.json").write_text(config.model_dump_json())
    assert "token weights" not in ask("show", run_dir, "pairs")[1], "not written yet"
    pair = Pair(prompt="p", chosen="x[:smile:]", rejected="[r]", task_id="t").model_copy(
        update={"chosen_weights": [0.5, 1.5], "rejected_weights": [1.0]}
    )
    write_records(run_dir / "annotated" / "part-00000.jsonl", [pair])
    out = ask("show", run_dir, "pairs")[1]
    assert "x[:smile:]\n2 token weights: mean 1.00" in out, "code is not markup"
    assert "[r]\n1 token weight: mean 1.00" in out
    shown = json.loads(ask("show", run_dir, "pairs", "--json")[1])
    assert shown["pairs"][0]["chosen_weights"] == [0.5, 1.5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("show nowhere", "no such run file or run directory"),
        ("show mine", "did you mean runs/mine?"),
        ("show runs", "not a run directory"),
        ("show runs/mine pairs --outcome failed", "pairs have no outcome"),
        ("show runs/mine verdicts --outcome fail", "is not one of 'passed', 'failed'"),
        ("show runs/mine completions", "`codealign run runs/mine --dry-run` says"),
        ("report", "no such directory"),
        ("report runs/mine seed=3", "settings would be ignored"),
        ("eval runs/mine -k 1", "-k would be ignored"),
        ("eval --verdicts v.jsonl --model kata", "--model would be ignored"),
        ("eval --verdicts v.jsonl k=[1]", "k=[1] would be ignored"),
        ("eval --verdicts v.jsonl", "no verdicts in here"),
        ("eval --verdicts runs", "can't be read: Is a directory"),
        ("kata problems -o runs", "a directory, not a file"),
    ],
)
def test_what_can_not_be_shown_says_why(
    ask, run_dir: Path, tmp_path: Path, words: str, message: str
) -> None:
    (tmp_path / "v.jsonl").write_text("\n")
    code, out, err = ask(*words.split())
    assert (code, out) == (2, "")
    assert message in err


def test_a_report_is_written_of_a_run_that_stopped_early(ask, run_dir: Path) -> None:
    code, _, err = ask("report", "runs/mine")
    assert code == 0, err
    assert (run_dir / "report.html").exists()


@pytest.mark.parametrize(
    "words",
    [
        "report runs/mine",
        "check",
        "eval --problems kata:heldout --limit 2 --model kata",
        "kata pretrain",
    ],
)
def test_a_dry_run_is_one_object_under_json_and_writes_nothing(
    ask, run_dir: Path, tmp_path: Path, words: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, out, err = ask(*words.split(), "--dry-run", "--json")
    assert code == 0, err
    assert json.loads(out)["dry_run"] is True
    assert sorted(tmp_path.rglob("*")) == before
