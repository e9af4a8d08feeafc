"""Expected outputs computed from a reference solution, kept so that each set is computed once on a machine.

EvalPlus problems come without outputs: their canonical solution answers the inputs, in the sandbox like any
other program, and its answers are what programs are compared with. They are kept in one file a problem, named by
a hash of the solution, the inputs and the Python version.

Not promised: that the file is there next time. A cache that can't be read or written costs time, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from codealign.sandbox.codec import Undecodable, decode, encode, plain_only, plain_or

Answers = list[Any]


class ExpectedOutputs:
    """Answers by (reference source, entry point, inputs) in a directory; without one nothing is kept."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def get(self, source: str, entry_point: str, inputs: Answers) -> Answers | None:
        if self._directory is None:
            return None
        try:
            stored = json.loads(self._path(source, entry_point, inputs).read_text(encoding="utf-8"))
            answers = decode(stored, plain_only)
        except (OSError, ValueError, Undecodable):
            return None
        return answers if len(answers) == len(inputs) else None

    def put(self, source: str, entry_point: str, inputs: Answers, answers: Answers) -> None:
        if self._directory is None:
            return
        path = self._path(source, entry_point, inputs)
        beside = path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(_plain(answers)), encoding="utf-8")
            os.replace(beside, path)

    def _path(self, source: str, entry_point: str, inputs: Answers) -> Path:
        assert self._directory is not None
        text = json.dumps([sys.version, source, entry_point, _plain(inputs)])
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._directory / f"{name}.json"


def _plain(value: Any) -> Any:
    return encode(value, plain_or(lambda unknown: None))
