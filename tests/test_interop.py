"""Preference data of other tools: each format is read as its maker means it, and written as its maker reads it."""

import json
from pathlib import Path
from typing import get_args

import pytest

from codealign.config import PreferenceFormat
from codealign.errors import DataError, InputError
from codealign.interop import FORMATS, dataset_info, export_rows, read_preferences
from codealign.records import Labelled, Pair, write_records
from tests.golden.record_llamafactory import PATH as LLAMA_FACTORY
from tests.golden.record_llamafactory import ROWS

USER = {"role": "user", "content": "Add."}
GOOD, BAD = {"role": "assistant", "content": "a + b"}, {"role": "assistant", "content": "a - b"}
SYSTEM = {"role": "system", "content": "Be brief."}
HUMAN, GPT = {"from": "human", "value": "Add."}, {"from": "gpt", "value": "a + b"}
ADD = {"prompt": "Add.", "chosen": "a + b", "rejected": "a - b"}
"""What every pair below comes to."""

PAIR_ROWS = [
    ("trl", ADD),
    ("trl", {"chosen": "Add. a + b", "rejected": "Add. b + a"}),
    ("trl-conversational", {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}),
    ("trl-conversational", {"chosen": [USER, GOOD], "rejected": [USER, BAD]}),
    (
        "ultrafeedback",
        {
            "prompt": "Add.",
            "prompt_id": "0f",
            "chosen": [USER, GOOD],
            "rejected": [USER, BAD],
            "messages": [USER, GOOD],
            "score_chosen": 8.0,
            "score_rejected": 5.5,
        },
    ),
    ("ultrafeedback", {"prompt": "Add.", "chosen": [GOOD], "rejected": [BAD]}),
    ("llama-factory", {"instruction": "Add.", "input": "", "chosen": "a + b", "rejected": "a - b"}),
    (
        "llama-factory-sharegpt",
        {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "a - b"}},
    ),
]
LABELLED_ROWS = [
    ("kto", {"prompt": "Add.", "completion": "a + b", "label": True}),
    ("kto-conversational", {"prompt": [USER], "completion": [GOOD], "label": True}),
    ("llama-factory-kto", {"instruction": "Add.", "output": "a + b", "kto_tag": True}),
    ("llama-factory-kto-sharegpt", {"conversations": [HUMAN, GPT], "kto_tag": True}),
]


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def texts(row: Pair | Labelled) -> dict:
    names = ("prompt", "prompt_messages", "chosen", "rejected", "completion", "label", "weight")
    return {name: getattr(row, name) for name in names if getattr(row, name, None) is not None}


@pytest.mark.parametrize(("name", "row"), PAIR_ROWS)
def test_a_pair_is_read_whatever_its_format(tmp_path, name, row):
    found = read_preferences(written(tmp_path / "prefs.jsonl", row))
    expected = ADD
    if "Add. a" in str(row["chosen"]):  # TRL's extract_prompt: what is common belongs to the prompt
        expected = {"prompt": "Add.", "chosen": " a + b", "rejected": " b + a"}
    assert found.format.name == name
    assert [texts(pair) for pair in found.pairs] == [expected | {"weight": 1.0}]


@pytest.mark.parametrize(("name", "row"), LABELLED_ROWS)
def test_a_labelled_completion_is_read_whatever_its_format(tmp_path, name, row):
    found = read_preferences(written(tmp_path / "prefs.jsonl", row))
    assert found.format.name == name
    assert found.rows == found.labelled
    expected = {"prompt": "Add.", "completion": "a + b", "label": True, "weight": 1.0}
    assert texts(found.labelled[0]) == expected


def test_weights_and_columns_of_others_survive(tmp_path):
    rows = [{**row, "weight": 0.5, "mine": [1], "empty": None} for _, row in PAIR_ROWS]
    for row in rows:
        (pair,) = read_preferences(written(tmp_path / "prefs.jsonl", row)).pairs
        assert pair.weight == 0.5
        assert pair.model_extra["mine"] == [1]
    (pair,) = read_preferences(written(tmp_path / "prefs.jsonl", PAIR_ROWS[4][1])).pairs
    assert pair.model_extra == {"prompt_id": "0f", "score_chosen": 8.0, "score_rejected": 5.5}


def test_a_conversation_stays_one(tmp_path):
    """System message, earlier turns, and two lines of an instruction, from both families of formats."""
    rows = [
        {
            "instruction": "And subtract?",
            "input": "Quickly.",
            "system": "Be brief.",
            "history": [["Add.", "a + b"]],
            "chosen": "a - b",
            "rejected": "b - a",
        },
        {
            "prompt": [SYSTEM, USER, GOOD, {"role": "user", "content": "And subtract?\nQuickly."}],
            "chosen": [{"role": "assistant", "content": [{"type": "text", "text": "a - b"}]}],
            "rejected": [{"role": "assistant", "content": "b - a"}],
        },
    ]
    pairs = [read_preferences(written(tmp_path / "p.jsonl", row)).pairs[0] for row in rows]
    assert texts(pairs[0]) == texts(pairs[1])
    assert pairs[0].prompt_messages == rows[1]["prompt"]


@pytest.mark.parametrize("suffix", [".json", ".parquet", ".jsonl.gz"])
def test_json_lists_parquet_and_gzip_are_read_too(tmp_path, suffix):
    path = tmp_path / f"prefs{suffix}"
    rows = [row for name, row in PAIR_ROWS if name == "ultrafeedback"][:1] * 2
    if suffix == ".json":
        path.write_text(json.dumps(rows))
    elif suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        write_records(path, rows)
    assert [pair.chosen for pair in read_preferences(path).pairs] == ["a + b", "a + b"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"chosen": [GOOD], "rejected": [BAD]}, "does not end with a user's message"),
        ({"prompt": [USER, GOOD], "chosen": [GOOD], "rejected": [BAD]}, "does not end with a user"),
        (
            {"prompt": [USER], "chosen": [GOOD, USER, GOOD], "rejected": [BAD]},
            "chosen: one message",
        ),
        ({"prompt": [USER], "chosen": ["a + b"], "rejected": [BAD]}, "a message is an object"),
        ({"prompt": [USER], "chosen": [GOOD], "rejected": "b"}, "rejected: a list of messages"),
        (
            {
                "prompt": [{"role": "tool", "content": "3"}, USER],
                "chosen": [GOOD],
                "rejected": [BAD],
            },
            "the role 'tool' can't be represented",
        ),
        (
            {"prompt": [USER], "chosen": [{**GOOD, "tool_calls": [{}]}], "rejected": [BAD]},
            "a tool call can't be represented",
        ),
        (
            {
                "prompt": [{"role": "user", "content": [{"type": "image", "image": "x"}]}],
                "chosen": [GOOD],
                "rejected": [BAD],
            },
            "something else than text",
        ),
        (
            {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD], "images": ["a.png"]},
            "images: can't be represented",
        ),
        (
            {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD], "weight": "much"},
            "weight: input should be a valid number",
        ),
    ],
)
def test_what_can_not_be_represented_is_a_bad_row_with_its_line(tmp_path, row, reason):
    good = {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}
    found = read_preferences(written(tmp_path / "p.jsonl", good, row, good))
    assert len(found.pairs) == 2
    assert [(bad.line, reason in bad.reason) for bad in found.bad] == [(2, True)], found.bad
    assert found.left_out == {"unreadable": 1}


def test_pairs_with_equal_sides_are_left_out_and_counted(tmp_path):
    same = {**ADD, "rejected": "a + b"}
    found = read_preferences(written(tmp_path / "p.jsonl", same, ADD, same))
    assert len(found.pairs) == 1
    assert found.left_out == {"identical_sides": 2}


def test_a_file_of_nothing_says_what_is_known(tmp_path):
    with pytest.raises(DataError, match=r"no known format \(question, answer\)"):
        read_preferences(written(tmp_path / "p.jsonl", {"question": "?", "answer": "!"}))
    with pytest.raises(DataError, match="0 unreadable, 1 with equal sides"):
        read_preferences(written(tmp_path / "p.jsonl", {**ADD, "rejected": "a + b"}))
    with pytest.raises(DataError, match="no such file"):
        read_preferences(tmp_path / "nothing.jsonl")


def test_a_named_format_is_kept_to(tmp_path):
    path = written(tmp_path / "p.jsonl", {**ADD, "instruction": "Add!"}, {**ADD, "chosen": 3})
    assert read_preferences(path).pairs[0].prompt == "Add!"
    found = read_preferences(path, "trl")
    assert found.pairs[0].prompt == "Add."
    assert found.bad[0].reason == "chosen: a text is needed"


# ------------------------------------------------------------------ writing


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_what_is_written_is_read_as_the_same_texts(tmp_path, form):
    rows = ROWS if form.record is Pair else [side for pair in ROWS for side in pair.sides()]
    if form.name in ("trl", "kto"):  # texts hold no conversation
        rows = [row for row in rows if not row.prompt_messages]
    path = tmp_path / "rows.jsonl"
    write_records(path, export_rows(rows, form.name))
    found = read_preferences(path)
    assert found.format.name == form.name
    assert [texts(row) for row in found.rows] == [texts(row) for row in rows]
    assert [row.task_id for row in found.rows] == [row.task_id for row in rows]


def test_a_format_of_labels_takes_both_sides_of_each_pair():
    assert list(export_rows(ROWS[:1], "kto")) == [
        {
            "prompt": ROWS[0].prompt,
            "completion": text,
            "label": label,
            "task_id": "a",
            "weight": 1.0,
        }
        for text, label in ((ROWS[0].chosen, True), (ROWS[0].rejected, False))
    ]


@pytest.mark.parametrize(
    ("rows", "name", "reason"),
    [
        (ROWS, "trl", "row 2: can't be written as trl: its prompt is a conversation of 4 messages"),
        ([*ROWS[0].sides()], "trl", "row 1 .a.: trl holds pairs"),
        (
            [Labelled(prompt="p", completion="", label=True)],
            "llama-factory-kto",
            "its completion is empty, which LLaMA-Factory reads as the other label",
        ),
        (
            [Pair(prompt="?", prompt_messages=[USER, USER], chosen="a", rejected="b")],
            "llama-factory-sharegpt",
            "user and assistant do not take turns",
        ),
        (ROWS, "csv", "no format 'csv'"),
    ],
)
def test_what_a_format_can_not_say_is_refused(rows, name, reason):
    with pytest.raises(InputError, match=reason):
        list(export_rows(rows, name))


def test_llama_factorys_own_converters_read_what_we_meant():
    """Recorded from LLaMA-Factory 0.9.5; see tests/golden/record_llamafactory.py."""
    cases = json.loads(LLAMA_FACTORY.read_text())
    assert [case["format"] for case in cases] == [
        form.name for form in FORMATS if form.dataset_info
    ]
    for case in cases:
        name = case["format"]
        assert case["rows"] == list(export_rows(ROWS, name))
        assert case["dataset_info"] == dataset_info(name, Path("rows.jsonl"))
        rows = [side for pair in ROWS for side in pair.sides()] if "kto" in name else ROWS
        for row, read in zip(rows, case["read"], strict=True):
            system = [{"role": "system", "content": read["_system"]}] if "_system" in read else []
            own = row.prompt_messages or [{"role": "user", "content": row.prompt}]
            assert system + read["_prompt"] == own
            if isinstance(row, Pair):
                answers = [row.chosen, row.rejected]
            else:  # the label is which of two answers is there
                answers = [row.completion, ""] if row.label else ["", row.completion]
            assert [message["content"] for message in read["_response"]] == answers


def test_a_run_file_names_the_formats_of_the_table():
    assert set(get_args(PreferenceFormat)) == {"auto", *(form.name for form in FORMATS)}
