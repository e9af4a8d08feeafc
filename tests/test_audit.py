"""`codealign audit`: the corpus is what it says, our judge lets none of it through, and other targets are read right."""

from __future__ import annotations

from pathlib import Path

import pytest

from codealign.audit import TASKS, load_corpus
from codealign.audit.corpus import read_specimen
from codealign.errors import DataError
from codealign.judging import Candidate, Judge


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_reference_passes_and_every_stub_fails_in_every_style() -> None:
    candidates = [
        (right, Candidate(problem, program))
        for task in TASKS.values()
        for problem in (task.problem, task.assert_problem, task.call_problem)
        if problem is not None
        for right, program in ((True, task.reference), (False, task.stub))
    ]
    with Judge() as judge:
        verdicts = judge.verdicts(candidate for _, candidate in candidates)
        for (right, candidate), verdict in zip(candidates, verdicts, strict=True):
            assert verdict.passed == right, (candidate, verdict)


def test_the_header_of_a_program_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.py", "# task: add\n# tries: much\n# harm: marker process\nadd = 1\n")
    specimen = read_specimen(path, "x", "wrong", "early_exit")
    assert (specimen.task, specimen.about) == ("add", "much")
    assert specimen.harms == {"marker", "process"}
    assert specimen.source == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "add = 1\n",
        "# task: add\nadd = 1\n",
        "# task: subtract\n# tries: x\n",
        "# task: add\n# tries: x\n# harm: noise\n",
        "# task: add\n# tries: x\n# color: red\n",
    ],
)
def test_a_program_with_a_wrong_header_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_specimen(write(tmp_path / "x.py", text), "x", "wrong", "early_exit")


def test_only_takes_categories_and_names() -> None:
    corpus = load_corpus()
    assert corpus.only(("honest",)).honest == corpus.honest
    assert not corpus.only(("honest",)).wrong
    [one] = corpus.only(("os_exit_in_call",)).wrong
    assert one.category == "early_exit"
    with pytest.raises(DataError):
        corpus.only(("no such thing",))
