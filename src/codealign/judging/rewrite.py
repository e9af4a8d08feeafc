"""Test source made ready for the judge: each assert a test of its own that does not stop the next.

    assert candidate(1) == 2          with __card__.test(0):
                                 →        assert __card__.actual(candidate(1)) == __card__.expected(2)

The order of evaluation and the meaning of every statement stay; only an exception that leaves an assert
(or a compound statement that holds asserts) is written down instead of ending the function. Asserts of a
true constant (`assert True, "…"`) can't fail and are no tests.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from types import CodeType
from typing import NamedTuple

from codealign.judging.scorecard import BrokenProblem

CARD = "__card__"
MAX_NAME = 80


class Prepared(NamedTuple):
    """Compiled test source."""

    code: CodeType
    names: list[str]
    """One per test: its own source, cut short."""
    free: set[str]
    """Names it uses and does not define, builtins left out."""
    arguments: list[str] = []  # noqa: RUF012 - a constant of the type
    """What `check` calls the program."""


def prepare_check(source: str, entry_point: str) -> Prepared:
    """HumanEval's `def check(candidate)`; without flat asserts in it, the whole call is one test."""
    tree = parse(source)
    free = free_names(tree)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    check = next((node for node in functions if node.name == "check"), None)
    names: list[str] = []
    argument: list[str] = []
    if check is not None:
        argument = [item.arg for item in check.args.args[:1]]
        _split(check.body, names, {entry_point, *argument})
    return Prepared(_compile(tree), names or ["check"], free, argument)


def prepare_asserts(asserts: list[str], entry_point: str | None) -> Prepared:
    """MBPP's statements; each string is one test."""
    names = [_cut(text) for text in asserts]
    body: list[ast.stmt] = []
    free: set[str] = set()
    for number, text in enumerate(asserts):
        tree = parse(text)
        free |= free_names(tree)
        marked = [_mark(statement, {entry_point or ""}) for statement in tree.body]
        body.append(_guard(number, marked or [ast.Pass()]))
    module = ast.Module(body=body, type_ignores=[])
    return Prepared(_compile(module), names, free)


def imported_names(source: str) -> dict[str, str]:
    """Import statements at the top level of `source`, by the name each binds."""
    found = {}
    for node in parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[(alias.asname or alias.name).split(".")[0]] = ast.unparse(node)
    return found


def defined_names(source: str) -> set[str]:
    """Functions and classes at the top level of `source`."""
    return {
        node.name
        for node in parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def read_names(source: str) -> set[str]:
    """Names that `source` reads, builtins among them."""
    nodes = ast.walk(parse(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def defined_classes(source: str) -> set[str]:
    """Classes at the top level of `source`."""
    return {node.name for node in parse(source).body if isinstance(node, ast.ClassDef)}


def asks_itself(source: str, entry_point: str) -> bool:
    """Whether a comparison has the program on both sides, by its own name or as `check`'s argument."""
    tree = parse(source)
    subjects = {entry_point}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "check" and node.args.args:
            subjects.add(node.args.args[0].arg)
    return any(
        _mentions(node.left, subjects)
        and any(_mentions(side, {entry_point}) for side in node.comparators)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
    )


def looks_at_arguments(sources: list[str], subjects: set[str]) -> bool:
    """Whether a test could see that a call changed its argument: it passes a variable that it reads elsewhere.

    `subjects` are the names that mean the program; for a method the object's own name counts.
    """
    trees = [parse(source) for source in sources]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    reads = Counter(
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    passed = [
        argument
        for call in calls
        if isinstance(call.func, ast.Attribute) or _mentions(call.func, subjects)
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
    ]
    return any(reads[name] > 1 for argument in passed for name in _passed_names(argument))


def _passed_names(argument: ast.expr) -> set[str]:
    """Variables of which a part, not a copy, is in an argument."""
    if isinstance(argument, ast.Name):
        return {argument.id}
    if isinstance(argument, ast.Attribute | ast.Subscript | ast.Starred):
        return _passed_names(argument.value)
    if isinstance(argument, ast.List | ast.Tuple | ast.Set):
        return set().union(*map(_passed_names, argument.elts))
    if isinstance(argument, ast.Dict):
        return set().union(*map(_passed_names, argument.values))
    return set()


def free_names(tree: ast.AST) -> set[str]:
    """Names that are read somewhere and bound nowhere in `tree`, builtins left out."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {node.id for node in nodes if isinstance(node.ctx, ast.Load)}
    return read - bound_names(tree) - set(dir(builtins))


def bound_names(tree: ast.AST) -> set[str]:
    """Names that are bound somewhere in `tree`: assigned, imported, defined, arguments, caught."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound


def parse(source: str) -> ast.Module:
    """The syntax tree of test source.

    Raises:
        BrokenProblem: it does not parse.
    """
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BrokenProblem(f"a test does not parse: {error}") from None


def _compile(tree: ast.Module) -> CodeType:
    return compile(ast.fix_missing_locations(tree), "<test>", "exec", dont_inherit=True)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_NAME else line[: MAX_NAME - 1] + "…"


def _split(body: list[ast.stmt], names: list[str], subjects: set[str]) -> None:
    """Guard, in place, each statement of a function's body that asserts something."""
    for index, statement in enumerate(body):
        if _asserts_something(statement):
            text = ast.unparse(statement)
            body[index] = _guard(len(names), [_mark(statement, subjects)])
            names.append(_cut(text))


def _asserts_something(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(
        isinstance(node, ast.Assert)
        and not (isinstance(node.test, ast.Constant) and node.test.value)
        for node in ast.walk(statement)
    )


def _guard(number: int, body: list[ast.stmt]) -> ast.With:
    test = ast.Attribute(ast.Name(CARD, ast.Load()), "test", ast.Load())
    call = ast.Call(test, [ast.Constant(number)], [])
    return ast.With(items=[ast.withitem(context_expr=call)], body=body)


def _mark(statement: ast.stmt, subjects: set[str]) -> ast.stmt:
    """Let the card see both sides of each asserted comparison."""
    for node in ast.walk(statement):
        if not isinstance(node, ast.Assert):
            continue
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            swapped = _mentions(test.comparators[0], subjects) and not _mentions(
                test.left, subjects
            )
            left, right = ("expected", "actual") if swapped else ("actual", "expected")
            test.left = _seen(left, test.left)
            test.comparators[0] = _seen(right, test.comparators[0])
        elif _mentions(test, subjects):
            node.test = _seen("actual", test)
    return statement


def _mentions(tree: ast.AST, names: set[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


def _seen(side: str, value: ast.expr) -> ast.expr:
    method = ast.Attribute(ast.Name(CARD, ast.Load()), side, ast.Load())
    return ast.Call(method, [value], [])
