"""The command line: quick help, errors that say what to do, exit codes, results on standard output."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codealign.cli import VERBS


def test_help_answers_in_half_a_second() -> None:
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "codealign", "--help"], check=True, capture_output=True
        )
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_the_shared_options(codealign, verb: str) -> None:
    done = codealign(verb, "problems", "--help") if verb == "kata" else codealign(verb, "--help")
    assert done.code == 0
    for option in ("--json", "--dry-run", "--quiet", "--verbose"):
        assert option in done.out


def test_an_unknown_verb_names_the_nearest_and_exits_2(codealign) -> None:
    done = codealign("jugde")
    assert done.code == 2
    assert "Did you mean 'judge'?" in done.err
    assert done.out == ""


def test_an_unknown_key_names_the_nearest_and_exits_2(codealign) -> None:
    done = codealign("run", "lerning_rate=1")
    assert done.code == 2
    assert "did you mean 'train.learning_rate'?" in done.err


def test_a_missing_run_file_exits_2(codealign) -> None:
    done = codealign("run", "nowhere.yaml")
    assert done.code == 2
    assert "nowhere.yaml: no such run file" in done.err


def test_a_directory_that_is_no_run_exits_2(codealign, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = codealign("train", "empty")
    assert done.code == 2
    assert "not a run directory" in done.err


def test_missing_data_says_which_file_to_put_where(codealign, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CODEALIGN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "c.jsonl").write_text('{"task_id": "HumanEval/0", "completion": "    pass"}\n')
    done = codealign("judge", "--problems", "humaneval", "--completions", "c.jsonl")
    assert done.code == 2
    assert "HumanEval.jsonl" in done.err
    assert "CODEALIGN_DATA" in done.err


def test_judge_needs_both_files(codealign) -> None:
    done = codealign("judge", "--problems", "humaneval")
    assert done.code == 2
    assert "go together" in done.err


def test_a_dry_run_touches_nothing(codealign, tmp_path: Path) -> None:
    done = codealign("run", "--dry-run", "--json", "problems.num_train=3", "problems.num_heldout=2")
    assert done.code == 0
    plan = json.loads(done.out)
    assert [row["state"] for row in plan["stages"]] == ["to do"] * 6
    assert list(tmp_path.iterdir()) == []


def test_a_stage_out_of_order_says_which_comes_first(codealign) -> None:
    done = codealign("pairs", "problems.num_train=3", "problems.num_heldout=2", "-q")
    assert done.code == 2
    assert "'judge' is not done" in done.err
    assert "codealign judge" in done.err


KATA_FILE = "kata.jsonl"


@pytest.fixture
def judged(codealign, tmp_path: Path) -> Path:
    """Verdicts of a right, a wrong and a broken completion for each of two kata problems."""
    written = json.loads(
        codealign("kata", "problems", "heldout", "-n", "2", "-o", KATA_FILE, "--json").out
    )
    rows = []
    for problem in written["problems"]:
        for text in (problem["canonical_solution"], "    return None\n", "    return ((\n"):
            rows.append({"task_id": problem["task_id"], "completion": text, "mine": 1})
    completions = "".join(json.dumps(row) + "\n" for row in rows) + "not json\n"
    (tmp_path / "completions.jsonl").write_text(completions)
    done = codealign(
        "judge",
        "--problems",
        KATA_FILE,
        "--completions",
        "completions.jsonl",
        "-o",
        "v.jsonl",
        "--json",
    )
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["outcomes"]["passed"] == 2
    assert result["outcomes"]["syntax_error"] == 2
    assert len(result["bad_rows"]) == 1
    assert re.search(r"completions\.jsonl:7: not JSON", done.err)
    return tmp_path / "v.jsonl"


def test_judge_then_eval_then_pairs_on_plain_files(codealign, judged: Path, tmp_path: Path) -> None:
    scored = json.loads(codealign("eval", "--verdicts", judged, "-k", "1,3", "--json").out)
    assert scored["pass@k"]["1"]["value"] == pytest.approx(1 / 3)
    assert scored["pass@k"]["3"]["value"] == 1.0
    assert scored["num_problems"] == 2
    made = json.loads(
        codealign(
            "pairs", "--problems", KATA_FILE, "--verdicts", judged, "-o", "p.jsonl", "--json"
        ).out
    )
    assert made["num_pairs"] == 2
    words = ("pairs", "--problems", KATA_FILE, "--verdicts", judged, "--limit", "1", "--dry-run")
    assert json.loads(codealign(*words, "--json").out)["num_pairs"] == 1
    pairs = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert all("return" in pair["chosen"] and pair["chosen"] != pair["rejected"] for pair in pairs)
    assert all(json.loads(line)["mine"] == 1 for line in judged.read_text().splitlines())


def test_the_references_can_be_judged_by_name(codealign) -> None:
    codealign("kata", "problems", "validation", "-n", "3", "-o", KATA_FILE)
    done = codealign("judge", "--problems", KATA_FILE, "--completions", "canonical", "--json")
    assert json.loads(done.out)["outcomes"] == {"passed": 3}


def test_results_in_evalplus_form_on_request(codealign, tmp_path: Path) -> None:
    codealign("kata", "problems", "validation", "-n", "2", "-o", KATA_FILE)
    codealign(
        "judge", "--problems", KATA_FILE, "--completions", "canonical", "--evalplus", "e.json"
    )
    results = json.loads((tmp_path / "e.json").read_text())["eval"]
    assert [row["base_status"] for rows in results.values() for row in rows] == ["pass", "pass"]


def test_eval_refuses_more_k_than_samples(codealign, judged: Path) -> None:
    done = codealign("eval", "--verdicts", judged, "-k", "1,10")
    assert done.code == 2
    assert "pass@10 needs 10 samples, there are 3" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("judge --problems p.jsonl --completions c.jsonl -o c.jsonl", "one of the inputs"),
        ("judge --problems p.jsonl --completions c.jsonl -o .", "a directory, not a file"),
        ("judge --problems p.jsonl --completions c.jsonl stray", "'stray' would be ignored"),
        ("judge --limit 3", "--limit would be ignored"),
        ("pairs --problems p.jsonl --verdicts c.jsonl stray", "'stray' would be ignored"),
        ("pairs -o pairs.jsonl", "--output would be ignored"),
        ("pairs --problems p.jsonl --verdicts c.jsonl", "no verdicts in here"),
    ],
)
def test_what_would_be_ignored_or_overwritten_is_refused(
    codealign, tmp_path: Path, words: str, message: str
) -> None:
    codealign("kata", "problems", "heldout", "-n", "1", "-o", "p.jsonl")
    (tmp_path / "c.jsonl").write_text('{"task_id": "x", "completion": "y"}\n')
    done = codealign(*words.split())
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


def test_a_section_may_be_named_where_it_goes_without_saying(codealign) -> None:
    """Messages and pages say `judge.isolation=…`; the verb `judge` takes both spellings."""
    codealign("kata", "problems", "heldout", "-n", "2", "-o", KATA_FILE)
    words = ("judge", "--problems", KATA_FILE, "--completions", "canonical", "--dry-run", "--json")
    for setting in ("judge.limits.cpu_s=2", "limits.cpu_s=2"):
        assert json.loads(codealign(*words, setting).out) == {
            "dry_run": True,
            "verdicts": "verdicts.jsonl",
            "num_programs": 2,
        }
    assert (
        "limits.cpu_s: Input should be greater than 0"
        in codealign(*words, "judge.limits.cpu_s=0").err
    )


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`codealign … | head`, with more output than a pipe holds (64 KiB)."""
    words = [sys.executable, "-m", "codealign", "kata", "problems", "train", "-n", "400"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_full_disk_under_the_output_is_the_machines_fault() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "codealign", "kata", "problems"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_training_libraries_a_verb_says_what_to_install(
    codealign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "codealign.pretraining", raising=False)
    done = codealign("kata", "pretrain")
    assert done.code == 2
    assert "torch is not installed" in done.err
    assert "'.[train]'" in done.err


def test_a_defect_keeps_its_traceback_and_asks_for_a_report(
    codealign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codealign.problems.load_problems", lambda *args, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        codealign("judge", "--problems", "p.jsonl", "--completions", "c.jsonl")
    assert "Please report it" in caught.value.__notes__[0]


def test_verbose_says_where_an_error_arose(codealign) -> None:
    quiet = codealign("eval", "--verdicts", "nowhere.jsonl")
    verbose = codealign("eval", "--verdicts", "nowhere.jsonl", "-v")
    assert (quiet.code, verbose.code) == (2, 2)
    assert "Traceback" not in quiet.err
    assert "in open_bytes" in verbose.err


def test_env_names_the_isolation_level(codealign) -> None:
    facts = json.loads(codealign("env", "--json").out)
    assert facts["isolation"] in ("S3", "S2", "S1", "S0", "none")
    assert {level["level"] for level in facts["isolation_levels"]} == {"S3", "S2", "S1", "S0"}
