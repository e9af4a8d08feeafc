"""The verdict cache: what it keeps, what it survives, and that it is never in the way."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from codealign.cli import group
from codealign.config import JudgeConfig, LocalJudge
from codealign.errors import StorageError
from codealign.judging import Candidate, Judge, cache
from codealign.judging.cache import VerdictCache, cache_facts, cache_key
from codealign.records import CallTests, Problem

PASSED: dict[str, Any] = {"outcome": "passed", "passed": True, "detail": "", "message": ""}
PROBLEM = Problem(
    task_id="t/1", prompt="", entry_point="f", tests=CallTests(inputs=[[1]], outputs=[2])
)
RIGHT = "def f(n): return 2"


def row(message: str) -> dict[str, Any]:
    return PASSED | {"message": message}


def test_a_row_is_there_at_once_and_for_the_next_process(tmp_path: Path) -> None:
    first = VerdictCache(tmp_path)
    first.put("key", row("mine"))
    assert first.get("key") == row("mine")
    first.close()
    second = VerdictCache(tmp_path)
    assert (second.get("key"), second.get("other")) == (row("mine"), None)
    second.close()


@pytest.mark.parametrize(
    "columns",
    [{"outcome": "not_judged"}, {"outcome": "timeout", "detail": "wall"}, {"detail": "judge"}],
)
def test_what_may_come_out_otherwise_tomorrow_is_not_kept(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    kept = VerdictCache(tmp_path)
    kept.put("key", PASSED | {"passed": False} | columns)
    assert kept.get("key") is None
    kept.close()


def test_the_key_tells_apart_whatever_changes_a_verdict() -> None:
    keys = [
        cache_key("problem", RIGHT, [1.0, "S3"]),
        cache_key("another", RIGHT, [1.0, "S3"]),
        cache_key("problem", RIGHT, [2.0, "S3"]),
        cache_key("problem", RIGHT, [1.0, "S2"]),
        cache_key("problem", RIGHT.replace("2", "3"), [1.0, "S3"]),
        cache_key("problem", f'"""2"""\n{RIGHT}', [1.0, "S3"]),
        cache_key("problem", "x = 0x" + "f" * 5000, [1.0, "S3"]),  # too long a number to print
    ]
    assert len(set(keys)) == len(keys)
    assert cache_key("problem", RIGHT + "   # right", [1.0, "S3"]) == keys[0]


def _spoil(path: Path, how: str) -> None:
    if how == "no database":
        path.write_bytes(b"\xff" * 5000)
    elif how == "torn":
        path.write_bytes(path.read_bytes()[:6000] + b"\x00" * 3000)
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        database = sqlite3.connect(path)
        with database:
            database.execute("CREATE TABLE verdicts (key TEXT PRIMARY KEY, row TEXT)")
        database.close()


@pytest.mark.parametrize("how", ["no database", "torn", "empty", "another version"])
def test_a_spoilt_file_is_started_anew(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = VerdictCache(tmp_path)
    for number in range(200):
        first.put(f"key {number}", row("x" * 500))
    first.close()
    _spoil(first.path, how)
    second = VerdictCache(tmp_path)
    lost = [second.get(f"key {number}") for number in range(200)]
    assert None in lost
    second.put("new", row("new"))
    second.close()
    third = VerdictCache(tmp_path)
    assert third.get("new") == row("new")
    third.close()
    if how != "empty":  # which is what a new file looks like
        assert "is started anew" in caplog.text
        assert str(first.path) in caplog.text


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"outcome": "wonderful"}', '{"outcome": "failed", "passed": true}']
)
def test_a_row_that_is_no_verdict_is_no_verdict(tmp_path: Path, text: str) -> None:
    VerdictCache(tmp_path).close()
    database = sqlite3.connect(tmp_path / cache.FILE_NAME)
    with database:
        database.execute("INSERT INTO verdicts VALUES ('key', ?, 0)", (text,))
    database.close()
    kept = VerdictCache(tmp_path)
    assert kept.get("key") is None
    kept.close()


def test_a_locked_file_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache, "LOCK_TIMEOUT_S", 0.05)
    kept = VerdictCache(tmp_path)
    holder = sqlite3.connect(kept.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for number in range(cache.WRITE_EVERY + 1):
        kept.put(f"key {number}", PASSED)
    assert "without the verdict cache" in caplog.text
    assert kept.get("key 0") is None
    kept.close()
    holder.close()


def test_a_directory_that_cannot_be_made_is_an_error_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"judge\.cache=false"):
        VerdictCache(tmp_path / "file" / "below")


def test_the_oldest_go_when_the_file_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 200_000)
    monkeypatch.setattr(cache, "WRITE_EVERY", 10)
    kept = VerdictCache(tmp_path)
    for number in range(1000):  # a kilobyte each: five times what there is room for
        kept.put(f"key {number}", row("x" * 1000))
    assert kept.get("key 0") is None
    assert kept.get("key 999") is not None
    kept.close()
    facts = cache_facts(tmp_path)
    assert 50 < facts.num_verdicts < 250
    assert facts.size_bytes < 2 * 200_000


WRITER = """
import sys
from pathlib import Path
from codealign.judging import cache
cache.WRITE_EVERY = 7
kept = cache.VerdictCache(Path(sys.argv[1]))
for number in range(300):
    row = {"outcome": "passed", "passed": True, "detail": "", "message": sys.argv[2]}
    kept.put(f"{sys.argv[2]} {number}", row)
kept.close()
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*words, name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    kept = VerdictCache(tmp_path)
    missing = [f"{n} {i}" for n in "abc" for i in range(300) if kept.get(f"{n} {i}") is None]
    kept.close()
    assert missing == []


def test_what_was_judged_before_the_consumer_left_is_kept(tmp_path: Path) -> None:
    config = JudgeConfig(engine=LocalJudge(workers=1))
    candidates = [Candidate(PROBLEM, f"def f(n): return {n}", n) for n in range(20)]
    with Judge(config, cache_dir=tmp_path) as judging:
        verdicts = judging.verdicts(candidates, ordered=False)
        for _ in range(20):
            next(verdicts)
        verdicts.close()  # type: ignore[attr-defined]
    assert cache_facts(tmp_path).num_verdicts == 20
    with Judge(config, cache_dir=tmp_path) as judging:
        assert [v.passed for v in judging.verdicts(candidates)].count(True) == 1
        assert (judging.tally.num_cached, judging.tally.num_judged) == (20, 0)


def test_at_s0_nothing_is_kept(tmp_path: Path) -> None:
    weak = JudgeConfig(engine=LocalJudge(workers=1), isolation="S0", accept_weak_isolation=True)
    with Judge(weak, cache_dir=tmp_path) as judging:
        assert next(judging.verdicts([Candidate(PROBLEM, RIGHT)])).passed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--no-cache"], ["judge.cache=false"], ["cache=false"]])
def test_the_flag_and_the_key_run_every_program(tmp_path: Path, words: list[str]) -> None:
    problem = {"task_id": "t/1", "prompt": "", "entry_point": "f", "tests": PROBLEM.tests.to_row()}
    (tmp_path / "p.jsonl").write_text(json.dumps(problem))
    rows = [json.dumps({"task_id": "t/1", "solution": RIGHT}) for _ in range(3)]
    (tmp_path / "c.jsonl").write_text("\n".join(rows))
    command = ["judge", "--problems", str(tmp_path / "p.jsonl"), "--json", "-q", "engine.workers=1"]
    command += ["--completions", str(tmp_path / "c.jsonl"), "-o", str(tmp_path / "v.jsonl")]
    outputs = [
        json.loads(CliRunner().invoke(group, [*command, *more], catch_exceptions=False).stdout)
        for more in ([], [], words)
    ]
    counts = [(o["num_judged"], o["num_identical"], o["num_cached"]) for o in outputs]
    assert counts[1:] == [(0, 2, 1), (3, 0, 0)]
    assert counts[0] in [(1, 2, 0), (0, 2, 1)]  # the other runs of this test may have been first
