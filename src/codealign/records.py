"""The rows that travel between the stages, and the JSON lines they are kept in.

Every record is frozen and keeps columns it does not know (`extra="allow"`), so a file may pass
through any stage without losing what its maker put there. Reading reports each bad row with file,
line and reason and goes on with the rest; writing is append-only and a torn last line is dropped.

Not promised: that a row is *true*. A verdict file can be edited; the run directory's hashes, not
this module, notice that.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from codealign.errors import DataError, StorageError

Outcome = Literal[
    "passed",
    "failed",
    "runtime_error",
    "syntax_error",
    "timeout",
    "memory",
    "output_limit",
    "violation",
    "not_judged",
]
OUTCOMES: tuple[Outcome, ...] = Outcome.__args__  # type: ignore[attr-defined]

FinishReason = Literal["stop", "length", "unknown"]


class Record(BaseModel):
    """A frozen row; unknown columns survive."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())

    def to_row(self) -> dict[str, Any]:
        """The row as it is written: plain JSON values, columns that are None left out."""
        return self.model_dump(mode="json", exclude_none=True)


class CheckTests(Record):
    """HumanEval style: source that defines `check(candidate)`.

    `setup` (imports and helpers the test needs) is executed before `source` on the judge's side.
    """

    kind: Literal["check"] = "check"
    source: str
    setup: str = ""


class AssertTests(Record):
    """MBPP style: statements, one test each, that name the entry point as a global."""

    kind: Literal["asserts"] = "asserts"
    asserts: list[str]
    setup: str = ""


class CallTests(Record):
    """EvalPlus and call-style APPS / LiveCodeBench: arguments in, value out.

    `inputs[i]` is the argument list of call i. `outputs` None means: computed once from the canonical
    solution, in the sandbox, and cached. `atol` 0 compares exactly (floats: EvalPlus's 1e-6 rule is
    the judge's to apply). `num_base` is how many of the inputs are the original benchmark's.
    """

    kind: Literal["calls"] = "calls"
    inputs: list[list[Any]]
    outputs: list[Any] | None = None
    atol: float = 0.0
    num_base: int | None = None


class StdioTests(Record):
    """A program that reads standard input and writes standard output, compared as LiveCodeBench does."""

    kind: Literal["stdio"] = "stdio"
    inputs: list[str]
    outputs: list[str]


Tests = CheckTests | AssertTests | CallTests | StdioTests


class Problem(Record):
    """A task with tests. `prompt` is what the model sees, `tests` what decides.

    `canonical_solution` has HumanEval's convention: a continuation of `prompt` when
    `solution_is_continuation` is true, else a whole program.
    """

    task_id: str
    prompt: str
    entry_point: str | None = None
    tests: Tests = Field(discriminator="kind")
    canonical_solution: str | None = None
    solution_is_continuation: bool = True
    trusted: bool = True
    """False when a model wrote the tests or the solution: then their code runs in a sandbox as well."""

    @property
    def hash(self) -> str:
        """Hex digest of everything that can change a verdict: prompt, entry point and tests."""
        decisive = [self.prompt, self.entry_point, self.tests.model_dump(mode="json")]
        return content_hash(decisive if self.trusted else [*decisive, "untrusted"])


class Completion(Record):
    """The text a model produced for a problem, with its token ids when we sampled it."""

    task_id: str
    completion: str
    sample_index: int = 0
    prompt_ids: list[int] | None = None
    completion_ids: list[int] | None = None
    finish_reason: FinishReason = "unknown"
    logprob: float | None = None


class TestResult(Record):
    """One test of a verdict. `inputs`, `expected`, `actual` are shortened reprs for people."""

    __test__ = False  # not a pytest class

    name: str
    outcome: Outcome
    message: str = ""
    inputs: str | None = None
    expected: str | None = None
    actual: str | None = None
    error_line: int | None = None
    """The program's line that an exception passed last; its claim."""
    lines: list[int] | None = None
    """With `judge.coverage`: the program's lines that ran during this test; its claim."""


class Verdict(Record):
    """What an execution means. `not_judged` is ours and never a score.

    `detail` refines the outcome (`no_entry_point`, an exception's type, `cpu`, `wall`, …); `program` is
    what ran; `isolation` the level it ran at; seconds are of the program, summed over its tests.

    What made it: `retried` says why it was judged a second time ("worker" or "sandbox" died, "wall": the machine
    was too busy, "memory": others had used the cell), and is empty for nearly all; `limits` are the judge's; `problem_hash` and `program_hash`
    tell what was judged, `runner` (a hash of the judge's own code) and `python` by what.
    """

    task_id: str
    sample_index: int = 0
    outcome: Outcome
    passed: bool
    tests_passed: int = 0
    tests_total: int = 0
    tests: list[TestResult] = Field(default_factory=list[TestResult])
    detail: str = ""
    message: str = ""
    cpu_s: float = 0.0
    system_s: float = 0.0
    """Of `cpu_s` what the kernel took: memory and files, dearer on a busy machine."""
    wall_s: float = 0.0
    peak_bytes: int = 0
    import_lines: list[int] | None = None
    """With `judge.coverage`: the program's lines that ran before the first test."""
    program: str = ""
    isolation: str = ""
    retried: str = ""
    limits: dict[str, float] = Field(default_factory=dict[str, float])
    problem_hash: str = ""
    program_hash: str = ""
    runner: str = ""
    python: str = ""

    @property
    def pass_rate(self) -> float:
        """Share of the tests passed; 0 for a program that tried something forbidden, or came to no test."""
        if self.passed:
            return 1.0
        if self.outcome == "violation" or not self.tests_total:
            return 0.0
        return self.tests_passed / self.tests_total

    @property
    def first_failure(self) -> TestResult | None:
        return next((test for test in self.tests if test.outcome != "passed"), None)


Message = dict[str, str]
"""`role` (system, user or assistant) and `content`."""


class Pair(Record):
    """Chosen over rejected for one prompt; TRL's column names."""

    prompt: str
    chosen: str
    rejected: str
    task_id: str | None = None
    prompt_messages: list[Message] | None = None
    """Where the prompt is more than one user's message: all of it, and `prompt` is a text for people."""
    prompt_ids: list[int] | None = None
    chosen_ids: list[int] | None = None
    rejected_ids: list[int] | None = None
    chosen_weights: list[float] | None = None
    rejected_weights: list[float] | None = None
    """One for each token of `chosen_ids` or `rejected_ids`, for objectives that weigh tokens."""
    chosen_reference_logps: list[float] | None = None
    rejected_reference_logps: list[float] | None = None
    """log π_k of a side (nats, over its tokens and EOS as reference k's tokenizer writes them), one for each reference
    but the policy's own, in the order of `train.objective.references`."""
    reference_weights: list[float] | None = None
    """α_k of every reference, the policy's own first; they sum to 1."""
    weight: float = 1.0

    def sides(self) -> tuple[Labelled, Labelled]:
        """The chosen completion as a desirable row and the rejected one as an undesirable, each with its
        `finish_reason` where the pair says it."""
        extra = self.model_extra or {}
        names = ("prompt", "task_id", "prompt_messages", "prompt_ids", "weight")
        shared = extra | {name: getattr(self, name) for name in names}

        def row(side: str, label: bool) -> Labelled:
            ids, text = getattr(self, f"{side}_ids"), getattr(self, side)
            own = {"completion": text, "completion_ids": ids, "label": label}
            if f"{side}_finish_reason" in extra:
                own["finish_reason"] = extra[f"{side}_finish_reason"]
            return Labelled.model_validate(shared | own)

        return row("chosen", True), row("rejected", False)


class Labelled(Record):
    """A completion that is desirable or not, by itself; the columns of TRL's unpaired preferences."""

    prompt: str
    completion: str
    label: bool
    task_id: str | None = None
    prompt_messages: list[Message] | None = None
    """As in `Pair`."""
    prompt_ids: list[int] | None = None
    completion_ids: list[int] | None = None
    weight: float = 1.0


RecordT = TypeVar("RecordT", bound=Record)


class BadRow(NamedTuple):
    """A row that could not be read, and why. Line 0 is the file as a whole."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}"


def content_hash(value: Any) -> str:
    """16 hex digits of the SHA-256 of `value` as canonical JSON; equal values hash equally anywhere."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def open_bytes(path: Path | str, *, unpacked: bool = True) -> IO[bytes]:
    """Open a file for reading, through gzip when its name ends in .gz and `unpacked` is not False.

    Raises:
        DataError: it is not there, it is a directory, or it may not be read.
    """
    path = Path(path)
    try:
        packed = unpacked and path.suffix == ".gz"
        return cast("IO[bytes]", gzip.open(path) if packed else path.open("rb"))
    except FileNotFoundError:
        raise DataError("no such file", where=str(path), cure="check the path") from None
    except OSError as error:
        raise DataError(
            f"can't be read: {error.strerror}", where=str(path), cure="give a file you may read"
        ) from None


def read_rows(
    path: Path | str, bad: list[BadRow] | None = None, *, torn_end: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a JSON-lines file, blank lines skipped.

    Bad lines are appended to `bad` and skipped; without `bad` the first one raises DataError. With
    `torn_end` a last line without a newline is left out: its writer was killed, or is still writing.
    """
    for number, line in _numbered_lines(path, bad):
        if not line.strip() or (torn_end and not line.endswith(b"\n")):
            continue
        try:
            row = json.loads(str(line, "utf-8-sig"))
        except UnicodeDecodeError as error:
            _report(bad, path, number, f"not UTF-8: {error.reason} at byte {error.start}")
            continue
        except ValueError as error:
            _report(bad, path, number, f"not JSON: {error}")
            continue
        if not isinstance(row, dict):
            _report(bad, path, number, f"an object was expected, this is a {type(row).__name__}")
            continue
        yield number, row


def _numbered_lines(path: Path | str, bad: list[BadRow] | None) -> Iterator[tuple[int, bytes]]:
    """Lines from 1; what a damaged gzip file can't give is one bad row."""
    number = 0
    try:
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):
                yield number, line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _report(bad, path, number + 1, f"the gzip file is damaged from here on: {error}")


def read_records(
    kind: type[RecordT],
    path: Path | str,
    bad: list[BadRow] | None = None,
    *,
    torn_end: bool = False,
) -> Iterator[RecordT]:
    """Yield the rows of a JSON-lines file as `kind`; bad rows and `torn_end` as in `read_rows`."""
    for number, row in read_rows(path, bad, torn_end=torn_end):
        try:
            record = kind.model_validate(row)
        except ValidationError as error:
            _report(bad, path, number, explain_validation(error))
            continue
        yield record


def explain_validation(error: ValidationError) -> str:
    """One line a person can act on: which field, what is wrong."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'row'}: {item['msg'].lower()}"
        for item in error.errors()
    )


def _report(bad: list[BadRow] | None, path: Path | str, line: int, reason: str) -> None:
    row = BadRow(str(path), line, reason)
    if bad is None:
        raise DataError(row.reason, where=f"{path}:{line}", cure="mend or remove this row")
    bad.append(row)


def drop_torn_line(path: Path) -> None:
    """Cut a last line without a newline: what a killed writer left. A missing file is fine."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        tail = b""
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            tail = file.read(end - start)
            cut = tail.rfind(b"\n")
            if cut >= 0:
                file.truncate(start + cut + 1)
                return
            end = start
        file.truncate(0)


_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def append_rows(file: IO[str], rows: Iterable[Mapping[str, Any] | Record]) -> None:
    """Write rows and flush; one `write` a row, so that a kill tears at most the last line."""
    try:
        for row in rows:
            plain = row.to_row() if isinstance(row, Record) else row
            try:
                file.write(_to_json(plain) + "\n")
            except UnicodeEncodeError:
                # A lone surrogate, which a program may put into any text of its; no UTF-8 file can hold it.
                file.write(json.dumps(plain, separators=(",", ":")) + "\n")
        file.flush()
    except OSError as error:
        raise StorageError(
            f"could not write: {error.strerror or error}",
            where=getattr(file, "name", None),
            cure="free some space or permissions and run again: what was written is kept",
        ) from error


def write_records(path: Path | str, rows: Iterable[Mapping[str, Any] | Record]) -> None:
    """Write a whole JSON-lines file (gzip by name) atomically: beside it first, then renamed over it."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(beside, "wt", encoding="utf-8") as file:
            append_rows(file, rows)  # type: ignore[arg-type]
        beside.replace(path)
    except OSError as error:
        raise unwritable(error, path) from error


def unwritable(error: OSError, path: Path | str) -> StorageError:
    """The error to raise where writing failed: with the cure for a full disk, or for another place."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    cure = "free some space and run again" if full else "give a place where you may write"
    return StorageError(f"could not write: {error.strerror or error}", where=str(path), cure=cure)
