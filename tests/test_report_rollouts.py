"""The report on a run that learns from its own rollouts: what it drew, and whether it learns to cheat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from codealign.cli import main
from codealign.errors import DataError
from codealign.pipeline import Run
from codealign.progress import Progress
from codealign.records import OUTCOMES, append_rows, write_records
from codealign.report import ReportData, render_report, render_table, write_report
from codealign.report.curves import curves
from codealign.report.rollouts import rollout_courses, rollout_notices
from codealign.results import summarise_run, violations
from codealign.rundir import RunDir
from tests.browser import Browser, chromium_path
from tests.rollouts_fixture import (
    CHEAT,
    make_online_data,
    make_rollout_metrics,
    make_rollouts,
    online_config,
)
from tests.test_report import HOSTILE, Tags, text_of


@pytest.fixture(scope="module")
def cheating() -> ReportData:
    return make_online_data(num_problems=20)


@pytest.fixture(scope="module")
def honest() -> ReportData:
    return make_online_data(honest=True, num_problems=20)


def iterations(**columns: list[float]) -> list[dict[str, Any]]:
    """Metrics rows of iterations of one step each; two underscores in a name are a slash."""
    lengths = {len(values) for values in columns.values()}
    return [
        {"step": i + 1, **{name.replace("__", "/"): v[i] for name, v in columns.items()}}
        for i in range(max(lengths))
    ]


def notices_of(**columns: list[float]) -> list[tuple[str, str]]:
    data = ReportData(metrics=iterations(**columns))
    return [(severity, text) for severity, text in rollout_notices(data)]


def printed(data: ReportData | dict[str, Any], width: int = 100) -> str:
    stream = StringIO()
    Console(file=stream, width=width).print(render_table(data))
    return stream.getvalue()


# ---- how the measures went


def test_first_and_last_are_means_over_a_third_of_the_iterations_and_at_most_five() -> None:
    of_six = rollout_courses(iterations(reward=[0.0, 0.2, 0.9, 0.1, 0.4, 0.6]))
    assert of_six["mean_of"] == 2
    course = of_six["courses"]["reward"]
    assert course == pytest.approx({"first": 0.1, "last": 0.5, "low": 0.0, "high": 0.9})
    assert rollout_courses(iterations(reward=[0.0] * 90))["mean_of"] == 5
    assert rollout_courses(iterations(reward=[0.5]))["courses"]["reward"]["last"] == 0.5


def test_steps_that_gather_nothing_and_runs_without_rollouts_do_not_count() -> None:
    rows = [{"step": 1, "reward": 0.2}, {"step": 2, "loss": 0.1}, {"step": 3, "reward": 0.4}]
    assert rollout_courses(rows)["courses"]["reward"]["last"] == 0.4
    assert rollout_courses([{"step": 1, "loss": 0.1, "eval_pass@1": 0.4}]) == {}


def test_an_evaluation_is_no_mean() -> None:
    rows = [{"step": step, "reward": 0.5} for step in range(1, 10)]
    rows += [{"step": 5, "eval_pass@1": 0.3}, {"step": 9, "eval_pass@1": 0.7}]
    course = rollout_courses(rows)["courses"]["eval_pass@1"]
    assert (course["first"], course["last"]) == (0.3, 0.7)


# ---- what to be wary of


@pytest.mark.parametrize(
    ("shares", "severity", "said"),
    [
        (
            [0.01, 0.05, 0.4],
            "warning",
            "is trying to cheat: 1.0% of its completions at first, 40.0%",
        ),
        ([0.02, 0.02, 0.02], "warning", "is trying to cheat"),
        ([0.08, 0.02, 0.0], "note", "tried to cheat, and does so less now: 8.0%"),
        ([0.0, 0.002, 0.002], "note", "may be trying to cheat"),
    ],
)
def test_programs_that_try_something_forbidden_are_spoken_of(
    shares: list[float], severity: str, said: str
) -> None:
    [(found, text)] = notices_of(reward=[0.5, 0.5, 0.5], exec__violation=shares)
    assert found == severity
    assert said in text
    assert "codealign show RUN rollouts --outcome violation" in text


def test_an_honest_run_trips_nothing() -> None:
    assert (
        notices_of(
            reward=[0.4, 0.5, 0.6],
            exec__passed=[0.4, 0.5, 0.6],
            exec__violation=[0.0, 0.0, 0.0],
            completions__clipped_ratio=[0.02, 0.03, 0.04],
            completions__mean_length=[60.0, 64.0, 66.0],
        )
        == []
    )


@pytest.mark.parametrize(
    ("rewards", "passed", "warns"),
    [
        ([0.4, 0.6, 0.8], [0.4, 0.3, 0.2], True),
        ([0.4, 0.6, 0.8], [0.4, 0.38, 0.36], False),  # less than chance tells
        ([0.4, 0.3, 0.2], [0.4, 0.3, 0.2], False),  # it gets worse, and is not paid for it
    ],
)
def test_a_reward_that_rises_while_less_passes_is_called_so(
    rewards: list[float], passed: list[float], warns: bool
) -> None:
    found = notices_of(reward=rewards, exec__passed=passed)
    assert [severity for severity, _ in found] == ["warning"] * warns
    assert all("pays for something other than passing" in text for _, text in found)


@pytest.mark.parametrize(
    ("scores", "warns"), [([0.5, 0.3], True), ([0.5, 0.47], False), ([0.3, 0.5], False)]
)
def test_a_reward_that_rises_while_validation_falls_is_called_so(
    scores: list[float], warns: bool
) -> None:
    rows = iterations(reward=[0.2, 0.4, 0.6])
    rows += [
        {"step": step, "eval_pass@1": score} for step, score in zip((0, 3), scores, strict=True)
    ]
    found = rollout_notices(ReportData(metrics=rows))
    assert len(found) == warns
    assert all("fell from 50.0% at best to 30.0%" in notice.text for notice in found)


def test_completions_that_outgrow_their_limit_are_spoken_of() -> None:
    [(severity, text)] = notices_of(
        reward=[0.5, 0.5, 0.5],
        completions__clipped_ratio=[0.02, 0.1, 0.2],
        completions__mean_length=[60.0, 90.0, 130.0],
    )
    assert severity == "warning"
    assert "2.0% at first, 20.0% at last, 60 tokens long at first and 130 at last" in text
    assert "sample.max_new_tokens" in text


# ---- curves


def test_outcomes_are_shares_of_one_whole_and_absent_ones_are_left_out() -> None:
    rows = make_rollout_metrics(4)
    charts = {chart.title: chart for chart in curves(rows, None).charts}
    outcomes = charts["Outcomes of an iteration"]
    assert outcomes.stacked
    assert outcomes.steps == [1, 5, 9, 13]
    keys = [line.key.removeprefix("exec/") for line in outcomes.series]
    assert keys == [name for name in OUTCOMES if name in keys], (
        "passed at the bottom, violation on top"
    )
    assert "memory" not in keys
    assert [
        sum(values) for values in zip(*(line.values for line in outcomes.series), strict=True)
    ] == (pytest.approx([1.0] * 4))
    assert not any(chart.stacked for title, chart in charts.items() if chart is not outcomes)


def test_forbidden_things_have_a_chart_where_there_are_some() -> None:
    def titles(share: float) -> list[str]:
        rows = iterations(reward=[0.5], exec__passed=[0.5], exec__violation=[share])
        return [chart.title for chart in curves(rows, None).charts]

    assert "Tried something forbidden" in titles(0.1)
    assert "Tried something forbidden" not in titles(0.0)


def test_every_metric_of_a_policy_gradient_has_a_chart_with_words() -> None:
    found = curves(make_rollout_metrics(4), None)
    assert [chart.title for chart in found.others] == ["advantages", "completion_length"]


# ---- the page


def test_the_page_shows_how_rollouts_went_and_what_was_tried(cheating: ReportData) -> None:
    page = render_report(cheating)
    text = text_of(page)
    assert "First and last are means over 5 iterations" in text
    assert "tried something forbidden 4.9% 41.4%" in text
    assert "Warning. The policy is trying to cheat" in text
    assert "iteration 19, kata/train/7 #2: wrote on the judge's channel; reward 1" in text
    assert CHEAT.splitlines()[1].strip() in text
    assert "#rollouts" in page


def test_warnings_stand_before_notes(cheating: ReportData) -> None:
    text = text_of(render_report(cheating.model_copy(update={"violations": []})))
    assert text.index("The policy is trying to cheat") < text.index("Note.")
    assert "What it tried" not in text


def test_a_run_of_rollouts_misses_no_pairs(honest: ReportData, cheating: ReportData) -> None:
    for data in (honest, cheating):
        assert "Not in this page" not in text_of(render_report(data))
    offline = honest.model_copy(update={"config": {}})
    assert "Not in this page: Pairs" in text_of(render_report(offline))


def test_the_facts_are_those_of_rollouts(honest: ReportData) -> None:
    text = text_of(render_report(honest))
    assert "Rollouts 20 iterations × 64 problems × 8 samples, 4 steps each" in text
    assert "Reward binary" in text
    assert "Drawn 10,240 completions, 611,480 tokens" in text
    assert "pairs a step" not in text
    assert "Pairs random" not in text


def test_pairs_made_of_rollouts_are_a_fact(honest: ReportData) -> None:
    config = honest.config | {"train": honest.config["train"] | {"objective": {"kind": "dpo"}}}
    text = text_of(render_report(honest.model_copy(update={"config": config})))
    assert "Pairs random" in text


def test_what_a_policy_wrote_is_text(cheating: ReportData) -> None:
    hostile = make_rollouts()[2].model_copy(
        update={"program": HOSTILE, "message": HOSTILE, "task_id": HOSTILE}
    )
    page = render_report(cheating.model_copy(update={"violations": [hostile]}))
    assert "img" not in Tags(page).names
    assert HOSTILE.replace("\u2028", " ").strip() in text_of(page).replace("\u2028", " ")


# ---- the terminal


def test_the_table_is_made_of_the_summary_alone(cheating: ReportData) -> None:
    table = printed(cheating.summary)
    assert "Rollouts" in table
    assert "tried something forbidden" in table
    assert "warning: The policy is trying to cheat" in " ".join(table.split())
    assert max(map(len, printed(cheating.summary, width=60).splitlines())) <= 60


def test_a_summary_of_another_shape_is_refused_with_the_place() -> None:
    with pytest.raises(DataError, match="summary, rollouts"):
        printed({"rollouts": {"courses": {"reward": 1}}})


# ---- a run directory


def run_in(directory: Path) -> Run:
    return Run(online_config(), RunDir(directory), Progress(directory / "run.log", quiet=True))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "online"
    directory.mkdir()
    (directory / "config.json").write_text(online_config().model_dump_json())
    with run_in(directory).stage("train"):
        pass  # it has begun, and what follows is its own
    with (directory / "metrics.jsonl").open("w") as file:
        append_rows(file, make_rollout_metrics(3))
    for number in range(3):
        rows = make_rollouts(number)
        write_records(directory / "rollouts" / f"iteration-{number:05d}.jsonl", rows)
    return directory


def ask(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    try:
        main([str(word) for word in words])
        code = 0
    except SystemExit as exited:
        code = int(exited.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_show_gives_rollouts_the_latest_first(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["show", run_dir, "rollouts", "--outcome", "violation"]
    code, out, err = ask(capsys, *words, "-n", 1)
    assert code == 0
    assert "── kata/train/7 #2: violation (0/8), iteration 2, reward 1\n" in out
    assert CHEAT.strip() in out
    assert "(2 more; -n 3 shows all)" in err
    shown = json.loads(ask(capsys, *words, "--iteration", 1, "--json")[1])
    assert [row["iteration"] for row in shown["rollouts"]] == [1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rollouts --iteration 3", "no rollouts there that fit"),
        ("verdicts --iteration 1", "verdicts have no iteration"),
        ("summary --iteration 1", "--iteration would be ignored"),
    ],
)
def test_rollouts_that_can_not_be_shown_are_said_so(
    run_dir: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    code, out, err = ask(capsys, "show", run_dir, *words.split())
    assert (code, out) == (2, "")
    assert message in err


def test_a_report_is_written_of_a_run_at_work(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = ask(capsys, "report", run_dir)
    assert code == 0, err
    text = text_of((run_dir / "report.html").read_text())
    assert "The first and the last iteration" in text
    assert "iteration 2, kata/train/7 #2" in text
    summary = summarise_run(run_in(run_dir))
    assert summary["rollouts"] == rollout_courses(make_rollout_metrics(3))


def test_the_latest_violations_are_taken_up_to_a_limit(run_dir: Path) -> None:
    assert [row.iteration for row in violations(run_dir, limit=2)] == [2, 1]  # type: ignore[attr-defined]
    assert violations(run_dir / "nothing") == []


# ---- in a real browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium_path()
    if executable is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with Browser(executable) as opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_runs_without_complaint(
    browser: Browser, cheating: ReportData, tmp_path: Path, width: int, dark: bool
) -> None:
    write_report(cheating, tmp_path / "report.html")
    browser.open(tmp_path / "report.html", width=width, dark=dark)
    assert browser.complaints == []
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    readouts = browser.evaluate(
        "[...document.querySelectorAll('.readout')].map((r) => r.textContent)"
    )
    [outcomes] = [text for text in readouts if "exec/passed" in text]
    assert "exec/violation 50.3%" in outcomes
