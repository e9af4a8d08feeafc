"""One audit's findings: who fell to what, as numbers, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from codealign.audit.answers import Result, SequenceResult
from codealign.audit.corpus import CATEGORIES


class Finding(NamedTuple):
    """A program that got through, or a right one that did not."""

    name: str
    category: str
    what: str
    """"called passed", a kind of harm, "refused", "no answer", "broken sequence"."""
    about: str
    detail: str


class Count(NamedTuple):
    """Of one category at one target."""

    tried: int
    passed: int
    """Wrong programs that were called right."""
    harmed: int
    skipped: int


class Report(NamedTuple):
    """What came of one target."""

    target: str
    notes: list[str]
    results: list[Result]
    """Of wrong and honest programs."""
    sequences: list[SequenceResult]

    @property
    def wrong(self) -> list[Result]:
        return [result for result in self.results if not result.specimen.should_pass]

    @property
    def honest(self) -> list[Result]:
        return [result for result in self.results if result.specimen.should_pass]

    @property
    def is_clean(self) -> bool:
        """Nothing wrong was called right, nothing was harmed, every honest program passed, no sequence broke, and
        the target was not blind to any task."""
        return not self.findings and not self.not_asked

    @property
    def not_asked(self) -> dict[str, str]:
        """Tasks of which the target could not be asked, and why."""
        skipped = [result for result in self.results if result.answer.ending == "skipped"]
        return {result.specimen.task: result.answer.detail for result in skipped}

    def count_of(self, category: str) -> Count:
        mine = [result for result in self.wrong if result.specimen.category == category]
        skipped = sum(result.answer.ending == "skipped" for result in mine)
        return Count(
            tried=len(mine) - skipped,
            passed=sum(result.cheated for result in mine),
            harmed=sum(bool(result.harms) for result in mine),
            skipped=skipped,
        )

    @property
    def total(self) -> Count:
        return Count(*map(sum, zip(*map(self.count_of, CATEGORIES), strict=True)))

    @property
    def num_fallen_to(self) -> int:
        """Wrong programs that were called right or did harm."""
        return sum(result.cheated or bool(result.harms) for result in self.wrong)

    @property
    def num_refused(self) -> int:
        return sum(result.refused for result in self.honest)

    @property
    def num_broken(self) -> int:
        return sum(sequence.broken for sequence in self.sequences)

    @property
    def findings(self) -> list[Finding]:
        found = [finding for result in self.results for finding in findings_of(result)]
        for sequence in self.sequences:
            if sequence.broken:
                found += [finding for step in sequence.results for finding in findings_of(step)]
        return found

    def as_json(self) -> dict[str, Any]:
        tried_honest = [result for result in self.honest if result.answer.ending != "skipped"]
        return {
            "target": self.target,
            "notes": self.notes,
            "wrong": self.total._asdict() | {"fallen_to": self.num_fallen_to},
            "categories": {name: self.count_of(name)._asdict() for name in CATEGORIES},
            "honest": {"tried": len(tried_honest), "refused": self.num_refused},
            "sequences": {"tried": len(self.sequences), "broken": self.num_broken},
            "not_asked": self.not_asked,
            "findings": [finding._asdict() for finding in self.findings],
            "programs": [
                {"name": result.specimen.name, "kind": result.specimen.kind}
                | {"category": result.specimen.category, **result.answer.as_json()}
                for result in self.results
            ],
        }


def findings_of(result: Result) -> list[Finding]:
    """What is to be said of one program; nothing when it came out as it should."""
    whats = []
    if result.cheated:
        whats.append("called passed")
    whats += sorted(result.harms)
    if result.refused:
        whats.append("refused")
    if result.unclear:
        whats.append("no answer")
    specimen = result.specimen
    return [
        Finding(specimen.name, specimen.category, what, specimen.about, result.answer.detail)
        for what in whats
    ]


# --- text -----------------------------------------------------------------------------------------

_WIDTH = 16


def table(reports: list[Report]) -> list[str]:
    """Categories down, targets across: tried, called passed, harmed."""
    heads = [f"{report.target:>{_WIDTH}}" for report in reports]
    lines = [f"{'':<{_WIDTH}}" + "".join(heads)]
    lines.append(f"{'wrong programs':<{_WIDTH}}" + f"{'passed harm of':>{_WIDTH}}" * len(reports))
    for category in CATEGORIES:
        counts = [report.count_of(category) for report in reports]
        if any(count.tried for count in counts):
            lines.append(_row(category, counts))
    lines.append(_row("all", [report.total for report in reports]))
    fallen = (f"{report.num_fallen_to}" for report in reports)
    lines.append(_cells("fallen to", fallen))
    lines.append(_cells("honest refused", map(_honest, reports)))
    lines.append(
        _cells("sequences broken", (f"{r.num_broken} of {len(r.sequences)}" for r in reports))
    )
    return lines


def _row(name: str, counts: list[Count]) -> str:
    return _cells(name, (f"{c.passed:>4}{c.harmed:>5}{c.tried:>5}" for c in counts))


def _cells(name: str, cells: Iterable[str]) -> str:
    return f"{name:<{_WIDTH}} " + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _honest(report: Report) -> str:
    return f"{report.num_refused} of {report.as_json()['honest']['tried']}"


def story(report: Report) -> list[str]:
    """One target's findings, a line each, with what the program tries."""
    lines = [f"{report.target}: {'; '.join(report.notes)}" if report.notes else report.target]
    lines += [f"  not asked about {task}: {why}" for task, why in report.not_asked.items()]
    if report.is_clean:
        return [*lines, "  nothing wrong passed, nothing was harmed, every honest program passed"]
    for finding in report.findings:
        lines.append(f"  {finding.what:<14} {finding.name:<32} {finding.about}")
        if finding.what in ("refused", "no answer") and finding.detail:
            lines.append(f"  {'':<14} {'':<32} → {finding.detail[:120]}")
    return lines
