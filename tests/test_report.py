"""The report says what the numbers say, shows what a model wrote without running it, and needs no network."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from codealign.errors import CodealignError, DataError, StorageError
from codealign.records import OUTCOMES, Pair, Verdict
from codealign.report import Gain, ReportData, render_report, render_table, write_report
from codealign.report import vendored as vendored_module
from codealign.report.breakdown import OUTCOME_MEANINGS
from codealign.report.browser import (
    MAX_CHARS,
    MAX_PAIRS,
    pair_browser,
    reason_groups,
    split_message,
)
from codealign.report.curves import MAX_POINTS, curves, last_mean
from codealign.report.findings import tone_of
from codealign.report.html import TEMPLATES_DIR
from codealign.report.movement import Rate, level_of, movement, natural_key, rates
from codealign.report.numbers import duration, points
from codealign.report.shading import LEVELS, weighed_side
from codealign.report.vendored import VENDOR_DIR, read_manifest, sha256, vendored_text
from codealign.report.weights import token_weights
from tests.browser import Browser, chromium_path
from tests.report_fixture import make_pair, make_report_data

HOSTILE = "</script><script>window.owned=1</script><img src=x onerror='window.owned=1'>\"'&\u2028"


@pytest.fixture(scope="module")
def data() -> ReportData:
    return make_report_data(num_problems=60, num_pairs=40)


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return render_report(data)


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text of its data blocks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, str] = {}
        self._block: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self._block = attributes.get("id") if attributes.get("type") == "application/json" else None

    def handle_data(self, data: str) -> None:
        if self._block:
            self.blocks[self._block] = self.blocks.get(self._block, "") + data

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.tags}


def text_of(page: str) -> str:
    """The page's text on one line, without tags, styles and scripts."""
    body = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def verdicts(**passed_by_task: list[int]) -> list[Verdict]:
    """One verdict per number: 1 passed, 0 failed, -1 not judged."""
    outcome = {1: "passed", 0: "failed", -1: "not_judged"}
    return [
        Verdict(
            task_id=task,
            sample_index=index,
            outcome=outcome[number],
            passed=number == 1,  # type: ignore[arg-type]
        )
        for task, numbers in passed_by_task.items()
        for index, number in enumerate(numbers)
    ]


# ---- what the numbers say


def test_the_headline_is_the_gain_in_points_with_interval_and_p() -> None:
    summary = {
        "base": {"greedy_pass@1": 0.25},
        "aligned": {"greedy_pass@1": 0.75},
        "gain": {"greedy_pass@1": {"value": 0.5, "low": 0.125, "high": 0.875, "p": 0.0312}},
    }
    config = {"eval": {"confidence": 0.9}}
    text = text_of(render_report(ReportData(summary=summary, config=config)))
    assert "Change in greedy pass@1 +50.0 points" in text
    assert "25.0% → 75.0% · 90% interval +12.5 to +87.5 · p = 0.031" in text
    assert "larger than the choice of problems explains" in text


def test_the_heading_is_the_title_or_the_name_of_the_run() -> None:
    assert ReportData(config={"name": "mine"}).heading == "codealign: mine"
    assert ReportData(config={"name": "mine"}, title="Ours").heading == "Ours"


@pytest.mark.parametrize(
    ("gain", "tone"),
    [
        (Gain(value=0.1, low=0.02, high=0.2), "better"),
        (Gain(value=-0.1, low=-0.2, high=-0.02), "worse"),
        (Gain(value=0.1, low=-0.01, high=0.2), "open"),
        (Gain(value=0.1, low=0.0, high=0.2), "open"),
        (Gain(value=0.1), "open"),
    ],
)
def test_only_an_interval_without_zero_is_called_better_or_worse(gain: Gain, tone: str) -> None:
    assert tone_of(gain) == tone


def test_an_interval_with_zero_is_not_called_an_improvement() -> None:
    summary = {
        "base": {"pass@1": 0.5},
        "aligned": {"pass@1": 0.51},
        "gain": {"pass@1": {"value": 0.01, "low": -0.03, "high": 0.05, "p": 0.6}},
    }
    text = text_of(render_report(ReportData(summary=summary)))
    assert "The interval includes zero" in text
    assert "improvement" not in text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("kata:heldout", "synthetic stand-in"),
        ("humaneval", "is public"),
        ("mine.jsonl", "mine.jsonl"),
    ],
)
def test_the_page_says_what_the_problems_can_not_show(source: str, said: str) -> None:
    config = {"problems": {"heldout": source}}
    text = text_of(render_report(ReportData(config=config)))
    assert said in text
    assert ("synthetic" in text) == (source == "kata:heldout")


def test_numbers_are_written_as_people_read_them() -> None:
    assert [points(x) for x in (0.123, -0.04, 0.0004, -0.0004)] == ["+12.3", "−4.0", "0.0", "0.0"]
    assert [duration(s) for s in (0.42, 42.4, 185, 7620)] == [
        "0.4 s",
        "42 s",
        "3 min 05 s",
        "2 h 07 min",
    ]
    # 59.6 s rounds into the next unit, never to "60 s"
    assert [duration(s) for s in (59.6, 3599.7)] == ["1 min 00 s", "1 h 00 min"]


def test_training_warnings_are_on_the_page_once_with_their_step() -> None:
    metrics = [{"step": 7, "warning": "sinking"}, {"step": 9, "warning": "sinking"}]
    page = render_report(ReportData(metrics=metrics, summary={"warnings": ["step 7: sinking"]}))
    assert text_of(page).count("step 7: sinking") == 1
    assert "step 9" not in text_of(page)


def log_ratios(chosen: float, rejected: float) -> list[dict[str, Any]]:
    """Ten rows that fall, or rise, evenly to the given ends."""
    return [
        {"step": n, "log_ratio/chosen": chosen * n / 10, "log_ratio/rejected": rejected * n / 10}
        for n in range(1, 11)
    ]


@pytest.mark.parametrize(
    ("chosen", "rejected", "said"),
    [(-5.0, -10.0, True), (0.5, -10.0, False), (-0.05, -10.0, False), (-5.0, 1.0, False)],
)
def test_both_sides_becoming_less_likely_is_said_in_words(
    chosen: float, rejected: float, said: bool
) -> None:
    text = text_of(render_report(ReportData(metrics=log_ratios(chosen, rejected))))
    assert ("Chosen completions became less likely along with rejected ones" in text) == said
    # the last five of ten are 0.6 to 1.0 of the end: their mean is 0.8 of it
    assert ("log-ratios −4.00 and −8.00 nats" in text) == said
    assert ("docs/chosen_reward.md" in text) == said


@pytest.mark.parametrize(
    ("after", "said"), [(0.53, "rose from 0.5123 to 0.5300"), (0.5, "fell from 0.5123 to 0.5000")]
)
def test_the_likelihood_of_held_out_solutions_is_said_before_and_after(
    after: float, said: str
) -> None:
    stages = {"eval/base": {"solution_nll": 0.5123}, "eval/aligned": {"solution_nll": after}}
    assert said in text_of(render_report(ReportData(summary={"stages": stages})))
    assert said in " ".join(printed({"stages": stages}).split())
    half = {"eval/base": {"solution_nll": 0.5123}}
    assert "solutions" not in text_of(render_report(ReportData(summary={"stages": half})))


def test_stages_that_only_some_runs_have_say_what_they_are_for() -> None:
    stages = {
        "contrast/good": {"seconds": 5.0, "num_steps": 9, "num_tokens": 100},
        "annotate": {"seconds": 0.1, "num_pairs": 37, "mean_chosen_weight": 1.01},
    }
    config = {"token_weights": {"kind": "sft", "transform": {"kind": "exp", "mu": 1.0}}}
    text = text_of(render_report(ReportData(summary={"stages": stages}, config=config)))
    assert "the good model of token weights: 9 steps" in text
    assert "into the pairs what the objective asked for: 37 pairs" in text
    assert "Token weights sft (transform exp (mu 1))" in text
    plain = ReportData(config={"token_weights": {"kind": "none"}})
    assert "Token weights" not in text_of(render_report(plain))


def test_programs_that_could_not_be_judged_are_reported() -> None:
    data = ReportData(base_sampled=verdicts(a=[1, 0, -1, 1]))
    assert "1 of 4 programs of the base model could not be judged" in text_of(render_report(data))


def test_pairs_that_training_left_out_are_reported() -> None:
    stages = {"train": {"seconds": 1.0, "left_out": {"too_long": 12}}, "judge": {"left_out": {}}}
    text = text_of(render_report(ReportData(summary={"stages": stages})))
    assert "The stage train left out 12 too_long." in text
    assert "The stage judge" not in text


def test_weak_isolation_is_said_and_strong_is_not() -> None:
    assert "not shielded" in text_of(render_report(ReportData(summary={"isolation": "S0"})))
    assert "shielded" not in text_of(render_report(ReportData(summary={"isolation": "S3"})))


# ---- the parts


def test_every_outcome_has_a_meaning_and_a_colour() -> None:
    styles = (TEMPLATES_DIR / "report.css").read_text()
    assert set(OUTCOME_MEANINGS) == set(OUTCOMES)
    assert all(f".outcome-{outcome} {{" in styles for outcome in OUTCOMES)


def test_rates_leave_out_what_was_not_judged() -> None:
    assert rates(verdicts(a=[1, 0, -1, 1], b=[-1, -1])) == {"a": Rate(2, 3)}


def test_movement_counts_and_sorts_problems() -> None:
    data = ReportData(
        base_sampled=verdicts(up=[0, 0], same=[1, 0], down=[1, 1], alone=[1, 1]),
        aligned_sampled=verdicts(up=[1, 1], same=[0, 1], down=[1, 0]),
    )
    moved = movement(data)
    assert moved is not None
    assert [(move.task_id, move.change) for move in moved.moves] == [
        ("down", -0.5),
        ("same", 0.0),
        ("up", 1.0),
    ]
    assert (moved.num_improved, moved.num_same, moved.num_worsened) == (1, 1, 1)
    assert [tuple(cell) for cell in moved.cells] == [(0, 2, 1), (1, 1, 1), (2, 1, 1)]
    assert [move.task_id for move in moved.most_worsened] == ["down"]


def test_greedy_verdicts_stand_in_where_there_are_no_samples() -> None:
    moved = movement(ReportData(base_greedy=verdicts(a=[0]), aligned_greedy=verdicts(a=[1])))
    assert moved is not None
    assert (moved.source, moved.num_levels, moved.num_improved) == ("greedy", 1, 1)


def test_only_exact_rates_reach_the_ends_of_the_grid() -> None:
    # of 10 levels, 1/100 would round to 0 and 99/100 to 10: both stay one inside
    assert [level_of(Rate(n, 100), 10) for n in (0, 1, 50, 99, 100)] == [0, 1, 5, 9, 10]


def test_problems_sort_as_people_count() -> None:
    names = ["kata/10", "kata/9", "HumanEval/2"]
    assert sorted(names, key=natural_key) == ["HumanEval/2", "kata/9", "kata/10"]


def test_curves_keep_gaps_and_leave_out_what_is_not_a_number() -> None:
    metrics = [
        {"step": 1, "loss": 0.5, "exec/seconds": 2.0},
        {"step": 2, "loss": float("nan"), "eval_pass@1": 0.4},
        {"step": 3, "loss": 0.25},
        {"loss": 9.0},
    ]
    drawn = curves(metrics, collapse_log_ratio=-10.0)
    loss, validation = drawn.charts
    assert (loss.steps, loss.series[0].values) == ([1.0, 3.0], [0.5, 0.25])
    assert validation.series[0].values == [0.4]
    assert [chart.title for chart in drawn.others] == ["exec/seconds"]
    assert "0.5 at first, 0.25 at last" in loss.summary


def test_a_long_curve_is_thinned_by_averaging_neighbours() -> None:
    metrics = [{"step": step, "loss": float(step)} for step in range(2 * MAX_POINTS)]
    drawn = curves(metrics, None)
    # steps 0 and 1 average to 0.5 at step 1, 2 and 3 to 2.5 at step 3, …
    assert drawn.thinned
    assert drawn.charts[0].steps[:3] == [1.0, 3.0, 5.0]
    assert drawn.charts[0].series[0].values[:3] == [0.5, 2.5, 4.5]
    assert len(drawn.charts[0].steps) == MAX_POINTS


def test_keys_of_a_kind_share_a_chart_and_others_have_their_own() -> None:
    row = {"step": 1, "loss/dpo": 0.6, "loss/bco": 0.5, "reference_weight/0": 1.0, "gate_open": 0.5}
    drawn = curves([row], None)
    titles = {chart.title: [line.key for line in chart.series] for chart in drawn.charts}
    assert titles == {
        "Terms of the loss": ["loss/bco", "loss/dpo"],
        "Rejected sides still pushed down": ["gate_open"],
        "Weight of each reference": ["reference_weight/0"],
    }
    assert drawn.others == []


def test_the_last_value_is_the_mean_of_the_last_rows_that_have_it() -> None:
    rows = [{"step": n, "kl": float(n)} for n in range(10)] + [{"step": 10, "kl": float("nan")}]
    assert last_mean(rows, "kl") == 7.0, "5 to 9"
    assert last_mean(rows, "loss") is None


def weighed(chosen: list[float], rejected: list[float] | None = None) -> Pair:
    pair = Pair(prompt="p", chosen="c", rejected="r", task_id="t")
    return pair.model_copy(update={"chosen_weights": chosen, "rejected_weights": rejected})


def test_token_weights_are_counted_by_side() -> None:
    found = token_weights([weighed([0.5, 1.0, 1.0], [1.5]), weighed([1.5]), make_pair(0)])
    assert found is not None
    chosen, rejected = found.sides
    assert chosen.words == (
        "4 token weights: mean 1.00, standard deviation 0.35, from 0.50 to 1.50; 50.0% within 0.05 of 1"
    )
    assert sum(bar.share for bar in chosen.bars) == pytest.approx(1.0)
    # a quarter, a half, a quarter of the chosen tokens, and all rejected ones: heights go by the square root
    assert [bar.height for bar in chosen.bars if bar.share] == [0.5, 0.7071, 0.5]
    assert [bar.height for bar in rejected.bars if bar.share] == [1.0]
    assert found.num_unweighed == 1


@pytest.mark.parametrize("weights", [[1.0], [-0.5, 1.5], [0.0] * 300 + [1000.0]])
def test_any_weights_make_a_histogram_that_counts_all_of_them(weights: list[float]) -> None:
    found = token_weights([weighed(weights)])
    assert found is not None
    assert sum(bar.share for bar in found.sides[0].bars) == pytest.approx(1.0)


def test_the_histogram_is_there_only_where_pairs_have_weights() -> None:
    with_weights = render_report(ReportData(pairs=[weighed([0.5, 1.5], [1.0, 1.0])]))
    assert 'id="weights"' in with_weights
    assert "Histogram of the chosen sides' 2 token weights" in html.unescape(with_weights)
    assert "mean token weight of chosen: 1.00" in with_weights
    assert 'id="weights"' not in render_report(ReportData(pairs=[make_pair(0)]))


def test_tokens_are_shaded_by_their_weights_and_named_in_words() -> None:
    letters = {1: "ab", 2: " c", 3: ""}
    side = weighed_side(
        "ab c", [1, 2, 3], [0.4, 1.6, 1.0], lambda ids: "".join(letters[token] for token in ids)
    )
    low, high = (level.style for level in (LEVELS[0], LEVELS[-1]))
    assert [(span.start, span.end, span.style) for span in side.spans if span.style != "dim"] == [
        (0, 2, low),
        (2, 4, high),
    ]
    assert "most: ' c' 1.60, '' 1.00, 'ab' 0.40; least: 'ab' 0.40" in side.plain


def test_weights_without_a_tokenizer_that_fits_are_in_words_only() -> None:
    for decode in (None, lambda ids: "something else"):
        side = weighed_side("ab c", [1, 2, 3], [0.4, 1.6, 1.0], decode)
        assert side.plain.startswith("ab c\n3 token weights: mean 1.00")
        assert "most" not in side.plain


def test_the_collapse_threshold_is_drawn_in_the_log_ratio_chart_only() -> None:
    drawn = curves([{"step": 1, "loss": 1.0, "log_ratio/chosen": -0.1}], -10.0)
    assert {chart.title: chart.threshold for chart in drawn.charts} == {
        "Loss": None,
        "Log-ratio to the reference (nats)": -10.0,
    }


def test_pairs_beyond_the_cap_are_left_out_evenly_and_said() -> None:
    pairs = [Pair(prompt="p", chosen=f"c{i}", rejected="r") for i in range(2 * MAX_PAIRS)]
    shown = pair_browser(pairs)
    assert shown is not None
    assert (shown.num_pairs, shown.num_shown) == (2 * MAX_PAIRS, MAX_PAIRS)
    assert [row["chosen"] for row in shown.payload["pairs"][:3]] == ["c0", "c2", "c4"]
    assert shown.payload["prompts"] == ["p"], "a prompt is stored once"
    assert f"holds {MAX_PAIRS:,} of them" in text_of(render_report(ReportData(pairs=pairs)))


def test_a_huge_completion_is_cut_with_a_note() -> None:
    shown = pair_browser([Pair(prompt="p", chosen="x" * (MAX_CHARS + 5), rejected="r")])
    assert shown is not None
    assert shown.payload["pairs"][0]["chosen"].endswith(
        "… 5 more characters, left out of this page"
    )


def test_the_failing_test_is_taken_apart() -> None:
    message = "inputs: (3,)\nexpected: 'a: b'\nactual: None\nAssertionError: no"
    parts, rest = split_message(message)
    assert parts == {"inputs": "(3,)", "expected": "'a: b'", "actual": "None"}
    assert rest == "AssertionError: no"


def test_reasons_come_with_counts_the_commonest_first() -> None:
    groups = reason_groups({"t/2": "all_fail", "t/10": "all_pass", "t/9": "all_pass"})
    assert [(g.reason, g.num_problems, g.task_ids) for g in groups] == [
        ("all_pass", 2, ["t/9", "t/10"]),
        ("all_fail", 1, ["t/2"]),
    ]


def test_every_reason_the_pairing_gives_has_a_meaning() -> None:
    pairing = pytest.importorskip("codealign.pairs")
    source = Path(pairing.__file__).read_text()
    listed = re.search(r'"""Why a problem gave no pair: ([^"]*)\."""', source)
    assert listed, "pairs.py lists its reasons under `Reason`"
    for reason in re.split(r",\s*", listed[1]):
        assert reason_groups({"t": reason})[0].meaning, f"{reason} has no meaning on the page"


# ---- missing parts

PARTS = ("summary", "config", "metrics", "base_greedy", "base_sampled", "aligned_sampled", "pairs")


def test_an_empty_report_says_what_is_missing() -> None:
    text = text_of(render_report(ReportData()))
    for part in ("Learning curves", "Pairs", "Verdicts by outcome", "The base model's scores"):
        assert part in text
    assert "No evaluation was given" in text


@pytest.mark.parametrize("part", PARTS)
def test_any_part_alone_makes_a_page(part: str, data: ReportData) -> None:
    alone = ReportData.model_validate({part: getattr(data, part)})
    ids = [
        attributes["id"] for _, attributes in Tags(render_report(alone)).tags if "id" in attributes
    ]
    assert len(ids) == len(set(ids))
    assert ("pairs" in ids) == (part == "pairs")
    assert ("curves" in ids) == (part == "metrics")


@pytest.mark.parametrize("part", PARTS)
def test_any_part_may_be_missing(part: str, data: ReportData) -> None:
    render_report(
        data.model_copy(
            update={part: ReportData.model_fields[part].get_default(call_default_factory=True)}
        )
    )


def test_a_report_of_one_evaluation_shows_its_scores(data: ReportData) -> None:
    summary = {"pass@k": {"1": {"value": 0.4, "low": 0.35, "high": 0.45}}}
    text = text_of(render_report(ReportData(summary=summary, base_sampled=data.base_sampled)))
    assert "Sampled pass@1 40.0% interval 35.0–45.0%" in text
    assert "Only the base model was evaluated" in text


def test_a_summary_of_another_shape_is_refused_with_the_place() -> None:
    with pytest.raises(DataError, match=r"summary, gain\.pass@1: value"):
        render_report(ReportData(summary={"gain": {"pass@1": {"low": 0.1}}}))


# ---- untrusted text


def hostile_data() -> ReportData:
    """Every text a model or a data set can supply is an attack."""
    pair = make_pair(0).model_copy(
        update={
            "prompt": HOSTILE,
            "chosen": HOSTILE,
            "rejected": f"{HOSTILE}!--",
            "task_id": HOSTILE,
            "rejected_message": f"inputs: {HOSTILE}\n{HOSTILE}",
            "rejected_outcome": HOSTILE,
        }
    )
    benign = make_report_data(num_problems=3, num_pairs=1)
    before = [
        v.model_copy(update={"task_id": HOSTILE, "message": HOSTILE}) for v in benign.base_sampled
    ]
    return benign.model_copy(
        update={
            "title": HOSTILE,
            "config": {"seed": HOSTILE, "problems": {"heldout": HOSTILE}},
            "metrics": [{"step": 1, "loss": 1.0, HOSTILE: 2.0, "warning": HOSTILE}],
            "base_sampled": before,
            "aligned_sampled": [
                v.model_copy(update={"passed": False, "outcome": "failed"}) for v in before
            ],
            "problems": [
                p.model_copy(update={"task_id": HOSTILE, "prompt": HOSTILE})
                for p in benign.problems
            ],
            "pairs": [pair],
            "pair_reasons": {HOSTILE: HOSTILE},
        }
    )


def test_nothing_a_model_wrote_becomes_a_tag() -> None:
    benign = Tags(render_report(make_report_data(num_problems=9, num_pairs=1, collapsed=True)))
    hostile = Tags(render_report(hostile_data()))
    assert hostile.names <= benign.names
    scripts = [sum(name == "script" for name, _ in found.tags) for found in (hostile, benign)]
    assert scripts[0] == scripts[1]
    assert not any(name.startswith("on") for _, attributes in hostile.tags for name in attributes)


def test_hostile_text_comes_back_from_the_data_block_unchanged() -> None:
    blocks = Tags(render_report(hostile_data())).blocks
    payload = json.loads(blocks["pairs-data"])
    assert payload["pairs"][0]["chosen"] == HOSTILE
    assert payload["prompts"] == [HOSTILE]


def test_scripts_are_allowed_by_hash_and_nothing_may_be_fetched(page: str) -> None:
    (policy,) = (
        attributes["content"] or ""
        for _, attributes in Tags(page).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    (allowed,) = re.findall(r"script-src ([^;]+);", policy)
    scripts = re.findall(r"<script>", page)
    assert allowed.count("sha256-") == len(scripts)
    assert "unsafe" not in allowed


def test_the_page_asks_for_nothing_from_outside(page: str) -> None:
    addresses = {"src", "href", "action", "data", "poster", "srcset"}
    for name, attributes in Tags(page).tags:
        assert name not in {"link", "iframe", "object", "img", "base"}
        for attribute in addresses & attributes.keys():
            assert (attributes[attribute] or "").startswith("#"), (name, attributes)
    assert "@import" not in page
    assert "url(" not in (TEMPLATES_DIR / "report.css").read_text()


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u202e", "\r\n"])
def test_odd_characters_make_a_readable_file(text: str, tmp_path: Path) -> None:
    data = ReportData(title=text, pairs=[Pair(prompt=text, chosen=text, rejected="r")])
    write_report(data, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_bytes().decode("utf-8")
    assert json.loads(Tags(page).blocks["pairs-data"])["pairs"]


def test_data_blocks_are_strict_json_even_of_broken_metrics() -> None:
    metrics = [
        {"step": 1, "loss": float("nan")},
        {"step": 2, "loss": float("inf"), "grad_norm": 1.0},
    ]
    blocks = Tags(render_report(ReportData(metrics=metrics))).blocks

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    charts = json.loads(blocks["curves-data"], parse_constant=refuse)["charts"]
    assert [series[0] for chart in charts for series in chart["series"]] == ["grad_norm"]


# ---- files


def test_a_kata_run_makes_a_page_below_one_and_a_half_megabytes(tmp_path: Path) -> None:
    write_report(make_report_data(num_pairs=500), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 1.5e6


def test_a_page_that_can_not_be_written_leaves_the_old_one(tmp_path: Path, page: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not write the report"):
        write_report(ReportData(), tmp_path / "file" / "report.html")
    target = tmp_path / "report.html"
    target.write_text("old")
    (tmp_path / ".report.html.partial").mkdir()
    with pytest.raises(StorageError):
        write_report(ReportData(), target)
    assert target.read_text() == "old"


def test_the_same_data_make_the_same_page(data: ReportData, page: str) -> None:
    assert render_report(data) == page


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = read_manifest()
    for package, entry in manifest.items():
        present = {path.name for path in (VENDOR_DIR / package).iterdir()}
        assert present == set(entry["files"])
        for name, checksum in entry["files"].items():
            content = (VENDOR_DIR / package / name).read_bytes()
            assert sha256(content) == checksum, (
                f"{package}/{name} was changed after it was vendored"
            )
            assert b"</script" not in content.lower()
    assert {path.name for path in VENDOR_DIR.iterdir()} == {*manifest, "vendored.json"}


def test_a_changed_library_does_not_reach_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uplot").mkdir()
    (tmp_path / "uplot" / "LICENSE").write_text("mine")
    monkeypatch.setattr(vendored_module, "VENDOR_DIR", tmp_path)
    with pytest.raises(CodealignError, match="not the one that was vendored"):
        vendored_text("uplot", "LICENSE")


def test_the_page_carries_the_licences_of_what_it_embeds(page: str) -> None:
    assert "Copyright (c) 2022 Leon Sorokin" in page
    assert "Copyright (c) 2009-2015, Kevin Decker" in page


# ---- the terminal


def printed(summary: Any, width: int = 100) -> str:
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(render_table(summary))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_table_shows_scores_test_verdicts_and_stages(data: ReportData) -> None:
    table = printed(data)
    gain = data.gain["greedy_pass@1"]
    for expected in (
        points(gain.value),
        "sampled pass@8",
        "runtime_error",
        "eval/aligned",
        "2 min 51 s",
        "5,376",
        "120 all_pass, 60 all_fail",
        "isolation S3",
    ):
        assert expected in table
    # 221,480 + 151,020 + 118,204 + 149,310
    assert "640,014" in table


def test_the_table_of_a_summary_alone_and_of_nothing() -> None:
    summary = {"outcomes": {"base": {"passed": 3, "failed": 1}}, "warnings": ["step 3: sinking"]}
    table = printed({"base": {"pass@1": 0.75}, **summary})
    assert "75.0%" in table
    assert "base, sampled" in table
    assert "warning: step 3: sinking" in table
    assert printed({}).strip() == ""


def test_the_table_fits_a_narrow_terminal(data: ReportData) -> None:
    assert max(map(len, printed(data, width=60).splitlines())) <= 60
    assert "Held-out scores" in printed(data, width=60)


# ---- in a real browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium_path()
    if executable is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with Browser(executable) as opened:
        yield opened


def opened(browser: Browser, data: ReportData, path: Path, **how: Any) -> Browser:
    write_report(data, path / "report.html")
    browser.open(path / "report.html", **how)
    return browser


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_runs_without_complaint_or_request(
    browser: Browser, data: ReportData, tmp_path: Path, width: int, dark: bool
) -> None:
    opened(browser, data, tmp_path, width=width, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [(tmp_path / "report.html").as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") == width, (
        "no sideways scrolling"
    )
    charts = browser.evaluate("document.querySelectorAll('figure[data-chart] canvas').length")
    assert charts == browser.evaluate("document.querySelectorAll('figure[data-chart]').length") > 8
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")


def test_hostile_text_is_shown_and_not_run(browser: Browser, tmp_path: Path) -> None:
    opened(browser, hostile_data(), tmp_path)
    assert browser.complaints == []
    assert browser.evaluate("typeof window.owned") == "undefined"
    assert browser.evaluate("document.images.length") == 0
    shown = browser.evaluate("document.querySelector('#pair-diff .side.chosen code').textContent")
    assert shown == HOSTILE.replace("\u2028", "\\u2028")


def test_pairs_are_searched_filtered_and_walked_by_keyboard(
    browser: Browser, tmp_path: Path
) -> None:
    pairs = [make_pair(index) for index in range(1_200)]
    opened(browser, ReportData(pairs=pairs), tmp_path)
    assert browser.evaluate("document.querySelectorAll('#pair-list li').length") < 300, "on demand"
    browser.evaluate("document.getElementById('pair-list').focus()")
    for _ in range(3):
        browser.press("j")
    browser.press("k")
    # two pairs a problem: position 2 is the first of kata/train/1
    assert browser.evaluate("document.getElementById('pair-title').textContent") == "kata/train/1"
    browser.press("/")
    assert browser.evaluate("document.activeElement.id") == "pair-search"
    browser.evaluate(
        "document.getElementById('pair-outcome').value = 'syntax_error';"
        "document.getElementById('pair-outcome').dispatchEvent(new Event('change'))"
    )
    # every fourth pair
    assert browser.evaluate("document.getElementById('pair-count').textContent") == "300 of 1200"
    assert browser.complaints == []


def test_the_diff_sets_lines_side_by_side_and_marks_words(browser: Browser, tmp_path: Path) -> None:
    pair = Pair(prompt="p", chosen="a = 1\nb = 2\n", rejected="a = 1\nb = 3\nc\n")
    opened(browser, ReportData(pairs=[pair]), tmp_path)
    rows = browser.evaluate(
        "[...document.querySelectorAll('#pair-diff .diff-row:not(.head)')].map(row =>"
        " [...row.children].map(cell => cell.textContent))"
    )
    assert rows == [["a = 1", "a = 1"], ["b = 3", "b = 2"], ["c", ""]]
    marked = browser.evaluate(
        "[...document.querySelectorAll('#pair-diff :is(del, ins)')].map(n => n.textContent)"
    )
    assert marked == ["3", "2"]


def test_lines_of_one_chart_that_are_of_no_side_have_colours_of_their_own(
    browser: Browser, tmp_path: Path
) -> None:
    metrics = [{"step": n, "reference_weight/0": 0.6, "reference_weight/1": 0.4} for n in (1, 2)]
    opened(browser, ReportData(metrics=metrics), tmp_path)
    colours = browser.evaluate(
        "[...document.querySelectorAll('.readout .key')].map(key => getComputedStyle(key).backgroundColor)"
    )
    assert len(set(colours)) == len(colours) == 2
    assert browser.complaints == []


@pytest.mark.parametrize(("num_steps", "smoothed"), [(30, False), (60, True)])
def test_the_running_mean_is_spoken_of_only_where_one_is_drawn(
    browser: Browser, tmp_path: Path, num_steps: int, smoothed: bool
) -> None:
    """A curve of fewer than 40 points is drawn as it is."""
    metrics = [{"step": step, "loss": 1.0 / step} for step in range(1, num_steps + 1)]
    opened(browser, ReportData(metrics=metrics), tmp_path)
    assert browser.evaluate("document.getElementById('curves-smoothed').hidden") is not smoothed
