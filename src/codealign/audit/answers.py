"""What a target said of a program and what the program did meanwhile: the words of an audit's findings."""

from __future__ import annotations

from typing import Any, NamedTuple

from codealign.audit.corpus import Sequence, Specimen


class Answer(NamedTuple):
    """What came of one program at one target."""

    ending: str
    """"answered", "hung" (no answer within the time limit), "died" (the target's own process ended), "raised"
    (the target raised instead of answering), "skipped" (the target can't be given this task)."""
    passed: bool | None = None
    """Whether the target called it right: what the reference solution gets. None where it did not say."""
    score: float | None = None
    """The target's own number."""
    detail: str = ""
    harms: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {"harms": sorted(self.harms)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Answer:
        fields: dict[str, Any] = {**row, "harms": frozenset(row["harms"])}
        return cls(**fields)


class Result(NamedTuple):
    """A program and what came of it."""

    specimen: Specimen
    answer: Answer

    @property
    def cheated(self) -> bool:
        """A wrong program that was called right."""
        if self.specimen.kind not in ("wrong", "uses") or self._reached:
            return False
        return self.answer.passed is True

    @property
    def _reached(self) -> bool:
        return self.answer.passed is True and "reached" in self.specimen.harms

    @property
    def harms(self) -> frozenset[str]:
        """Kinds of harm it did, to the target or around it."""
        harms = self.answer.harms | ({"reached"} if self._reached else set())
        return harms | ({self.answer.ending} & {"hung", "died"})

    @property
    def refused(self) -> bool:
        """A right program that was not called right."""
        return (
            self.specimen.should_pass and self.answer.ending != "skipped" and not self.answer.passed
        )

    @property
    def unclear(self) -> bool:
        """A wrong program that kept the target from saying anything about it."""
        unsaid = self.answer.ending == "answered" and self.answer.passed is None
        return not self.specimen.should_pass and (unsaid or self.answer.ending == "raised")


class SequenceResult(NamedTuple):
    """A sequence and what came of its steps."""

    sequence: Sequence
    results: list[Result]

    @property
    def broken(self) -> bool:
        """One program helped or hurt a later one."""
        return any(result.cheated or result.refused or result.harms for result in self.results)
