"""A run directory survives a kill at any moment and never overwrites what another setting made."""

import contextlib
from pathlib import Path

import pytest

from codealign.errors import DataError, StorageError
from codealign.records import (
    Completion,
    Record,
    Verdict,
    content_hash,
    read_records,
    read_rows,
    write_records,
)
from codealign.rundir import ARTEFACTS, ROWS_PER_SHARD, RunDir, Shards


def completion(index: int, text: str = "x") -> Completion:
    return Completion(task_id="t", completion=text, sample_index=index)


def test_a_torn_last_line_is_dropped_and_the_next_row_follows_the_last_whole_one(
    tmp_path: Path,
) -> None:
    shards = Shards(tmp_path)
    shards.append([completion(0), completion(1)])
    with shards.paths[0].open("a") as file:
        file.write('{"task_id": "t", "compl')
    shards.append([completion(2)])
    assert [row.sample_index for row in shards.read(Completion)] == [0, 1, 2]


def test_reading_leaves_a_row_alone_that_is_being_written(tmp_path: Path) -> None:
    """`codealign show` of a run at work: cutting the torn end would damage the writer's next row."""
    path = tmp_path / "part-00000.jsonl"
    path.write_text('{"task_id"')
    assert Shards(tmp_path).read(Completion) == []
    assert path.read_text() == '{"task_id"'


def test_a_retried_verdict_replaces_the_one_before_and_keeps_its_place(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    first = Verdict(task_id="a", outcome="not_judged", passed=False)
    shards.append([first, Verdict(task_id="b", outcome="passed", passed=True)])
    shards.append([Verdict(task_id="a", outcome="failed", passed=False)])
    assert [(v.task_id, v.outcome) for v in shards.read(Verdict)] == [
        ("a", "failed"),
        ("b", "passed"),
    ]


def test_a_full_shard_is_followed_by_a_new_one(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    shards.append(completion(i) for i in range(ROWS_PER_SHARD))
    shards.append([completion(ROWS_PER_SHARD)])
    assert [path.name for path in shards.paths] == ["part-00000.jsonl", "part-00001.jsonl"]
    assert len(shards.read(Completion)) == ROWS_PER_SHARD + 1


def test_a_stage_with_the_same_key_is_found_done(tmp_path: Path) -> None:
    with RunDir(tmp_path).stage("sample", "k1") as stage:
        stage.shards.append([completion(0)])
        stage.finish(num_tokens=5)
    again = RunDir(tmp_path).stage("sample", "k1")
    assert again.done
    assert again.record["num_tokens"] == 5
    assert len(again.shards.read(Completion)) == 1


def test_another_key_moves_the_artefacts_aside_and_the_old_key_brings_them_back(
    tmp_path: Path,
) -> None:
    rundir = RunDir(tmp_path)
    for key, text in (("k1", "one"), ("k2", "two")):
        with rundir.stage("sample", key) as stage:
            assert stage.shards.read(Completion) == []
            stage.shards.append([completion(0, text)])
            stage.finish()
    back = rundir.stage("sample", "k1")
    assert back.done
    assert [row.completion for row in back.shards.read(Completion)] == ["one"]
    assert rundir.stage("sample", "k2").done


def test_settings_may_change_to_and_fro_and_nothing_is_made_twice(tmp_path: Path) -> None:
    rundir = RunDir(tmp_path)
    for key in ("k1", "k2"):
        with rundir.stage("eval/base", key) as stage:
            Shards(tmp_path / "eval/base/greedy").append([completion(0, key)])
            stage.finish()
    for key in ("k1", "k2", "k1", "k2", "k1"):
        assert rundir.stage("eval/base", key).done
        (row,) = Shards(tmp_path / "eval/base/greedy").read(Completion)
        assert row.completion == key


def make_training(root: Path, key: str) -> None:
    with RunDir(root).stage("train", key) as stage:
        for name in ("checkpoint-1", "checkpoint-2", "model"):
            (root / name).mkdir()
            (root / name / "weights").write_text(key)
        (root / "metrics.jsonl").write_text(key)
        stage.finish()


def assert_whole_training(root: Path, key: str) -> None:
    assert RunDir(root).stage("train", key).done
    for name in ("checkpoint-1/weights", "checkpoint-2/weights", "model/weights", "metrics.jsonl"):
        assert (root / name).read_text() == key


@pytest.mark.parametrize("next_key", ["k1", "k2"])
@pytest.mark.parametrize("num_moves", range(11))
def test_a_move_that_was_killed_is_completed_whichever_key_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_moves: int, next_key: str
) -> None:
    """k1 goes and k2 comes back: five things each, so ten places to be killed between."""
    make_training(tmp_path, "k2")
    make_training(tmp_path, "k1")
    moves = iter(range(num_moves))
    rename = Path.rename

    def rename_until_killed(self: Path, target: Path) -> Path:
        if next(moves, None) is None:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", rename_until_killed)
        RunDir(tmp_path).stage("train", "k2")
    assert_whole_training(tmp_path, next_key)
    other = {"k1": "k2", "k2": "k1"}[next_key]
    assert_whole_training(tmp_path, other)


def test_training_artefacts_move_together(tmp_path: Path) -> None:
    rundir = RunDir(tmp_path)
    with rundir.stage("train", "k1") as stage:
        (tmp_path / "checkpoint-10").mkdir()
        (tmp_path / "model").mkdir()
        (tmp_path / "metrics.jsonl").write_text("{}\n")
        stage.finish()
    rundir.stage("train", "k2")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"superseded", "stages"}
    weights = {"checkpoint-*", "model", "reference", "critic.safetensors"}
    assert set(ARTEFACTS["train"]) == weights | {"metrics.jsonl", "rollouts"}


def test_seconds_add_up_over_an_interruption(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), RunDir(tmp_path).stage("sample", "k") as stage:
        stage.record["seconds"] = 7.0
        raise KeyboardInterrupt
    again = RunDir(tmp_path).stage("sample", "k")
    assert again.record["seconds"] >= 7.0
    assert not again.done


def test_a_second_process_is_refused_while_the_first_works(tmp_path: Path) -> None:
    first, second = RunDir(tmp_path), RunDir(tmp_path).locked()
    with first.locked(), pytest.raises(StorageError, match="another process"):
        second.__enter__()
    with first.locked():
        assert (tmp_path / ".lock").exists()


def test_a_full_disk_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shards, "_last_shard", lambda self: Path("/dev/full"))
    with pytest.raises(StorageError, match="No space left on device") as caught:
        Shards(tmp_path).append([completion(0)])
    assert "what was written is kept" in str(caught.value)


def test_extra_columns_survive_reading_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    write_records(path, [{"task_id": "t", "completion": "x", "mine": {"a": [1]}}])
    (row,) = read_records(Completion, path)
    assert row.to_row()["mine"] == {"a": [1]}


def test_bad_rows_say_file_line_and_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"task_id": "t", "completion": "x"}\nnot json\n[1]\n\n{"task_id": 3}\n')
    bad: list = []
    assert len(list(read_records(Completion, path, bad))) == 1
    assert [(row.line, row.reason.split(":")[0]) for row in bad] == [
        (2, "not JSON"),
        (3, "an object was expected, this is a list"),
        (5, "task_id"),
    ]
    assert str(bad[0]).startswith(f"{path}:2: not JSON")
    with pytest.raises(DataError, match=r"rows\.jsonl:2"):
        list(read_rows(path))


def test_bytes_that_are_no_text_spoil_only_their_own_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = b'{"task_id": "t", "completion": "x"}\n'
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\x80\x81\n" + good)
    bad: list = []
    assert len(list(read_records(Completion, path, bad))) == 2
    assert [(row.line, row.reason) for row in bad] == [
        (2, "not UTF-8: invalid start byte at byte 0")
    ]


def test_a_gzip_file_that_breaks_off_keeps_the_rows_before_the_break(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    write_records(path, [completion(index, f"{index * 7919:0100b}") for index in range(200)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    bad: list = []
    read = list(read_records(Completion, path, bad))
    assert 0 < len(read) < 200
    assert bad[0].line > len(read)
    assert "damaged from here on" in bad[0].reason


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_directory_in_the_place_of_a_file_is_bad_input(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        list(read_rows(tmp_path / name))
    with pytest.raises(StorageError, match="give a place where you may write"):
        write_records(tmp_path / name, [completion(0)])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_records(path, [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise RuntimeError("the caller's own failure")

    with pytest.raises(RuntimeError, match="own failure"):
        write_records(path, rows())
    assert path.read_text() == '{"a":1}\n'


def test_equal_values_hash_equally_whatever_their_order() -> None:
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_records_are_frozen() -> None:
    record: Record = completion(0)
    with pytest.raises(ValueError, match="frozen"):
        record.task_id = "u"  # type: ignore[misc]
