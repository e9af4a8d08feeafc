"""Pairs: the paper's identities (C1 to C3), each strategy's promise, each reason for no pair."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codealign.config import (
    AllPairs,
    FilePairs,
    LabelledCompletions,
    LengthMatchedPairs,
    NearestPairs,
    PairsConfig,
    PassRatePairs,
    RandomPairs,
)
from codealign.errors import ConfigError, DataError
from codealign.pairs import build_labelled, build_pairs, completions_of, edit_distance
from codealign.records import (
    CheckTests,
    Completion,
    Problem,
    TestResult,
    Verdict,
    read_records,
    write_records,
)

PROMPT_IDS = [1, 2]


def problem(task_id: str) -> Problem:
    return Problem(
        task_id=task_id,
        prompt=f"def {task_id}(x):\n",
        entry_point=task_id,
        tests=CheckTests(source="def check(candidate):\n    assert candidate(1)\n"),
    )


def judged(task_id: str, outcomes: list[str], texts: list[str] | None = None, **columns):
    """Completions and verdicts of one problem; the texts are different programs unless given."""
    texts = texts or [f"    return {task_id}_{index}\n" for index in range(len(outcomes))]
    completions = [
        Completion(
            task_id=task_id,
            completion=text,
            sample_index=index,
            prompt_ids=PROMPT_IDS,
            completion_ids=[10 + index] * (index + 1),
            finish_reason="stop",
            **columns,
        )
        for index, text in enumerate(texts)
    ]
    verdicts = [
        Verdict(
            task_id=task_id,
            sample_index=index,
            outcome=outcome,
            passed=outcome == "passed",
            program=f"def {task_id}(x):\n{text}",
        )
        for index, (outcome, text) in enumerate(zip(outcomes, texts, strict=True))
    ]
    return completions, verdicts


def pairs_of(outcomes: list[str], config: PairsConfig | None = None, **options):
    completions, verdicts = judged("task", outcomes, **options)
    return build_pairs([problem("task")], completions, verdicts, config)


OUTCOMES = st.sampled_from(["passed", "failed", "timeout", "syntax_error", "not_judged"])


@settings(max_examples=200, deadline=None)
@given(st.lists(OUTCOMES, max_size=9), st.integers(0, 5))
def test_c1_c2_a_pair_is_passed_over_failed_and_there_iff_both_are(outcomes, seed):
    completions, verdicts = judged("task", outcomes)
    result = build_pairs([problem("task")], completions, verdicts, seed=seed)
    counted = [outcome for outcome in outcomes if outcome != "not_judged"]
    num_passed = counted.count("passed")
    assert len(result.pairs) == (1 if 0 < num_passed < len(counted) else 0)
    assert ("task" in result.reasons) == (not result.pairs)
    for pair in result.pairs:
        assert outcomes[pair.chosen_index] == "passed"
        assert outcomes[pair.rejected_index] not in ("passed", "not_judged")
        assert pair.rejected_outcome == outcomes[pair.rejected_index]
        assert pair.chosen == completions[pair.chosen_index].completion
        assert pair.chosen_ids == completions[pair.chosen_index].completion_ids
        assert pair.rejected_ids == completions[pair.rejected_index].completion_ids
        assert (pair.prompt, pair.prompt_ids, pair.weight) == ("def task(x):\n", PROMPT_IDS, 1.0)


def test_c2_the_yield_is_one_minus_p_to_n_minus_q_to_n():
    """p = 0.3, n = 4: 1 - 0.3^4 - 0.7^4 = 0.7518; 2,000 problems, so four standard errors are 0.039."""
    rng = random.Random(0)
    problems, completions, verdicts = [], [], []
    for number in range(2000):
        outcomes = ["passed" if rng.random() < 0.3 else "failed" for _ in range(4)]
        ours, theirs = judged(f"t{number}", outcomes)
        problems.append(problem(f"t{number}"))
        completions += ours
        verdicts += theirs
    result = build_pairs(problems, completions, verdicts)
    assert len(result.pairs) / 2000 == pytest.approx(1 - 0.3**4 - 0.7**4, abs=0.039)
    assert sum(result.counts.values()) == 2000
    assert result.counts["all_pass"] + result.counts["all_fail"] == 2000 - len(result.pairs)


def many_problems():
    problems, completions, verdicts = [], [], []
    for number in range(20):
        ours, theirs = judged(f"t{number}", ["passed", "failed", "passed", "failed", "timeout"])
        problems.append(problem(f"t{number}"))
        completions += ours
        verdicts += theirs
    return problems, completions, verdicts


STRATEGIES = [
    RandomPairs(),
    NearestPairs(),
    LengthMatchedPairs(max_ratio=3.0),
    AllPairs(),
    PassRatePairs(),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.kind)
@pytest.mark.parametrize("cap", [1, 3])
def test_c3_a_problems_pairs_depend_on_seed_and_task_only(strategy, cap):
    problems, completions, verdicts = many_problems()
    config = PairsConfig(strategy=strategy, max_pairs_per_problem=cap)
    first = build_pairs(problems, completions, verdicts, config, seed=1)
    shuffler = random.Random(5)
    for rows in (problems, completions, verdicts):
        shuffler.shuffle(rows)
    again = build_pairs(problems, completions, verdicts, config, seed=1)

    def by_task(result):
        return sorted((pair.to_row() for pair in result.pairs), key=lambda row: row["task_id"])

    assert by_task(first) == by_task(again)
    assert max(Counter(pair.task_id for pair in first.pairs).values()) <= cap


def test_another_seed_chooses_other_pairs():
    rows = many_problems()
    chosen = [
        [(pair.chosen_index, pair.rejected_index) for pair in build_pairs(*rows, seed=seed).pairs]
        for seed in (0, 1)
    ]
    assert chosen[0] != chosen[1]


def test_both_sides_are_drawn_evenly():
    """2 passing x 2 failing over 400 seeds: each couple 100 times, give or take five sigma (43)."""
    rows = [problem("task")], *judged("task", ["passed", "passed", "failed", "failed"])
    drawn = Counter(
        (pair.chosen_index, pair.rejected_index)
        for seed in range(400)
        for pair in build_pairs(*rows, seed=seed).pairs
    )
    assert set(drawn) == {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert all(abs(count - 100) < 43 for count in drawn.values())


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (["passed", "passed"], "all_pass"),
        (["failed", "timeout", "syntax_error"], "all_fail"),
        (["not_judged", "not_judged"], "not_judged"),
        (["passed", "not_judged"], "all_pass"),
        ([], "no_verdicts"),
    ],
)
def test_why_a_problem_gave_no_pair(outcomes, reason):
    result = pairs_of(outcomes)
    assert (result.pairs, result.reasons, result.counts) == ([], {"task": reason}, {reason: 1})


def test_random_pairs_use_a_completion_once_and_all_pairs_use_every_couple():
    outcomes = ["passed"] * 3 + ["failed"] * 2
    few = pairs_of(outcomes, PairsConfig(strategy=RandomPairs(), max_pairs_per_problem=10)).pairs
    every = pairs_of(outcomes, PairsConfig(strategy=AllPairs(), max_pairs_per_problem=10)).pairs
    assert len(few) == 2
    assert len({pair.chosen_index for pair in few}) == len({p.rejected_index for p in few}) == 2
    assert len({(pair.chosen_index, pair.rejected_index) for pair in every}) == 6


def test_nearest_pairs_differ_least():
    texts = ["    return x + 1\n", "    return 0\n", "    return x - 1\n", "    pass\n"]
    result = pairs_of(
        ["passed", "failed", "failed", "failed"], PairsConfig(strategy=NearestPairs()), texts=texts
    )
    assert result.pairs[0].rejected == "    return x - 1\n"


def test_length_matched_pairs_keep_within_the_ratio_of_tokens():
    # lengths are 1, 2, 3, 4 tokens: only 3 over 4 is within 1.4
    config = PairsConfig(strategy=LengthMatchedPairs(max_ratio=1.4), max_pairs_per_problem=9)
    result = pairs_of(["passed", "failed", "passed", "failed"], config)
    assert [(pair.chosen_index, pair.rejected_index) for pair in result.pairs] == [(2, 3)]
    assert pairs_of(["passed", "failed"], config).reasons == {"task": "no_length_match"}


def with_rates(passed_of_ten: list[int], config: PairsConfig):
    completions, verdicts = judged(
        "task", ["passed" if n == 10 else "failed" for n in passed_of_ten]
    )
    verdicts = [
        verdict.model_copy(update={"tests_passed": number, "tests_total": 10})
        for verdict, number in zip(verdicts, passed_of_ten, strict=True)
    ]
    return build_pairs([problem("task")], completions, verdicts, config)


def test_pass_rate_pairs_prefer_more_tests_by_the_margin():
    config = PairsConfig(strategy=PassRatePairs(min_margin=0.5), max_pairs_per_problem=9)
    result = with_rates([10, 6, 4, 1], config)
    couples = {(pair.chosen_index, pair.rejected_index) for pair in result.pairs}
    assert couples == {(0, 2), (0, 3), (1, 3)}  # 1.0-0.4, 1.0-0.1, 0.6-0.1
    assert with_rates([6, 4, 2], config).reasons == {"task": "no_margin"}
    assert with_rates([10, 10], config).reasons == {"task": "all_pass"}
    assert len(with_rates([8, 1], config).pairs) == 1  # partial credit, where nothing passes


def test_c4_rewards_by_outcome_are_coarser_than_what_pairs_see():
    """arXiv 2410.18585: a hand-written rule gives -0.3 to nine tests of ten and to one, -1 to any syntax error."""
    by_outcome = {"passed": 1.0, "failed": -0.3, "runtime_error": -0.6, "syntax_error": -1.0}
    config = PairsConfig(strategy=PassRatePairs(min_margin=0.5))
    (pair,) = with_rates([9, 1], config).pairs
    assert (pair.chosen_pass_rate, pair.rejected_pass_rate) == (0.9, 0.1)
    assert pair.rejected_outcome == "failed"
    _, verdicts = judged("task", ["failed", "failed", "syntax_error", "syntax_error"])
    assert len({by_outcome[verdict.outcome] for verdict in verdicts[:2]}) == 1
    assert len({by_outcome[verdict.outcome] for verdict in verdicts[2:]}) == 1


def test_a_violation_is_never_preferred():
    completions, verdicts = judged("task", ["violation", "failed"])
    verdicts[0] = verdicts[0].model_copy(update={"tests_passed": 9, "tests_total": 10})
    result = build_pairs(
        [problem("task")], completions, verdicts, PairsConfig(strategy=PassRatePairs())
    )
    assert result.reasons == {"task": "no_margin"}


def test_programs_with_the_same_tree_count_once():
    texts = ["    return 1\n", "    return 1  # one\n", "    return (1)\n", "    return 2\n"]
    config = PairsConfig(strategy=AllPairs(), max_pairs_per_problem=9)
    outcomes = ["passed", "passed", "passed", "failed"]
    assert len(pairs_of(outcomes, config, texts=texts).pairs) == 1
    config = config.model_copy(update={"deduplicate": False})
    assert len(pairs_of(outcomes, config, texts=texts).pairs) == 3


def test_of_equal_programs_the_one_that_ended_by_itself_is_kept():
    completions, verdicts = judged(
        "task", ["passed", "passed", "failed"], ["    return 1\n", "    return 1 \n", "    pass\n"]
    )
    completions[0] = completions[0].model_copy(update={"finish_reason": "length"})
    (pair,) = build_pairs([problem("task")], completions, verdicts).pairs
    assert (pair.chosen_index, pair.chosen_finish_reason) == (1, "stop")


def test_a_program_that_passed_and_failed_gives_no_pair_with_itself():
    texts = ["    return 1\n", "    return 1  # flaky\n"]
    for deduplicate in (True, False):
        config = PairsConfig(deduplicate=deduplicate)
        assert pairs_of(["passed", "failed"], config, texts=texts).reasons == {
            "task": "identical_sides"
        }


def test_sides_of_different_prompts_are_refused():
    completions, verdicts = judged("task", ["passed", "failed"])
    completions[1] = completions[1].model_copy(update={"prompt_ids": [9]})
    assert build_pairs([problem("task")], completions, verdicts).reasons == {
        "task": "different_prompts"
    }


def test_a_length_cut_completion_that_passes_is_kept_and_marked():
    completions, verdicts = judged("task", ["passed", "failed"])
    completions = [each.model_copy(update={"finish_reason": "length"}) for each in completions]
    (pair,) = build_pairs([problem("task")], completions, verdicts).pairs
    assert (pair.chosen_finish_reason, pair.rejected_finish_reason) == ("length", "length")
    assert pair.chosen_ids == completions[0].completion_ids


def test_the_sides_are_what_the_model_wrote_and_the_prompt_what_it_was_given():
    completions, verdicts = judged(
        "task",
        ["passed", "failed"],
        ["Sure:\n```python\n…```", "No."],
        prompt="<user>do it<assistant>",
    )
    verdicts = [
        each.model_copy(update={"program": f"f = {each.sample_index}"}) for each in verdicts
    ]
    (pair,) = build_pairs([problem("task")], completions, verdicts).pairs
    assert (pair.prompt, pair.chosen) == ("<user>do it<assistant>", "Sure:\n```python\n…```")


def test_the_pair_says_which_test_failed_and_how():
    completions, verdicts = judged("task", ["passed", "failed"])
    failure = TestResult(name="t1", outcome="failed", inputs="[3]", expected="9", actual="6")
    verdicts[1] = verdicts[1].model_copy(
        update={"tests": [failure], "tests_passed": 1, "tests_total": 2}
    )
    (pair,) = build_pairs([problem("task")], completions, verdicts).pairs
    assert pair.rejected_message == "inputs: [3]\nexpected: 9\nactual: 6"
    assert (pair.rejected_tests_passed, pair.tests_total) == (1, 2)


def test_verdict_rows_alone_are_enough(tmp_path):
    completions, verdicts = judged("task", ["passed", "failed"])
    rows = [c.to_row() | v.to_row() for c, v in zip(completions, verdicts, strict=True)]
    write_records(tmp_path / "verdicts.jsonl", rows)
    read = list(read_records(Verdict, tmp_path / "verdicts.jsonl"))
    assert build_pairs([problem("task")], completions_of(read), read) == build_pairs(
        [problem("task")], completions, verdicts
    )
    with pytest.raises(DataError, match="no `completion` column"):
        completions_of(verdicts)


def test_a_retry_replaces_not_judged_and_mixed_up_files_are_refused():
    completions, verdicts = judged("task", ["passed", "failed"])
    lost = verdicts[0].model_copy(update={"outcome": "not_judged", "passed": False})
    assert build_pairs([problem("task")], completions, [lost, *verdicts]).pairs
    with pytest.raises(DataError, match="two verdicts"):
        build_pairs([problem("task")], completions, [*verdicts, verdicts[0]])
    with pytest.raises(DataError, match="two completions"):
        build_pairs([problem("task")], [*completions, completions[0]], verdicts)
    with pytest.raises(DataError, match="no completion"):
        build_pairs([problem("task")], completions[:1], verdicts)


def test_verdicts_of_unknown_tasks_are_counted():
    completions, verdicts = judged("other", ["passed", "failed"])
    assert build_pairs([], completions, verdicts).counts == {"unknown_task": 2}


def plain_edit_distance(one: str, other: str) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


@given(st.text("abc", max_size=80), st.text("abc", max_size=80))
def test_the_bit_parallel_edit_distance_is_the_plain_one(one, other):
    assert edit_distance(one, other) == plain_edit_distance(one, other)


# ------------------------------------------------------------------ labels


def labels_of(outcomes: list[str], config: PairsConfig | None = None, **options):
    completions, verdicts = judged("task", outcomes, **options)
    return build_labelled([problem("task")], completions, verdicts, config)


def test_every_judged_completion_is_a_labelled_row_and_one_sided_problems_teach_too():
    found = labels_of(["passed", "failed", "not_judged", "timeout"])
    rows = [(row.label, row.model_extra["sample_index"]) for row in found.rows]
    assert rows == [(True, 0), (False, 1), (False, 3)]
    assert found.rows[0].completion_ids == [10]
    assert found.rows[1].model_extra["outcome"] == "failed"
    assert found.counts == {"labelled": 1}
    assert [row.label for row in labels_of(["passed"] * 3).rows] == [True] * 3
    assert [row.label for row in labels_of(["failed"] * 3).rows] == [False] * 3
    assert labels_of(["not_judged"]).reasons == {"task": "not_judged"}


def test_a_program_that_passed_and_failed_has_no_label():
    same = ["    return 1\n", "    return 1\n", "    return 2\n"]
    found = labels_of(["passed", "failed", "failed"], texts=same)
    assert [row.completion for row in found.rows] == ["    return 2\n"]
    assert labels_of(["passed", "failed"], texts=same[:2]).reasons == {"task": "identical_sides"}


def test_equal_programs_are_one_row_unless_that_is_not_asked_for():
    same = ["    return 1\n", "    return 1  # one\n"]
    assert len(labels_of(["failed"] * 2, texts=same).rows) == 1
    all_of_them = PairsConfig(strategy=LabelledCompletions(), deduplicate=False)
    assert len(labels_of(["failed"] * 2, all_of_them, texts=same).rows) == 2


def test_a_cap_is_of_each_side():
    config = PairsConfig(strategy=LabelledCompletions(max_per_side=2))
    found = labels_of(["passed"] * 5 + ["failed"], config)
    assert [row.label for row in found.rows] == [True, True, False]
    assert labels_of(["passed"] * 5 + ["failed"], config) == found, "drawn by the seed"


def test_a_strategy_without_pairs_is_refused_where_pairs_are_built():
    with pytest.raises(ConfigError, match="strategy file makes no pairs of verdicts"):
        pairs_of(["passed"], PairsConfig(strategy=FilePairs(path="p.jsonl")))
