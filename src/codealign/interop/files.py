"""Files of preference data: read into pairs or labelled rows, and rows written for others.

Promises: a file is of one format, told by its first row that fits any; each row that can't be used is
reported with its place and reason; pairs whose sides are equal teach nothing, are left out and counted.

Not promised: that the completions are the policy's own. On-policy pairs are what `codealign run` makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from codealign.errors import DataError, InputError
from codealign.interop.conversations import Unusable
from codealign.interop.formats import FORMATS, MEDIA, Columns, Format, format_named
from codealign.problems.tables import Row, read_table
from codealign.records import BadRow, Labelled, Pair, explain_validation


class Preferences(NamedTuple):
    """What a file holds: pairs or labelled rows, never both.

    `left_out` counts by reason the rows that were readable and are not used.
    """

    pairs: list[Pair]
    labelled: list[Labelled]
    format: Format
    bad: list[BadRow]
    left_out: dict[str, int]

    @property
    def rows(self) -> Sequence[Pair] | Sequence[Labelled]:
        """Whichever of the two there are."""
        return self.labelled if self.format.record is Labelled else self.pairs


def read_preferences(path: Path, format_name: str = "auto") -> Preferences:
    """The preference data of a JSON-lines, JSON or Parquet file.

    Args:
        format_name: of `FORMATS`, or `auto` for the first that fits a row.

    Raises:
        DataError: no such file, not a table at all, or no row that can be used.
        InputError: no format of that name.
    """
    bad: list[BadRow] = []
    rows = list(read_table(path, bad))
    form = _format_of(rows, path) if format_name == "auto" else format_named(format_name)
    records = list(_records(rows, form, bad))
    pairs = [row for row in records if isinstance(row, Pair)]
    distinct = [pair for pair in pairs if pair.chosen != pair.rejected]
    num_identical = len(pairs) - len(distinct)
    labelled = [row for row in records if isinstance(row, Labelled)]
    if not (distinct or labelled):
        first = f", first {bad[0]}" if bad else ""
        raise DataError(
            f"no row of the format {form.name} can be used: {len(bad)} unreadable, "
            f"{num_identical} with equal sides{first}",
            where=str(path),
            cure="docs/pairs.md shows the formats",
        )
    left_out = {"unreadable": len(bad), "identical_sides": num_identical}
    return Preferences(
        distinct, labelled, form, bad, {why: count for why, count in left_out.items() if count}
    )


def _format_of(rows: Sequence[Row], path: Path) -> Format:
    for row in rows:
        for form in FORMATS:
            if form.missing(row.columns) is None:
                return form
    found = ", ".join(rows[0].columns) if rows else "no row"
    known = "; ".join(f"{form.name}: {', '.join(form.needs)}" for form in FORMATS)
    raise DataError(
        f"columns of no known format ({found})",
        where=str(path),
        cure=f"rename columns so that they are of one ({known})",
    )


def _records(rows: Sequence[Row], form: Format, bad: list[BadRow]) -> Iterator[Pair | Labelled]:
    for row in rows:
        try:
            yield _record(row.columns, form)
        except Unusable as error:
            bad.append(BadRow(row.path, row.line, str(error)))


def _record(columns: Columns, form: Format) -> Pair | Labelled:
    rest = {name: value for name, value in columns.items() if value is not None}
    if missing := form.missing(rest):
        raise Unusable(missing)
    for name in MEDIA:
        if rest.pop(name, None):
            raise Unusable(f"{name}: can't be represented, only text")
    read = form.read(rest)
    try:
        return form.record.model_validate(rest | read)
    except ValidationError as error:
        raise Unusable(explain_validation(error)) from None


OF_FORMATS = {
    *(column for form in FORMATS for column in form.needs),
    *("input", "system", "history", "messages"),
}
"""Columns that another format would read: an extra column of this name is not written along."""

OF_ONE_RUN = {
    "prompt_ids",
    "completion_ids",
    "chosen_ids",
    "rejected_ids",
    "chosen_weights",
    "rejected_weights",
    "chosen_reference_logps",
    "rejected_reference_logps",
    "reference_weights",
    "prompt_messages",
}
"""Columns of ours that no other tool reads, or that a format says in its own way."""


def export_rows(rows: Sequence[Pair] | Sequence[Labelled], name: str) -> Iterator[dict[str, Any]]:
    """The rows in a format of `FORMATS`; a format of labelled rows takes each pair's two sides.

    Raises:
        InputError: the format is of pairs and the rows are not, or it can't say what a row holds.
    """
    form = format_named(name)
    for number, row in enumerate(rows, start=1):
        where = f"row {number}" + (f" ({row.task_id})" if row.task_id else "")
        for each in _as_kind(row, form, where):
            try:
                written = form.write(each)
            except Unusable as error:
                raise InputError(
                    f"can't be written as {name}: {error}",
                    where=where,
                    cure="choose a conversational format, or leave this row out",
                ) from None
            hidden = OF_FORMATS | OF_ONE_RUN
            yield written | {k: v for k, v in each.to_row().items() if k not in hidden}


def _as_kind(row: Pair | Labelled, form: Format, where: str) -> list[Pair] | list[Labelled]:
    if isinstance(row, Labelled):
        if form.record is Labelled:
            return [row]
        raise InputError(
            f"{form.name} holds pairs, and this row is one labelled completion",
            where=where,
            cure="choose a kto format",
        )
    return [row] if form.record is Pair else [*row.sides()]


def dataset_info(name: str, path: Path) -> dict[str, Any] | None:
    """The entry of LLaMA-Factory's dataset_info.json for a file; None for a format of other tools."""
    info = format_named(name).dataset_info
    return None if info is None else {path.stem: {"file_name": path.name, **info}}
