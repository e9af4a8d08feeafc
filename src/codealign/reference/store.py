"""Rows of log-probs on disk, by key: memory-mapped, written by any number of processes and runs at once.

    ROOT/WEIGHTS/                    one directory for each reference, named by the hash of its weights
        NAME.safetensors             a shard, never changed once it has its name
            keys     [n, 16] uint8       what each row is of
            lengths  [n] int64           tokens
            checks   [n] int64           CRC-32 of each row
            logps    [Σ lengths]         the rows, one after another; float32, or float64
    ROOT/WEIGHTS.in_use              locked, shared, by every process that has the store open; never deleted

Values stay on disk and are paged in as they are read; in memory is the index, 36 bytes a row. A shard gets its
name when it is whole and on the disk, so a kill loses no more than what was not yet written. A shard that can't be
read, or a row that does not fit its CRC, is said in the log and deleted: its rows are computed again.

`prune` bounds the size of ROOT: the references that were opened longest ago go first, one that is open never.

Not promised: that a value was not forged. Whoever may write the files may write log-probs.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import time
import uuid
import weakref
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from codealign.errors import StorageError

KEY_BYTES = 16
ROWS_PER_SHARD = 2048
SECONDS_PER_SHARD = 60.0
"""A kill loses at most so many rows, or what was computed in so many seconds."""
MAX_BYTES = 8 * 2**30
"""Of all references together; about ten million programs of 200 tokens."""

SECONDS_TO_WRITE = 3600.0
"""A shard that was begun longer ago and has no name yet is a killed process's."""

_IS_STORE = re.compile(r"[0-9a-f]{32}")
_KEY = np.dtype(f"S{KEY_BYTES}")
_PLACE = np.dtype([("shard", "u4"), ("length", "u4"), ("check", "u4"), ("start", "u8")])
"""Where a row is: in which shard, from which value on."""
_log = logging.getLogger(__name__)


class LogpStore:
    """Rows of one reference.

    Args:
        directory: made when it is missing. None keeps everything in memory.

    Raises:
        StorageError: the directory can't be made or read.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._unsaved: dict[bytes, Tensor] = {}
        self._saved_at = time.monotonic()
        self._paths: list[Path] = []
        """Of every shard that was seen; its number is its place here."""
        self._values: list[Tensor] = []
        """Of each shard, memory-mapped."""
        self._keys = np.empty(0, _KEY)
        self._places = np.empty(0, _PLACE)
        if directory is not None:
            weakref.finalize(self, os.close, _hold(directory))
        self.refresh()

    def __len__(self) -> int:
        return len(self._keys) + len(self._unsaved)

    def find(self, keys: Sequence[bytes]) -> list[Tensor | None]:
        """The row of each key, None where there is none. Rows are not to be written to."""
        return [self._unsaved[key] if key in self._unsaved else self._read(key) for key in keys]

    def add(self, keys: Sequence[bytes], rows: Sequence[Tensor]) -> None:
        """Keep rows ([T], on the CPU) whose keys are new; written now and then, and by `save`.

        Raises:
            StorageError: as `save`.
        """
        for key, row, kept in zip(keys, rows, self.find(keys), strict=True):
            if kept is None:
                self._unsaved[key] = row
        is_due = time.monotonic() - self._saved_at > SECONDS_PER_SHARD
        if is_due or len(self._unsaved) >= ROWS_PER_SHARD:
            self.save()

    def save(self) -> None:
        """Write what is unwritten to a shard of its own.

        Raises:
            StorageError: it can't be written; the rows stay in memory.
        """
        self._saved_at = time.monotonic()
        if self._directory is None or not self._unsaved:
            return
        path = self._directory / f"{uuid.uuid4().hex}.safetensors"
        beside = path.with_suffix(".partial")
        try:
            save_file(_as_shard(self._unsaved), beside)
            # A name that outlives a power cut while its content does not would be a shard of zeros.
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            beside.replace(path)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise StorageError(
                f"could not write reference log-probs: {error}",
                where=str(path),
                cure="free some space, or choose another train.reference_cache=DIR, and run again: "
                "finished shards are kept",
            ) from error
        self._unsaved.clear()
        self.refresh()

    def refresh(self) -> None:
        """See the shards that are new, the oldest first: of two rows of a key the first seen counts."""
        if self._directory is None:
            return
        new = set(self._directory.glob("*.safetensors")) - set(self._paths)
        for path in sorted(new, key=_written_ns):
            self._map(path)

    def _map(self, path: Path) -> None:
        try:
            with safe_open(path, framework="pt") as file:
                keys, lengths, checks, values = (
                    file.get_tensor(name) for name in ("keys", "lengths", "checks", "logps")
                )
            places = np.empty(len(lengths), _PLACE)
            places["shard"], places["length"] = len(self._paths), lengths
            places["start"], places["check"] = lengths.cumsum(0) - lengths, checks
            if lengths.sum() != len(values):
                raise ValueError(f"{len(values)} values for {lengths.sum()} tokens")
            found = keys.numpy().reshape(len(lengths), KEY_BYTES).copy().view(_KEY).ravel()
        except FileNotFoundError:
            return  # another process found it damaged
        except OSError as error:
            raise StorageError(
                f"can't be read: {error}",
                where=str(path),
                cure="give yourself the permission, or choose another train.reference_cache=DIR",
            ) from error
        except (SafetensorError, ValueError, RuntimeError) as error:
            _delete_damaged(path, str(error))
            return
        self._paths.append(path)
        self._values.append(values)
        self._index(np.concatenate([self._keys, found]), np.concatenate([self._places, places]))

    def _index(self, keys: np.ndarray, places: np.ndarray) -> None:
        self._keys, first = np.unique(keys, return_index=True)
        self._places = places[first]

    def _read(self, key: bytes) -> Tensor | None:
        i = np.searchsorted(self._keys, np.frombuffer(key, _KEY))[0]
        if self._keys[i : i + 1].tobytes() != key:
            return None
        shard, length, check, start = self._places[i].tolist()
        row = self._values[shard][start : start + length]
        if zlib.crc32(row.numpy().data) == check:
            return row
        _delete_damaged(self._paths[shard], "a row does not fit its CRC")
        self._forget(shard)
        return None

    def _forget(self, shard: int) -> None:
        rest = self._places["shard"] != shard
        self._keys, self._places = self._keys[rest], self._places[rest]


def prune(root: Path, max_bytes: int = MAX_BYTES) -> None:
    """Delete whole references, the one opened longest ago first, until `root` holds at most `max_bytes`.

    One that any process has open stays, whatever its size; so does one of another user, and whatever is not a store.
    """
    stores = [path for path in root.iterdir() if _IS_STORE.fullmatch(path.name)]
    sizes = {path: _num_bytes(path) for path in stores if _lock_of(path).exists()}
    excess = sum(sizes.values()) - max_bytes
    for path in sorted(sizes, key=lambda path: _written_ns(_lock_of(path))):
        if excess > 0 and _delete_unused(path):
            _log.info("%s: deleted, to make room for other references", path)
            excess -= sizes[path]


def _lock_of(directory: Path) -> Path:
    # Beside the store: a lock inside could be deleted while somebody waits for it.
    return directory.with_name(f"{directory.name}.in_use")


def _hold(directory: Path) -> int:
    """Share the store's lock until the descriptor is closed, note the time, clear what killed writers left."""
    lock = _lock_of(directory)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.utime(lock)
        directory.mkdir(exist_ok=True)
        for half in directory.glob("*.partial"):
            if time.time_ns() - _written_ns(half) > 1e9 * SECONDS_TO_WRITE:
                half.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"reference log-probs can't be kept here: {error.strerror}",
            where=str(directory),
            cure="choose another train.reference_cache=DIR",
        ) from error
    return descriptor


def _delete_unused(directory: Path) -> bool:
    """Delete a store unless a process has it open; whether it is gone."""
    with contextlib.suppress(OSError), _lock_of(directory).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A kill in the midst of it leaves a smaller store, which is one.
        shutil.rmtree(directory)
        return True
    return False  # in use, or another user's


def _delete_damaged(path: Path, reason: str) -> None:
    _log.warning("%s: damaged, deleted and computed again: %s", path, reason)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _as_shard(rows: dict[bytes, Tensor]) -> dict[str, Tensor]:
    keys = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, KEY_BYTES)
    return {
        "keys": torch.from_numpy(keys.copy()),
        "lengths": torch.tensor([len(row) for row in rows.values()]),
        "checks": torch.tensor([zlib.crc32(row.numpy().data) for row in rows.values()]),
        "logps": torch.cat(list(rows.values())),
    }


def _num_bytes(directory: Path) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
        for path in directory.iterdir():
            total += path.stat().st_size
    return total


def _written_ns(path: Path) -> int:
    """When a file was last written; 0 where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
