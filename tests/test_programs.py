"""Completions to programs: each rule on what models really write, and the digest that ignores comments."""

import gzip
import json
import os
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codealign.errors import DataError
from codealign.problems import load_problems
from codealign.programs import (
    defines,
    extract_program,
    normalised,
    parse,
    read_completions,
    reference_program,
)
from codealign.records import CallTests, CheckTests, Completion, Problem, StdioTests

PROMPT = (
    'from typing import List\n\n\ndef double(xs: List[int]) -> List[int]:\n    """Double each."""\n'
)
BODY = "    return [2 * x for x in xs]\n"

DOUBLE = Problem(
    task_id="double",
    prompt=PROMPT,
    entry_point="double",
    tests=CheckTests(source="def check(candidate):\n    assert candidate([1]) == [2]\n"),
)
TRIPLE = Problem(
    task_id="triple",
    prompt='"""\nTriple a number.\nassert triple(1) == 3\n"""\n',
    entry_point="triple",
    tests=CallTests(inputs=[[1]], outputs=[3]),
)
ECHO = Problem(
    task_id="echo", prompt="Echo a line.", tests=StdioTests(inputs=["a\n"], outputs=["a\n"])
)


def run(program: str, name: str):
    """What the program binds `name` to; only programs of this file come here."""
    namespace: dict = {"__name__": "program"}
    exec(program, namespace)
    return namespace[name]


@pytest.mark.parametrize("rule", ["auto", "raw", "stop_words", "syntax_tree", "chat"])
def test_a_clean_continuation_is_prompt_plus_completion_under_every_rule(rule):
    assert extract_program(DOUBLE, BODY, rule).strip() == (PROMPT + BODY).strip()


AFTER = [
    "\n\ndef main():\n    pass\n",
    "\nclass Other:\n",
    "\nif __name__ == '__main__':\n    double(",
    "\nprint(double([1]))",
    "\n# Test the function\nassert",
    "<|endoftext|>import os",
]
AFTER_BEYOND_STOP_WORDS = [
    "\n@decorated\ndef",
    "\n```\nThis doubles.",
    '\n"""\nAnother task',
    "\nfrom.models import (",
]  # what is torn comes off; auto would keep what parses


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        *product(["auto", "stop_words", "syntax_tree"], AFTER),
        *product(["auto", "syntax_tree"], AFTER_BEYOND_STOP_WORDS),
    ],
)
def test_what_a_base_model_writes_after_the_function_is_cut(rule, after):
    program = extract_program(DOUBLE, BODY.rstrip("\n") + after, rule)
    assert program.strip() == (PROMPT + BODY).strip()


def test_auto_drops_a_torn_end_and_keeps_the_models_own_asserts():
    """Without them a sample would pass for having been cut off in the right place."""
    completion = BODY + "\n\nassert double([1]) == [3]\nassert double([1"
    assert extract_program(DOUBLE, completion).endswith("assert double([1]) == [3]")


def test_stop_words_are_codets_to_the_letter_on_what_codegen_wrote():
    """All 16,400 recorded completions: cut at each word in turn, as CodeT's postprocess.py does."""
    data = Path(os.environ.get("CODEALIGN_DATA", "nowhere"))
    recorded = data / "recorded" / "humaneval_codegen16b_t0.8_n100.jsonl.gz"
    if not recorded.exists():
        pytest.skip("CODEALIGN_DATA is unset or has no recorded completions")
    problems = {problem.task_id: problem for problem in load_problems("humaneval").problems}
    completions = read_completions(recorded)
    assert len(completions) == 16_400
    for completion in completions:
        problem = problems[completion.task_id]
        text = completion.completion.replace("\r\n", "\n")
        for word in ("\nclass", "\ndef", "\n#", "\nif", "\nprint"):
            text = text.split(word)[0]
        assert extract_program(problem, completion, "stop_words") == problem.prompt + text


def test_raw_keeps_everything():
    assert extract_program(DOUBLE, BODY + "\nprint(1)\n", "raw") == PROMPT + BODY + "\nprint(1)\n"


def test_the_syntax_tree_keeps_a_helper_that_is_written_afterwards_and_drops_the_rest():
    completion = (
        "    return [times(x) for x in xs]\n\n\nFACTOR = 2\nUNUSED = 3\n\n\n"
        "def times(x):\n    return FACTOR * x\n\n\ndef unrelated():\n    return 1 /\n"
    )
    program = extract_program(DOUBLE, completion, "syntax_tree")
    assert run(program, "double")([4]) == [8]
    assert "UNUSED" not in program
    assert "unrelated" not in program
    assert "def times" not in extract_program(DOUBLE, completion, "stop_words")


def test_a_comment_at_the_margin_does_not_end_a_function_for_the_syntax_tree():
    completion = (
        "    ys = []\n    for x in xs:\n# double it\n        ys.append(2 * x)\n    return ys\n"
    )
    assert run(extract_program(DOUBLE, completion, "auto"), "double")([3]) == [6]


def test_a_second_attempt_after_the_function_does_not_replace_it():
    completion = BODY + "\n\ndef double(xs):\n    return None\n"
    assert run(extract_program(DOUBLE, completion, "syntax_tree"), "double")([3]) == [6]


def test_a_name_that_is_local_to_the_function_pulls_nothing_in():
    completion = "    ys = [2 * x for x in xs]\n    return ys\n\n\nys = explode()\n"
    assert "explode" not in extract_program(DOUBLE, completion, "syntax_tree")


def test_a_function_cut_in_the_middle_stays_broken():
    """Cutting the last half line away would give a truncated program a chance it didn't earn."""
    program = extract_program(DOUBLE, "    if xs:\n        return [2 *", "auto")
    assert parse(program) is None
    assert program == PROMPT + "    if xs:\n        return [2 *"


@pytest.mark.parametrize(
    "reply",
    [
        "Sure! Here it is:\n```python\n{code}```\nIt doubles each.",
        "{code}```\nIt doubles each.",
        "```\n{code}",
        "First try:\n```python\ndef double(xs):\n    return xs\n```\nNo, better:\n```python\n{code}```\n",
        "```python\n{code}```\nUse it so:\n```python\nprint(double([1, 2]))\n```",
        "```python\n{code}\nprint(double([1]))\nassert double([1]) == [2]\n```",
        "~~~py\n{code}~~~\n",
    ],
)
def test_the_fenced_block_that_defines_the_entry_point_is_the_program(reply):
    code = "def double(xs: List[int]) -> List[int]:\n    return [2 * x for x in xs]\n"
    program = extract_program(DOUBLE, reply.format(code=code), "auto")
    assert run(program, "double")([5]) == [10]
    assert "print" not in program
    assert program.startswith("from typing import List")  # the prompt's imports come along


def test_a_fenced_body_continues_the_prompt():
    assert run(extract_program(DOUBLE, f"```python\n{BODY}```\n"), "double")([5]) == [10]


def test_a_whole_function_replaces_the_prompts_and_keeps_what_stands_before():
    completion = (
        "import math\n\ndef double(xs: List[int]):\n    return [math.floor(2 * x) for x in xs]\n"
    )
    program = extract_program(DOUBLE, completion)
    assert run(program, "double")([1]) == [2]
    assert program.count("def double") == 1


@pytest.mark.parametrize(
    "completion",
    [
        "from operator import neg, pos as triple\n",
        "class triple:\n    def __new__(cls, x):\n        return +x\n",
    ],
)
def test_an_entry_point_that_is_imported_or_a_class_makes_a_whole_program(completion: str):
    problem = TRIPLE.model_copy(update={"prompt": 'def triple(x):\n    """3 * x."""\n'})
    program = extract_program(problem, "import math\n\n" + completion)
    assert run(program, "triple")(2) == 2  # its own answer, not the prompt's empty function


def test_prose_before_a_whole_program_is_left_out():
    program = extract_program(
        TRIPLE, "Here you go, it's easy:\n\ndef triple(x):\n    return 3 * x\n"
    )
    assert run(program, "triple")(2) == 6


def test_a_function_asked_for_by_a_docstring_may_bring_its_helpers_first():
    completion = (
        "def times(x, n):\n    return x * n\n\ndef triple(x):\n    return times(x, 3)\n\n"
        'assert triple(1) == 3\n"""\nNext task'
    )
    for rule in ("auto", "syntax_tree", "stop_words"):
        assert run(extract_program(TRIPLE, completion, rule), "triple")(2) == 6
    program = extract_program(TRIPLE, completion, "auto")
    assert program.count("assert triple") == 1  # the prompt's


def test_windows_newlines_are_newlines():
    assert run(extract_program(DOUBLE, BODY.replace("\n", "\r\n")), "double")([1]) == [2]


def test_a_prompt_of_prose_is_no_part_of_the_program():
    problem = TRIPLE.model_copy(update={"prompt": "triple"})  # which parses, as a name
    assert extract_program(problem, "def triple(x):\n    return 3 * x\n").startswith("def")


def test_a_file_for_standard_input_is_itself_or_the_last_python_block():
    assert extract_program(ECHO, "print(input())\n") == "print(input())\n"
    reply = "Input:\n```\na b c\n```\n```python\nprint(input())\n```\ngives\n```\na b c\n```"
    assert extract_program(ECHO, reply) == "print(input())\n"


def test_a_method_of_solution_is_bound_to_the_entry_point_and_gets_the_prelude():
    problem = Problem(
        task_id="1",
        prompt="Prose.",
        entry_point="triple",
        tests=CallTests(inputs=[[1]], outputs=[3]),
        prelude="from typing import *\n",
    )
    code = "```python\nfrom __future__ import annotations\nclass Solution:\n    def triple(self, x: Optional[int]) -> List:\n        return 3 * x\n```"
    program = extract_program(problem, code)
    assert run(program, "triple")(2) == 6
    assert program.startswith("from __future__ import annotations\nfrom typing import *\n")
    again = Completion(task_id="1", completion=program, is_program=True)
    assert extract_program(problem, again) == program


def test_the_reference_program_is_whole_whichever_way_the_solution_is_kept():
    continued = DOUBLE.model_copy(update={"canonical_solution": BODY})
    assert reference_program(continued) == PROMPT + BODY
    whole = "class Solution:\n    def triple(self, x):\n        return 3 * x\n"
    kept_whole = TRIPLE.model_copy(
        update={"canonical_solution": whole, "solution_is_continuation": False}
    )
    assert run(reference_program(kept_whole) or "", "triple")(2) == 6
    assert reference_program(DOUBLE) is None


def test_a_solution_column_is_a_program_already():
    solution = "def double(xs):\n    return xs + xs\nprint('kept')\n"
    completion = Completion(task_id="double", completion=solution, is_program=True)
    assert extract_program(DOUBLE, completion, "auto") == solution
    assert extract_program(DOUBLE, Completion(task_id="double", completion=BODY)) == PROMPT + BODY


HOSTILE = [
    "    return \x00",
    "    return '\ud800'",
    "    return " + "(" * 5000 + ")" * 5000,
    "    return " + "-" * 20000 + "1",
    "    return " + "+".join(["1"] * 20000),
    "    " + "if 1: " * 3000 + "pass",
    "```" * 500,
    "```python\n" * 300,
    "\n" * 10000,
    "\\",
    '"""',
    "def double(",
    "class Solution:",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("rule", ["auto", "raw", "stop_words", "syntax_tree", "chat"])
def test_hostile_text_gives_a_program_and_a_digest(rule, text):
    program = extract_program(DOUBLE, text, rule)
    assert len(normalised(program)) == 64


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["    return 1", "def double(xs):", "def g():", "```python", "```", "    x = (", "# c", ")",
             "class Solution:", "    def double(self):", "if x:", '"""', "import os", "", "\tpass", "é = '"]
        ),
        max_size=12,
    ),
    st.sampled_from(["auto", "stop_words", "syntax_tree", "chat"]),
)  # fmt: skip
def test_extraction_is_total_and_pure_and_takes_only_lines_that_were_there(lines, rule):
    text = "\n".join(lines)
    program = extract_program(DOUBLE, text, rule)
    assert program == extract_program(DOUBLE, text, rule)
    known = {*PROMPT.split("\n"), *lines, "double = Solution().double"}
    assert set(program.split("\n")) <= known


def test_normalised_ignores_comments_docstrings_and_layout_and_nothing_else():
    one = 'def f(x):\n    """Doc."""\n    # why\n    return x  +  1\n'
    same = "def f(x):\n\n    return (x + 1)\n"
    assert normalised(one) == normalised(same)
    for other in (
        "def f(y):\n    return y + 1\n",
        "def f(x):\n    return x + 2\n",
        "def f(x):\n    return x - 1\n",
    ):
        assert normalised(one) != normalised(other)
    assert normalised("def f(:") == normalised("\ndef f(:  ")
    assert normalised("def f(:") != normalised("def g(:")


def test_a_function_of_only_a_docstring_is_not_a_syntax_error_in_disguise():
    assert normalised('def f():\n    """Doc."""\n') == normalised("def f():\n    pass\n")


def test_defines_wants_a_binding_at_top_level():
    assert defines("f = lambda x: x", "f")
    assert not defines("def g():\n    def f(): pass", "f")
    assert not defines("def f(:", "f")


def write_lines(path: Path, rows: list) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    )
    return path


def test_completions_are_numbered_per_task_in_file_order(tmp_path):
    rows = [
        {"task_id": task, "completion": text, "mine": 1}
        for task, text in [("a", "1"), ("b", "2"), ("a", "3")]
    ]
    found = read_completions(write_lines(tmp_path / "samples.jsonl", rows))
    assert [(each.task_id, each.sample_index, each.completion) for each in found] == [
        ("a", 0, "1"),
        ("b", 0, "2"),
        ("a", 1, "3"),
    ]
    assert found[0].model_extra == {"mine": 1}


def test_evalplus_solutions_come_from_rows_and_from_directories(tmp_path):
    with gzip.open(tmp_path / "samples.jsonl.gz", "wt") as file:
        file.write('{"task_id": "HumanEval/0", "solution": "def f(): pass"}\n')
    (row,) = read_completions(tmp_path / "samples.jsonl.gz")
    assert (row.completion, row.model_extra) == ("def f(): pass", {"is_program": True})
    folder = tmp_path / "samples" / "HumanEval_7"
    folder.mkdir(parents=True)
    for number in (0, 2, 10):
        (folder / f"{number}.py").write_text(f"# {number}\n")
    found = read_completions(tmp_path / "samples")
    assert [(each.task_id, each.sample_index, each.completion) for each in found] == [
        ("HumanEval/7", 0, "# 0\n"),
        ("HumanEval/7", 1, "# 2\n"),
        ("HumanEval/7", 2, "# 10\n"),
    ]


def test_bad_rows_are_reported_with_their_lines_and_the_rest_counted(tmp_path):
    good = {"task_id": "a", "completion": "x", "sample_index": 0}
    path = write_lines(
        tmp_path / "s.jsonl",
        [good, "{torn", {"task_id": "a"}, good, {"task_id": 11, "completion": "y"}],
    )
    bad: list = []
    found = read_completions(path, bad)
    assert [each.task_id for each in found] == ["a", "11"]
    assert [row.line for row in bad] == [2, 3, 4]
    assert "completion: field required" in bad[1].reason
    assert "on line 1 already" in bad[2].reason
    with pytest.raises(DataError, match=r"s\.jsonl:2: not JSON"):
        read_completions(path)
    with pytest.raises(DataError, match="no completions in here"):
        read_completions(write_lines(tmp_path / "empty.jsonl", ["{torn"]), [])
