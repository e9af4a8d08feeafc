"""One audit: every program of a corpus against one target."""

from __future__ import annotations

from collections.abc import Callable

from codealign.audit.answers import Result, SequenceResult
from codealign.audit.corpus import Corpus, Sequence, Specimen
from codealign.audit.report import Report
from codealign.audit.targets import Target


def audit(
    target: Target, corpus: Corpus, *, on_result: Callable[[], None] = lambda: None
) -> Report:
    """Run every program, then every sequence; the target is started and closed here.

    Args:
        on_result: called after each program and each sequence.

    Raises:
        CodealignError: the target can't be had, or its harness failed.
    """
    try:
        target.start()
        results: list[Result] = []
        for result in target.results(present(corpus.specimens)):
            results.append(result)
            on_result()
        sequences: list[SequenceResult] = []
        for sequence in filter(_is_present, corpus.sequences):
            sequences.append(SequenceResult(sequence, target.run_sequence(sequence)))
            on_result()
    finally:
        target.close()
    return Report(target.name, target.notes, results, sequences)


def present(specimens: list[Specimen]) -> list[Specimen]:
    """Those that find here what they need."""
    return [specimen for specimen in specimens if not specimen.missing]


def _is_present(sequence: Sequence) -> bool:
    return len(present(sequence.steps)) == len(sequence.steps)
