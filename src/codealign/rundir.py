"""A run directory that explains itself, and that can be killed at any moment.

    config.json               what was asked, resolved
    completions/ verdicts/    part-*.jsonl of the training problems, append-only
    pairs/                    part-*.jsonl, or labelled/part-*.jsonl, and why each problem gave none
    contrast/good/ …/bad/     the two models of token weights that are trained, and what they say of the pairs
    annotated/                the pairs with what the objective asked for: token weights
    eval/base/ eval/aligned/  verdicts of the held-out problems, before and after
    checkpoint-N/ model/      weights
    reference/                weights of references that follow the policy, where they do
    rollouts/                 what the policy drew while it learnt, by iteration, where it did
    critic.safetensors        the last critic, where there was one
    credit/                   how well values of states are known, where it was measured
    metrics.jsonl report.html summary.json run.log
    stages/*.json             per stage: the key (a hash of everything that made it), whether it is done
    superseded/               artefacts of an earlier configuration, kept

Artefacts whose key no longer fits are moved to `superseded/`, never overwritten, and come back from
there when their key does. A stage that another run directory has done with the same key can be taken from
there instead of being done again.

Not promised: two machines in one run directory. The lock is of this machine's kernel.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from codealign.errors import StorageError
from codealign.records import Record, RecordT, append_rows, drop_torn_line, read_records, unwritable

ARTEFACTS: dict[str, tuple[str, ...]] = {
    "sample": ("completions",),
    "judge": ("verdicts",),
    "pairs": ("pairs",),
    "contrast/good": ("contrast/good",),
    "contrast/bad": ("contrast/bad",),
    "annotate": ("annotated",),
    "eval/base": ("eval/base",),
    "train": (
        "checkpoint-*",
        "model",
        "metrics.jsonl",
        "reference",
        "rollouts",
        "critic.safetensors",
    ),
    "eval/aligned": ("eval/aligned",),
    "credit": ("credit",),
}
"""What each stage leaves in the run directory, as patterns; stages in their order. `credit` is done only when asked for."""

ROWS_PER_SHARD = 20_000
SAVE_SECONDS_EVERY_S = 2.0


class Shards:
    """Append-only rows in `part-*.jsonl` files of one directory.

    A torn last line is left out when reading, and cut off by the next writer: reading changes
    nothing, so that a run may be looked at while it works. Where the same
    (task_id, sample_index) was written twice, the later row counts: so a retried verdict replaces
    an earlier one without rewriting a file.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def paths(self) -> list[Path]:
        return sorted(self.directory.glob("part-*.jsonl"))

    def read(self, kind: type[RecordT]) -> list[RecordT]:
        """All whole rows, in the order first written, the latest of each key."""
        latest: dict[Any, RecordT] = {}
        for path in self.paths:
            rows = read_records(kind, path, torn_end=True)
            for number, record in enumerate(rows):
                latest[_row_key(record, path, number)] = record
        return list(latest.values())

    def append(self, rows: Iterable[Mapping[str, Any] | Record]) -> None:
        """Write rows to the last shard, or to a new one when that is full."""
        rows = list(rows)
        if not rows:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._last_shard().open("a", encoding="utf-8") as file:
                append_rows(file, rows)
        except OSError as error:
            raise StorageError(
                f"could not write: {error.strerror or error}",
                where=str(self.directory),
                cure="free some space or permissions and run again: what was written is kept",
            ) from error

    def _last_shard(self) -> Path:
        paths = self.paths
        if not paths:
            return self.directory / "part-00000.jsonl"
        drop_torn_line(paths[-1])
        with paths[-1].open("rb") as file:
            full = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
        return (
            paths[-1] if full < ROWS_PER_SHARD else self.directory / f"part-{len(paths):05d}.jsonl"
        )


def _row_key(record: Record, path: Path, number: int) -> Any:
    index = getattr(record, "sample_index", None)
    return (path, number) if index is None else (getattr(record, "task_id", None), index)


class Stage:
    """One stage's key and its record of seconds, tokens and counts.

    Use as a context manager while working: the seconds are added up over interruptions.
    """

    def __init__(self, run_path: Path, name: str, key: str) -> None:
        self.run_path, self.name, self.key = run_path, name, key
        self._path = _record_path(run_path, name)
        self.record: dict[str, Any] = read_json(self._path) or {"key": key}
        self._clock = self._saved_at = time.monotonic()

    @property
    def done(self) -> bool:
        return bool(self.record.get("done"))

    @property
    def shards(self) -> Shards:
        """Rows of the stage's first artefact."""
        return Shards(self.run_path / ARTEFACTS[self.name][0])

    def __enter__(self) -> Stage:
        self._clock = self._saved_at = time.monotonic()
        self._save()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A full disk is reported by what filled it, not by this note about seconds.
        if not isinstance(error, (OSError, StorageError)):
            self._save()

    def tick(self, **values: Any) -> None:
        """Note values now and then, so that a kill loses seconds of bookkeeping, not minutes."""
        self.record.update(values)
        if time.monotonic() - self._saved_at > SAVE_SECONDS_EVERY_S:
            self._save()

    def finish(self, **values: Any) -> None:
        """Mark the stage as done with its final counts."""
        self.record.update(values, done=True)
        self._save()

    def _save(self) -> None:
        now = time.monotonic()
        self.record["seconds"] = round(self.record.get("seconds", 0.0) + now - self._clock, 3)
        self._clock = self._saved_at = now
        write_json(self._path, self.record)


class RunDir:
    """The directory of one run, held by a lock while a process works in it.

    Args:
        path: of the run.
        reuse: a directory of runs; what one of them has done with the same key is copied from there.
    """

    def __init__(self, path: Path, reuse: Path | None = None) -> None:
        self.path, self.reuse = path, reuse

    @contextmanager
    def locked(self) -> Iterator[RunDir]:
        """Hold the run directory; a second process is refused at once.

        Raises:
            StorageError: another process holds it, or it can't be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("w")
        except OSError as error:
            raise StorageError(
                f"can't write there: {error.strerror}",
                where=str(self.path),
                cure="choose run_dir=…",
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StorageError(
                    "another process is working in this run directory",
                    where=str(self.path),
                    cure="wait for it, stop it, or choose another run_dir=…",
                ) from None
            yield self

    def stage(self, name: str, key: str) -> Stage:
        """The stage `name` for `key`; artefacts of another key are moved aside, kept ones come back.

        A record is the first to come and the last to go, so a move that was killed is completed here
        by whichever key is asked for next.
        """
        record = stage_record(self.path, name)
        if record is None or record["key"] != key:
            self._supersede(name, record["key"] if record else "unknown")
            self._borrow(name, key)
        self._restore(name, key)
        return Stage(self.path, name, key)

    def _borrow(self, name: str, key: str) -> None:
        """Copy what another run has done to where artefacts of this key are kept, its record last."""
        kept = self._superseded_path(name, key)
        if self.reuse is None or self._present(kept, name):
            return
        for lender in sorted(path.parent for path in self.reuse.glob("**/stages")):
            record = None if lender == self.path else stage_record(lender, name)
            if record is not None and record["key"] == key and record.get("done"):
                try:
                    _copy_all(self._present(lender, name), lender, kept)
                except OSError as error:
                    raise unwritable(error, kept) from error
                return

    def _supersede(self, name: str, old_key: str) -> None:
        present = self._present(self.path, name)
        target = self._superseded_path(name, old_key)
        if any((target / path.relative_to(self.path)).exists() for path in present):
            target = target.with_name(f"{target.name}-{time.time_ns()}")
        _move_all(present, self.path, target)

    def _restore(self, name: str, key: str) -> None:
        kept = self._superseded_path(name, key)
        _move_all(reversed(self._present(kept, name)), kept, self.path)

    def _present(self, root: Path, name: str) -> list[Path]:
        """Artefacts of a stage below `root`, its record last."""
        artefacts = [path for pattern in ARTEFACTS[name] for path in sorted(root.glob(pattern))]
        record = _record_path(root, name)
        return artefacts + ([record] if record.exists() else [])

    def _superseded_path(self, name: str, key: str) -> Path:
        return self.path / "superseded" / f"{name.replace('/', '-')}-{key}"


def rollout_paths(run_path: Path) -> dict[int, Path]:
    """Where the rollouts of each iteration are, verdicts with `iteration` and `reward`; of a run that has some."""
    paths = sorted((run_path / "rollouts").glob("iteration-*.jsonl"))
    return {int(path.stem.removeprefix("iteration-")): path for path in paths}


def stage_record(run_path: Path, name: str) -> dict[str, Any] | None:
    """What a stage has noted, whatever its key; None where it never began. Moves nothing."""
    return read_json(_record_path(run_path, name))


def _record_path(root: Path, name: str) -> Path:
    return root / "stages" / f"{name.replace('/', '-')}.json"


def _move_all(paths: Iterable[Path], root: Path, target: Path) -> None:
    for path in paths:
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)


def _copy_all(paths: Iterable[Path], root: Path, target: Path) -> None:
    for path in paths:
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, place)
        else:
            shutil.copy2(path, place)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StorageError(
            f"not JSON: {error}", where=str(path), cure="move this run directory away and run again"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically: beside it first, then renamed over it."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise unwritable(error, path) from error
