"""A comparison's tables, page and picture say what comparison.json says, and no more than its intervals allow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from codealign.cli import main
from codealign.errors import DataError, InputError
from codealign.report.axes import axis_over
from codealign.report.comparing import (
    ComparisonData,
    comparison_data,
    render_comparison,
    render_comparison_page,
    render_curves_svg,
    write_comparison_page,
)
from codealign.report.comparing.dots import dot_charts
from codealign.report.comparing.findings import headlines, meaning, notices
from codealign.report.comparing.panels import multiples
from codealign.report.numbers import percent, points, points_interval, signed
from tests.browser import Browser, chromium_path
from tests.comparison_fixture import make_comparison
from tests.test_report import HOSTILE, Tags, text_of


@pytest.fixture(scope="module")
def data() -> ComparisonData:
    return make_comparison(num_methods=16, num_steps=90)


@pytest.fixture(scope="module")
def page(data: ComparisonData) -> str:
    return render_comparison_page(data)


def change(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "p": 0.5, "num_problems": 200, "seeds": [0]}


def summary_of(*differences: tuple[float, float, float], seeds: int = 1) -> dict[str, Any]:
    """A baseline that gained 10 ± 5 points, and a rival for each difference to it."""
    runs = {
        str(seed): {"greedy_pass@1": {"base": 0.5, "aligned": 0.6, "gain": 0.1}}
        for seed in range(seeds)
    }
    score = {"base": 0.5, "aligned": 0.6, "gain": change(0.1, 0.05, 0.15)}
    methods: dict[str, Any] = {"dpo": {"seeds": deepcopy(runs), "greedy_pass@1": score}}
    for number, difference in enumerate(differences):
        own = {**score, "difference": change(*difference)}
        methods[f"rival_{number}"] = {"seeds": deepcopy(runs), "greedy_pass@1": own}
    return {
        "name": "mine",
        "run_dir": "runs/mine",
        "baseline": "dpo",
        "seeds": list(range(seeds)),
        "confidence": 0.95,
        "metrics": {"greedy_pass@1": 1},
        "methods": methods,
        "missing": [],
    }


# ---- the terminal


def printed(data: ComparisonData, width: int) -> str:
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(render_comparison(data))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_tables_fit_a_terminal_and_cut_nothing_off(data: ComparisonData, width: int) -> None:
    table = printed(data, width)
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in table
    for method in data.methods.values():
        assert percent(method.scores["greedy_pass@1"].aligned) in table


@pytest.mark.parametrize("width", [80, 120])
def test_a_method_is_one_line_of_a_table_from_80_columns(data: ComparisonData, width: int) -> None:
    lines = [" ".join(line.split()) for line in printed(data, width).splitlines()]
    for name, method in data.methods.items():
        score = method.scores["pass@1"]
        expected = f"{name} {percent(score.aligned)} {points(score.gain.value)}"
        assert any(line.startswith(f"{expected} {points_interval(score.gain)}") for line in lines)


def test_the_table_of_one_method_has_no_difference_and_names_what_is_not_done() -> None:
    summary = summary_of() | {"missing": ["rft, seed 0"]}
    table = printed(comparison_data(summary), 80)
    assert "minus" not in table
    assert "Not done, and in no number here: rft, seed 0." in table


def test_a_method_without_a_score_is_left_out_of_its_table_only() -> None:
    summary = summary_of((0.1, 0.05, 0.2))
    del summary["methods"]["rival_0"]["greedy_pass@1"]
    data = comparison_data(summary)
    # in the tables of cost and of movement
    assert printed(data, 80).count("rival_0") == 2
    assert "rival_0" in text_of(render_comparison_page(data))


# ---- what is said


def test_an_interval_with_zero_is_not_called_a_difference() -> None:
    data = comparison_data(summary_of((0.04, -0.01, 0.09), (0.05, 0.0, 0.1)))
    said = " ".join(meaning(data))
    assert "Against dpo, by greedy pass@1, for both methods the interval includes zero" in said
    assert "better" not in said.replace("looks better than it is", "")
    assert headlines(data)[1].tone == "open"


def test_only_intervals_decide_who_did_better_or_worse() -> None:
    data = comparison_data(summary_of((0.04, 0.01, 0.09), (-0.05, -0.1, -0.01), (0.5, -0.1, 0.9)))
    said = " ".join(meaning(data))
    assert (
        "Against dpo, by greedy pass@1, rival_0 did better; rival_1 did worse; "
        "for the other one the interval includes zero: no difference is shown." in said
    )
    # of 3 intervals at 95 %, 3 · 0.05 would exclude zero by chance
    assert "of 3 differences to dpo about 0.15 would exclude zero by chance" in said
    better_than_base, better_than_dpo = headlines(data)
    assert (better_than_base.value, better_than_base.tone) == ("4 of 4", "better")
    assert (better_than_dpo.value, better_than_dpo.tone) == ("1 of 3", "plain")


def test_one_seed_and_few_problems_are_said() -> None:
    data = comparison_data(summary_of((0.0, 0.0, 0.0)))
    assert "There is one seed" in meaning(data)[-1]
    summary = summary_of()
    summary["methods"]["dpo"]["greedy_pass@1"]["gain"]["num_problems"] = 20
    assert "Only 20 held-out problems" in notices(comparison_data(summary))[-1].text


def test_methods_under_which_both_sides_sank_are_named() -> None:
    summary = summary_of((0.0, 0.0, 0.0))
    summary["methods"]["rival_0"]["seeds"]["0"] |= {
        "log_ratio_chosen": -2.0,
        "log_ratio_rejected": -6.0,
    }
    (note,) = notices(comparison_data(summary))
    assert "along with the rejected one under rival_0: docs/chosen_reward.md" in note.text


def test_a_missing_baseline_and_missing_runs_are_warned_of() -> None:
    summary = summary_of() | {"baseline": "ipo", "missing": ["ipo, seed 0"]}
    assert [notice.severity for notice in notices(comparison_data(summary))] == ["warning"] * 2


# ---- the page


def test_the_numbers_of_the_page_are_those_of_the_file(data: ComparisonData, page: str) -> None:
    text = text_of(page)
    for name, method in data.methods.items():
        for score in method.scores.values():
            numbers = [percent(score.base), percent(score.aligned)]
            for found in (score.gain, score.difference):
                numbers += [points(found.value), points_interval(found)] if found else ["–"]
            assert f"{name} {' '.join(numbers)}" in text


def test_each_seed_is_a_dot_and_zero_is_where_it_belongs(data: ComparisonData) -> None:
    greedy, sampled = dot_charts(data, "gain")
    assert greedy.ticks == sampled.ticks, "one axis for both"
    for chart, score in ((greedy, "greedy_pass@1"), (sampled, "pass@1")):
        for row in chart.rows:
            gain = data.methods[row.method].scores[score].gain
            assert len(row.seeds) == len(data.seeds)
            assert row.low <= row.dot <= row.high
            assert (row.dot > chart.zero) == (gain.value > 0)
    assert [row.method for row in dot_charts(data, "difference")[0].rows] == data.rivals


def test_every_chart_is_said_in_words(page: str, data: ComparisonData) -> None:
    pictures = [attributes for _, attributes in Tags(page).tags if attributes.get("role") == "img"]
    assert len(pictures) == 4 + sum(len(m.panels) + len(m.own_panels) for m in multiples(data))
    assert all(attributes["aria-label"] for attributes in pictures)
    gain = data.methods["dpo"].scores["greedy_pass@1"].gain
    assert f"dpo {points(gain.value)} points, interval {points_interval(gain)}" in page


def test_the_page_links_to_each_run_and_asks_for_nothing(page: str, data: ComparisonData) -> None:
    links = [attributes["href"] for name, attributes in Tags(page).tags if name == "a"]
    relative = [link for link in links if link and not link.startswith("#")]
    assert relative == [f"{m}/seed-{s}/report.html" for m in data.methods for s in data.seeds]
    assert Tags(page).names.isdisjoint({"script", "link", "iframe", "object", "img", "base"})
    assert "script-src 'none'" in page.replace("&#39;", "'")


def test_names_are_escaped_in_text_links_and_pictures() -> None:
    summary = summary_of()
    summary["methods"] = {HOSTILE: summary["methods"]["dpo"]}
    rows = {HOSTILE: {0: [{"step": n, "log_ratio/chosen": 0.1 * n} for n in (1, 2)]}}
    data = comparison_data(summary | {"baseline": HOSTILE}, rows)
    tags = Tags(render_comparison_page(data))
    assert tags.names.isdisjoint({"script", "img"})
    assert not any(name.startswith("on") for _, attributes in tags.tags for name in attributes)
    (link,) = [a["href"] for name, a in tags.tags if name == "a" and "seed-0" in (a["href"] or "")]
    assert re.fullmatch(r"[\w/%.-]+", link or "")
    ElementTree.fromstring(render_curves_svg(data))


@pytest.mark.parametrize(("num_methods", "num_seeds"), [(1, 1), (1, 3), (2, 1)])
def test_one_method_or_one_seed_makes_a_page(num_methods: int, num_seeds: int) -> None:
    data = make_comparison(num_methods, num_seeds, num_steps=4, num_problems=8)
    text = text_of(render_comparison_page(data))
    assert ("Difference to dpo" in text) == (num_methods > 1)
    assert ("There is one seed" in text) == (num_seeds == 1)


def test_a_comparison_without_curves_has_no_section_of_them() -> None:
    data = comparison_data(summary_of((0.1, 0.05, 0.2)))
    ids = [attributes.get("id") for _, attributes in Tags(render_comparison_page(data)).tags]
    assert "curves" not in ids
    with pytest.raises(InputError, match="no run has log-ratios"):
        render_curves_svg(data)


def test_a_summary_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="confidence"):
        comparison_data({key: v for key, v in summary_of().items() if key != "confidence"})


# ---- curves


def test_the_mean_is_over_the_steps_that_every_seed_has() -> None:
    rows = {
        "dpo": {
            0: [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 9.0}],
            1: [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 4.0}, {"step": 4, "eval_pass@1": 1}],
        }
    }
    validation, loss = multiples(comparison_data(summary_of(seeds=2), rows))
    assert (validation.spec.keys, loss.spec.keys) == (("eval_pass@1",), ("loss",))
    # (1 + 3)/2 and (2 + 4)/2; step 3 is of one seed only
    assert loss.panels[0].summary == "dpo: loss 2 at first, 3 at last (mean of 2 seeds)"
    assert [line.role for line in loss.panels[0].lines] == ["seed", "seed", "mean"]


def test_log_ratios_share_an_axis_and_losses_do_not(data: ComparisonData) -> None:
    by_key = {found.spec.keys[0]: found for found in multiples(data)}
    ratios, loss = by_key["log_ratio/chosen"], by_key["loss"]
    assert len({tuple(panel.y_ticks) for panel in ratios.panels}) == 1
    assert len({tuple(panel.y_ticks) for panel in loss.panels}) > 1
    assert ratios.without == [
        name for name in data.methods if name not in {panel.method for panel in ratios.panels}
    ]
    assert not loss.own_panels


def test_what_rollouts_passed_is_drawn_on_one_axis_whatever_their_rewards() -> None:
    rows = {
        "dpo": {0: [{"step": 1, "exec/passed": 0.25}, {"step": 5, "exec/passed": 0.5}]},
        "rival_0": {0: [{"step": 1, "exec/passed": 0.5}, {"step": 5, "exec/passed": 1.0}]},
        "rival_1": {0: [{"step": 1, "loss": 1.0}]},
    }
    data = comparison_data(summary_of((0.1, 0.05, 0.2), (0.1, 0.05, 0.2)), rows)
    passed, _loss = multiples(data)
    assert passed.spec.title == "Completions drawn that passed"
    assert passed.panels[0].summary == "dpo: exec/passed 25.0% at first, 50.0% at last (one seed)"
    assert passed.panels[0].y_ticks == passed.panels[1].y_ticks
    assert passed.without == ["rival_1"]


def test_the_picture_stands_alone_in_light_and_dark(data: ComparisonData) -> None:
    picture = render_curves_svg(data)
    tree = ElementTree.fromstring(picture)
    assert tree.tag.endswith("svg")
    assert "prefers-color-scheme: dark" in picture
    assert "var(" not in picture, "some viewers of images know no style variables"
    assert not re.search(r"(href|src)=|url\(|@import", picture)
    names = [node.text for node in tree.iter() if node.get("class") == "method"]
    assert names == [panel.method for panel in multiples(data)[0].panels]


def test_the_picture_has_the_methods_and_axes_that_were_asked_for(data: ComparisonData) -> None:
    def texts(role: str, picture: str) -> list[str | None]:
        return [n.text for n in ElementTree.fromstring(picture).iter() if n.get("class") == role]

    chosen = render_curves_svg(data, ["ipo", "dpo"])
    assert texts("method", chosen) == ["dpo", "ipo"], "as the comparison lists them"
    assert "dpo, in the other panels" in texts("legend", chosen)
    alone = render_curves_svg(data, ["ipo", "simpo"], own_axes=True)
    assert texts("legend", alone)[2:] == ["each panel on an axis of its own"]
    assert "−30" in chosen.split("ipo</text>")[0], "the axis of dpo's panel reaches as far as ipo's"
    assert (
        "−30" not in render_curves_svg(data, ["ipo", "dpo"], own_axes=True).split("ipo</text>")[0]
    )
    with pytest.raises(InputError, match="no method nonsense"):
        render_curves_svg(data, ["nonsense"])


@pytest.mark.parametrize(
    ("values", "ticks", "labels"),
    [
        ((0.0, 10.0), (0, 2, 4, 6, 8, 10), ("0", "2", "4", "6", "8", "10")),
        ((-0.2, 0.1), (-0.2, -0.1, 0, 0.1), ("−0.2", "−0.1", "0", "0.1")),
        ((3.0, 3.0), (2, 3, 4), ("2", "3", "4")),
    ],
)
def test_ticks_are_round_numbers(values: tuple, ticks: tuple, labels: tuple) -> None:
    axis = axis_over(values, num_ticks=5, room=0)
    assert axis.ticks == pytest.approx(ticks)
    assert tuple(axis.label(tick) for tick in axis.ticks) == labels


def test_changes_are_written_with_their_sign() -> None:
    assert [signed(x, 2) for x in (0.034, -1.2, 0.001, -0.001)] == [
        "+0.03",
        "−1.20",
        "0.00",
        "0.00",
    ]


# ---- files and the command line


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A comparison as `codealign compare` leaves it, one method of it with a run."""
    (tmp_path / "comparison.json").write_text(json.dumps(summary_of((0.1, 0.05, 0.2))))
    run = tmp_path / "dpo" / "seed-0"
    run.mkdir(parents=True)
    rows = [{"step": n, "log_ratio/chosen": 0.1 * n, "log_ratio/rejected": -n} for n in (1, 2, 3)]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


def test_report_writes_the_page_of_a_comparison_again(directory: Path) -> None:
    main(["report", str(directory)])
    text = text_of((directory / "comparison.html").read_text())
    assert "mine: 2 methods compared" in text
    assert "Not logged by rival_0." in text


def test_report_writes_the_picture_where_it_is_asked_to(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = directory / "docs" / "curves.svg"
    main(["report", str(directory), "--svg", str(target), "--json"])
    assert json.loads(capsys.readouterr().out) == {"report": str(target)}
    ElementTree.fromstring(target.read_text())
    assert not (directory / "comparison.html").exists()


def test_the_picture_of_a_single_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["report", "--svg", "curves.svg"])
    assert "--svg would be ignored here" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["report", "--method", "dpo", "--own-axes"])
    assert "--method, --own-axes would be ignored here" in capsys.readouterr().err


# ---- in a real browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium_path()
    if executable is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with Browser(executable) as opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_is_shown_without_complaint_or_request(
    browser: Browser, data: ComparisonData, tmp_path: Path, width: int, dark: bool
) -> None:
    path = tmp_path / "comparison.html"
    write_comparison_page(data, path)
    browser.open(path, width=width, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    outside = browser.evaluate(
        "[...document.querySelectorAll('.dot, .seed-dot')].filter(dot => {"
        " const [a, b] = [dot, dot.parentElement].map(node => node.getBoundingClientRect());"
        " return a.right < b.left || a.left > b.right; }).length"
    )
    assert outside == 0
    assert browser.evaluate("getComputedStyle(document.querySelector('.panel .mean')).stroke") == (
        "rgb(95, 201, 194)" if dark else "rgb(11, 110, 117)"
    )
