"""Steps: cuts lose nothing, statements are found where there is Python, every token is in one step."""

import ast
import os
import time
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from codealign.config import KATA_POLICY
from codealign.problems import load_problems
from codealign.programs import parse
from codealign.records import Problem
from codealign.segments import (
    Steps,
    segment,
    split_lines,
    split_statements,
    steps_of_tokens,
    token_starts,
    token_steps,
)
from tests.model_fixtures import make_tokenizer

DATA = os.environ.get("CODEALIGN_DATA", "")
needs_data = pytest.mark.skipif(
    not Path(DATA, "humaneval").is_dir(), reason="CODEALIGN_DATA is unset"
)


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    """The steps; fails if they lose anything or one is empty."""
    assert cuts[0] == 0
    assert cuts[-1] == len(text)
    assert all(one < other for one, other in pairwise(cuts))
    found = [text[start:end] for start, end in pairwise(cuts)]
    assert "".join(found) == text
    return found


def statements(text: str, prompt: str = "") -> list[str]:
    return pieces(text, split_statements(text, prompt))


def lines(text: str) -> list[str]:
    return pieces(text, split_lines(text))


# ------------------------------------------------------------------ lossless, whatever the text

WORDS = [
    *(
        "\n",
        "\r\n",
        "\r",
        "    ",
        "\t",
        " ",
        "\x0c",
        ";",
        ":",
        "#",
        '"""',
        "'",
        "(",
        ")",
        "]",
        "\\",
    ),
    *(
        "def f(x):",
        "return",
        "if x:",
        "else:",
        "elif y:",
        "try:",
        "except E:",
        "finally:",
        "@d",
        "x = 1",
    ),
    *(
        "match x:",
        "case 1:",
        "class A:",
        "```python",
        "```",
        "lambda: 0",
        "é",
        "🙂",
        "\x00",
        "\ud800",
    ),
]
any_text = st.text() | st.lists(st.sampled_from(WORDS)).map("".join)


@given(any_text, any_text)
@settings(max_examples=400, deadline=None)
def test_cuts_lose_nothing_of_any_text(text: str, prompt: str) -> None:
    assert sum(map(len, lines(text))) == len(text)
    assert sum(map(len, statements(text, prompt))) == len(text)


@pytest.mark.parametrize(
    "text", ["", "\n", "\n\n \n\r\n", "x", "# only a comment\n", ")", "```", "\x0c"]
)
def test_a_text_of_one_step_or_none(text: str) -> None:
    assert lines(text) == statements(text) == ([text] if text else [])


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000,
        "x = " + "-" * 100_000 + "1",
        "1+" * 50_000 + "1\nx",
        "x" + ".a" * 50_000 + "\ny = 2",
        "(\n" * 3_000,
        "".join(" " * depth + "if x:\n" for depth in range(300)),
        "if x: pass\n" + "elif x: pass\n" * 5_000,
        "x = 1\n\x00\n",
        "x = '\ud800'\ny = 2",
        "\r" * 3_000 + "(",
    ],
    ids=str.__len__,
)
def test_nothing_raises_and_nothing_takes_long(text: str) -> None:
    start_s = time.process_time()
    assert statements(text)
    assert statements(text, "def f(x):\n")
    assert time.process_time() - start_s < 10


# ------------------------------------------------------------------ lines


def test_a_line_break_begins_the_next_step() -> None:
    assert lines("a\nb\r\nc\rd") == ["a", "\nb", "\r\nc", "\rd"]


def test_blank_lines_lead_the_next_step_and_trail_the_last() -> None:
    assert lines("\n\na\n\n  \nb\n\n") == ["\n\na", "\n\n  \nb\n\n"]


def test_comments_and_fences_lead_the_next_step() -> None:
    text = "Here:\n```python\n# why\nx = 1  # how\n# end\n```\nDone.\n# really\n"
    assert lines(text) == [
        "Here:",
        "\n```python\n# why\nx = 1  # how",
        "\n# end\n```\nDone.\n# really\n",
    ]


def test_a_closing_bracket_belongs_to_the_step_before() -> None:
    assert lines("x = [\n  1,\n  # two\n]\ny") == ["x = [", "\n  1,\n  # two\n]", "\ny"]
    assert lines("def f(\n  a\n) -> int:\n  b") == ["def f(", "\n  a\n) -> int:", "\n  b"]


# ------------------------------------------------------------------ statements

PROMPT = 'def f(x):\n    """Say."""\n'


def test_every_statement_and_header_is_a_step() -> None:
    text = (
        "    total = (\n        0\n    )\n"
        "    for y in x:\n        if y: total += y; continue\n        elif not y:\n            break\n"
        "        # why\n        else:  # so\n            pass\n"
        "    return total\n\n"
    )
    assert statements(text, PROMPT) == [
        "    total = (\n        0\n    )",
        "\n    for y in x:",
        "\n        if y:",
        " total += y;",
        " continue",
        "\n        elif not y:",
        "\n            break",
        "\n        # why\n        else:  # so\n            pass",
        "\n    return total\n\n",
    ]


def test_handlers_and_cases_have_headers() -> None:
    text = (
        "try:\n    a\nexcept E as e:\n    b\nelse: c\nfinally:\n    d\n"
        "match a:\n    case (\n        1 | 2): pass\n    case _ if b:\n        e\n"
    )
    assert statements(text) == [
        "try:",
        "\n    a",
        "\nexcept E as e:",
        "\n    b",
        "\nelse: c",
        "\nfinally:\n    d",
        "\nmatch a:",
        "\n    case (\n        1 | 2):",
        " pass",
        "\n    case _ if b:",
        "\n        e\n",
    ]


def test_decorators_lead_their_function() -> None:
    text = "import a\n@a.b\n# why\n@ c(\n  1)\nclass D:\n    @e\n    async def f(self): ...\n"
    assert statements(text) == [
        "import a",
        "\n@a.b\n# why\n@ c(\n  1)\nclass D:",
        "\n    @e\n    async def f(self):",
        " ...\n",
    ]


def test_a_string_of_many_lines_is_one_step() -> None:
    text = 'def g():\n    """One.\n\n# no comment\nelse:\n# end"""\n    x = f"""\n# {g}\n"""\n    return 1'
    assert statements(text) == [
        "def g():",
        '\n    """One.\n\n# no comment\nelse:\n# end"""',
        '\n    x = f"""\n# {g}\n"""',
        "\n    return 1",
    ]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_wide_characters_tabs_and_line_breaks_of_all_kinds(line_break: str) -> None:
    text = line_break.join(["\tü = '🙂é'; b = 'ß'", "\x0c\tif b:", "\t\tπ = 2 # 🙂", "\treturn ü"])
    assert statements(text, "def f(x):\n") == [
        "\tü = '🙂é';",
        " b = 'ß'",
        f"{line_break}\x0c\tif b:",
        f"{line_break}\t\tπ = 2 # 🙂",
        f"{line_break}\treturn ü",
    ]


def test_a_statement_that_the_prompt_began_is_the_first_step() -> None:
    assert statements(" x + 1\nprint(f(2))\n", "def f(x):\n    return") == [
        " x + 1",
        "\nprint(f(2))\n",
    ]


def test_a_program_that_begins_anew_needs_no_prompt() -> None:
    text = "def f(x):\n    return (\n        x)\n"
    expected = ["def f(x):", "\n    return (\n        x)\n"]
    for prompt in ("", "Write f.\n", "def f(x):\n", PROMPT):
        assert statements(text, prompt) == expected


def test_a_completion_that_was_cut_has_statements_up_to_there() -> None:
    text = "    a = [\n        1]\n    b = {\n        'c': 3,\n        'd"
    assert statements(text, PROMPT) == [
        "    a = [\n        1]",
        "\n    b = {",
        "\n        'c': 3,",
        "\n        'd",
    ]


def test_prose_after_a_program_goes_by_lines() -> None:
    assert statements("    return (\n        x)\n\nThis says it.\nBye.", PROMPT) == [
        "    return (\n        x)",
        "\n\nThis says it.",
        "\nBye.",
    ]


def test_fenced_blocks_hold_statements_and_prose_goes_by_lines() -> None:
    text = (
        "I think\nso:\n```python\ndef f(x):\n    return [\n        x]\n```\nOr:\n"
        "~~~\nf = (\n  abs)\n~~~\nDone.\n"
    )
    assert statements(text, "Write f.") == [
        "I think",
        "\nso:",
        "\n```python\ndef f(x):",
        "\n    return [\n        x]",
        "\n```\nOr:",
        "\n~~~\nf = (\n  abs)",
        "\n~~~\nDone.\n",
    ]


def test_a_fence_that_the_prompt_opened() -> None:
    text = "    return [\n        x]\n```\nDone."
    assert statements(text, PROMPT) == ["    return [\n        x]", "\n```\nDone."]


# ------------------------------------------------------------------ real programs


def solutions() -> list[tuple[Problem, str, str]]:
    """(problem, prompt, completion) of every canonical solution."""
    problems = [*load_problems("humaneval").problems, *load_problems("mbpp").problems]
    return [
        (each, each.prompt if each.solution_is_continuation else "", each.canonical_solution)
        for each in problems
        if each.canonical_solution
    ]


@needs_data
def test_every_statement_of_real_solutions_starts_a_step() -> None:
    given = solutions()
    assert len(given) > 1000
    for problem, prompt, text in given:
        tree = parse(prompt + text)
        assert tree is not None
        first_line = prompt.count("\n") + 1
        nodes = [each for each in ast.walk(tree) if isinstance(each, ast.stmt)]
        written = [each for each in nodes if each.lineno >= first_line]
        headers = [
            each for each in ast.walk(tree) if isinstance(each, ast.excepthandler | ast.match_case)
        ]
        assert len(statements(text, prompt)) == len(written) + len(headers), problem.task_id


@needs_data
def test_real_solutions_cut_between_steps_keep_their_steps() -> None:
    """A token limit changes no step before the last statement that is there whole."""
    random, num_parsing = Random(0), 0
    for problem, prompt, text in solutions():
        whole = statements(text, prompt)
        num_steps = random.randint(1, len(whole))
        part = "".join(whole[:num_steps])
        if parse(prompt + part) is not None:
            num_parsing += 1
            assert statements(part, prompt) == whole[:num_steps], problem.task_id
    assert num_parsing > 700


@needs_data
def test_real_solutions_cut_anywhere_lose_nothing() -> None:
    random = Random(0)
    for _, prompt, text in solutions():
        statements(text[: random.randrange(len(text))], prompt)


# ------------------------------------------------------------------ tokens

KATA = Tokenizer.from_file(str(KATA_POLICY / "tokenizer.json"))
BPE = make_tokenizer()
EOS = BPE.get_vocab()["<eos>"]


def decode_kata(ids: Sequence[int]) -> str:
    return KATA.decode(list(ids), skip_special_tokens=True)


def decode_bpe(ids: Sequence[int]) -> str:
    text = BPE.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def encode_bpe(text: str, *, eos: bool = True) -> list[int]:
    return [*BPE.backend_tokenizer.encode(text).ids, *([EOS] if eos else [])]


def starts_by_definition(decode: Callable[[Sequence[int]], str], ids: Sequence[int]) -> list[int]:
    """How many whole characters of the text the tokens before have written."""
    text = decode(ids)
    reached = (num_shared(decode(ids[:number]), text) for number in range(len(ids)))
    return list(accumulate(reached, max))


def num_shared(one: str, other: str) -> int:
    return next((n for n in range(len(one)) if one[n : n + 1] != other[n : n + 1]), len(one))


def test_bytes_of_one_character_start_together() -> None:
    ids = encode_bpe("a🙂b")
    assert len(ids) == 7  # a, four bytes, b, EOS
    assert token_starts(decode_bpe, ids) == [0, 1, 1, 1, 1, 2, 3]
    torn = ids[:3]
    assert token_starts(decode_bpe, torn)[:2] == [0, 1]


@given(st.text(max_size=60), st.booleans())
@settings(deadline=None)
def test_starts_are_those_of_the_definition(text: str, eos: bool) -> None:
    ids = encode_bpe(text, eos=eos)
    assert token_starts(decode_bpe, ids) == starts_by_definition(decode_bpe, ids)


@given(st.lists(st.integers(0, len(BPE) - 1), max_size=30))
@settings(deadline=None)
def test_any_sampled_ids_have_steps(ids: list[int]) -> None:
    for split in (split_lines, split_statements):
        check_steps(segment(ids, decode_bpe, split), ids)


def check_steps(steps: Steps, ids: Sequence[int]) -> None:
    """Every token in one step, every step with a token, in order."""
    assert len(steps.of_token) == len(ids)
    assert sorted(set(steps.of_token)) == list(range(len(steps.starts)))
    assert steps.of_token == sorted(steps.of_token)
    assert [steps.of_token.index(step) for step in range(len(steps.starts))] == steps.starts


def test_a_thousand_tokens_are_not_quadratic() -> None:
    ids = encode_bpe("🙂 x = 1\n" * 300)
    assert len(ids) > 1000
    num_decoded = 0

    def decode(some: Sequence[int]) -> str:
        nonlocal num_decoded
        num_decoded += len(some)
        return decode_bpe(some)

    token_starts(decode, ids)
    assert num_decoded < 25 * len(ids)


def test_a_token_is_in_the_step_of_its_first_character() -> None:
    # Characters   0123456 789
    # Steps        |------|---     cuts 0, 7, 11
    assert steps_of_tokens([0, 7, 11], [0, 3, 6, 7, 10, 11, 11]) == [0, 0, 0, 1, 1, 1, 1]


def test_a_step_in_which_no_token_starts_is_merged() -> None:
    # The second token, from 3 on, holds the whole of the step 4 to 6.
    assert token_steps([0, 4, 6, 9], [0, 3, 6]) == Steps([0, 2], [0, 0, 1])


def test_a_first_step_of_no_token_does_not_shift_the_state() -> None:
    assert token_steps([0, 2, 5], [3, 4]) == Steps([0], [0, 0])


def test_no_tokens_no_steps_and_eos_alone_is_one() -> None:
    assert segment([], decode_bpe, split_lines) == Steps([], [])
    assert segment([EOS], decode_bpe, split_lines) == Steps([0], [0])


def test_the_state_before_a_step_is_a_prefix_of_the_tokens() -> None:
    text = "    a = x + 1\n    if a > 2:\n        return a\n    return x\n"
    ids = [*KATA.encode(text, add_special_tokens=False).ids, KATA.token_to_id("<|endoftext|>")]
    assert decode_kata(ids) == text
    steps = segment(ids, decode_kata, lambda each: split_statements(each, "def f(x):\n"))
    check_steps(steps, ids)
    assert len(steps.starts) == 4
    assert steps.of_token[-1] == 3  # EOS
    states = [decode_kata(ids[:start]) for start in steps.starts]
    # A token that ends with a line break takes it along into the step before.
    assert [state.rstrip("\n") for state in states] == [
        "",
        "    a = x + 1",
        "    a = x + 1\n    if a > 2:",
        "    a = x + 1\n    if a > 2:\n        return a",
    ]
