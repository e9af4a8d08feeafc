"""The four ways a problem can be tested, each a small class with the same face.

A style is prepared once per problem (parsing, compiling, reference outputs) and then run against any
number of programs. Test code runs here, in the judge; what it calls is in the cell.
"""

from __future__ import annotations

import builtins
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from codealign.judging.compare import answer_is_right, as_json, output_is_right
from codealign.judging.rewrite import (
    CARD,
    Prepared,
    bound_names,
    defined_classes,
    defined_names,
    imported_names,
    looks_at_arguments,
    parse,
    prepare_asserts,
    prepare_check,
    read_names,
)
from codealign.judging.scorecard import BrokenProblem, Finding, Scorecard, explain, recorded
from codealign.sandbox.proxies import ProgramClass
from codealign.sandbox.remote import CannotCross, ProgramEnded, ProgramError, ProgramExit, Remote

SEED = 0

Row = Mapping[str, Any]
RunReference = Callable[[str, list[list[Any]]], list[Any]]
"""(entry point, argument lists) → the canonical solution's answers, from the sandbox."""


class Style(Protocol):
    """Tests of one problem, ready to run."""

    test_names: list[str]
    wanted: list[str]
    """Globals of the program that the tests use."""

    handing: str
    """What becomes of containers in arguments, see `Asking.handing`: "look" at first where the tests may see
    a change, "write" once it is known that they are meant to."""

    @property
    def needed(self) -> str | None:
        """The global that a program must define."""
        ...

    def run(self, found: dict[str, Any], card: Scorecard) -> None:
        """Run every test against the program's globals; results go to `card`."""
        ...


class Program(Protocol):
    """What running tests needs of a program: `sandbox.protocol.Execution` and more things have it."""

    handing: str

    def begin(self) -> dict[str, Any]: ...


def run_tests(style: Style, program: Program, card: Scorecard) -> Finding | None:
    """Run every test of `style`; results go to `card`.

    Returns:
        None when the tests ran to their end, or until the program's process ended (how it ended says
        more); else what stopped them or kept them from starting.

    Raises:
        BrokenProblem: the problem's own fault.
    """
    random.seed(SEED)
    program.handing = style.handing
    try:
        found = program.begin()
        name = style.needed
        if name and name not in found:
            return Finding("syntax_error", "no_entry_point", f"the program defines no {name!r}")
        if card.covered is not None:
            card.import_lines = card.covered()
        style.run(found, card)
        return None
    except SyntaxError as error:
        return Finding("syntax_error", "", str(error)[:200])
    except (ProgramError, ProgramExit, MemoryError) as error:
        return explain(error)
    except ProgramEnded:
        return None
    except CannotCross as error:
        raise BrokenProblem(str(error)) from None


def reference_source(problem: Row) -> str | None:
    """The canonical solution as a whole program."""
    solution = problem.get("canonical_solution")
    if solution is None:
        return None
    return problem["prompt"] + solution if problem["solution_is_continuation"] else solution


def _execute(source: Any, scope: dict[str, Any], what: str) -> None:
    """Run trusted source of the problem itself; its failure is the problem's."""
    try:
        exec(source, scope)
    except Exception as error:
        raise BrokenProblem(f"{what} raises {type(error).__name__}: {error}") from None


def entry_point(found: dict[str, Any], name: str, card: Scorecard) -> Any:
    """The program's entry point for the tests; what can't be called is left to fail in them."""
    value = found[name]
    return recorded(value, card) if isinstance(value, Remote) and callable(value) else value


def trust_classes(found: dict[str, Any], names: set[str]) -> None:
    """Classes that the problem itself defines: operators of what a test makes of them are asked."""
    for name in names & found.keys():
        if isinstance(found[name], ProgramClass):
            found[name].trust()


class CheckStyle:
    """`check(candidate)`, as in HumanEval.

    Helpers that the test uses come from the problem's own prompt and canonical solution, never from the
    program under test; the entry point's name means the program, and so do the classes that the problem
    defines, or what a test makes of them would be foreign to the program.
    """

    def __init__(self, problem: Row) -> None:
        tests = problem["tests"]
        if not problem["entry_point"]:
            raise BrokenProblem("`check` tests need an entry point")
        self.entry_point = self.needed = str(problem["entry_point"])
        self.wanted = [self.entry_point]
        self._setup = compile(tests["setup"], "<setup>", "exec") if tests["setup"] else None
        self._prepared = prepare_check(tests["source"], self.entry_point)
        self.test_names = self._prepared.names
        subjects = {self.entry_point, *self._prepared.arguments}
        self.handing = "look" if looks_at_arguments([tests["source"]], subjects) else ""
        self._helpers, self._classes = None, set[str]()
        if self._prepared.free - {self.entry_point}:
            helpers = reference_source(problem) or problem["prompt"]
            try:
                self._helpers = compile(helpers, "<reference>", "exec")
                self._classes = defined_classes(helpers) & self._prepared.free
            except SyntaxError:
                self._helpers = None  # no helper to be had: the test will say which name it misses
        self.wanted += sorted(self._classes - {self.entry_point})

    def run(self, found: dict[str, Any], card: Scorecard) -> None:
        scope: dict[str, Any] = {"__name__": "test", CARD: card}
        candidate = entry_point(found, self.entry_point, card)
        if self._helpers is not None:
            _execute(self._helpers, scope, "the reference solution")
        trust_classes(found, self._classes)
        scope |= {name: found[name] for name in self._classes & found.keys()}
        if self._setup is not None:
            _execute(self._setup, scope, "the test's setup")
        scope[self.entry_point] = candidate
        _execute(self._prepared.code, scope, "the test")
        if "check" not in scope:
            raise BrokenProblem("the test defines no function `check`")
        if self.test_names == ["check"]:
            with card.test(0):
                scope["check"](candidate)
        else:
            run_rest(lambda: scope["check"](candidate), card)


def run_rest(body: Callable[[], Any], card: Scorecard) -> None:
    """Run tests; an exception between them fails those that were not reached, or else the last."""
    try:
        body()
    except BrokenProblem:
        raise
    except Exception as error:
        if card.complete:
            card.findings[-1] = explain(error)
        card.fill(explain(error)._replace(message=f"not reached: {type(error).__name__}"))
    card.fill(Finding("failed", "", "not reached"))


class AssertStyle:
    """Statements that name the entry point as a global, as in MBPP.

    Other names they use (a class the tests construct) are the program's own, as handles; modules are
    imported here.
    """

    def __init__(self, problem: Row) -> None:
        tests = problem["tests"]
        self.entry_point: str | None = problem["entry_point"]
        self.needed = self.entry_point
        self._prepared: Prepared = prepare_asserts(tests["asserts"], self.entry_point)
        self.test_names = self._prepared.names
        setup = tests["setup"]
        self._setup = compile(setup, "<setup>", "exec") if setup.strip() else None
        looks = looks_at_arguments([setup, *tests["asserts"]], {self.entry_point or ""})
        self.handing = "look" if looks else ""
        reference = reference_source(problem) or ""
        imports = imported_names(reference)
        source = "\n".join([setup, *tests["asserts"]])
        used = read_names(source) - bound_names(parse(source))
        self._own_imports = [imports[name] for name in sorted(used) if name in imports]
        # A builtin is the judge's own, unless the reference solution redefines it (Mbpp/126: `sum`).
        others = used - set(imports) - (set(dir(builtins)) - defined_names(reference))
        # Operators of its own classes are a matter of the problem; see `proxies`.
        self._classes = defined_classes(reference) if reference else others - {self.entry_point}
        first = [self.entry_point] if self.entry_point else []
        self.wanted = first + sorted(others - {self.entry_point})

    def run(self, found: dict[str, Any], card: Scorecard) -> None:
        scope: dict[str, Any] = {"__name__": "test"}
        for statement in self._own_imports:
            _execute(statement, scope, "an import of the reference solution")
        trust_classes(found, self._classes)
        scope |= {
            name: entry_point(found, name, card) if name == self.entry_point else value
            for name, value in found.items()
        }
        scope[CARD] = card
        run_rest(lambda: self._run(scope), card)

    def _run(self, scope: dict[str, Any]) -> None:
        if self._setup is not None:
            exec(self._setup, scope)
        exec(self._prepared.code, scope)


class CallStyle:
    """Argument lists in, values out, as in EvalPlus and call-style LiveCodeBench."""

    def __init__(self, problem: Row, run_reference: RunReference) -> None:
        tests = problem["tests"]
        if not problem["entry_point"]:
            raise BrokenProblem("tests that call a function need an entry point")
        self.task_id, self.entry_point = problem["task_id"], problem["entry_point"]
        self.inputs, self.atol = tests["inputs"], tests["atol"]
        self.wanted, self.needed = [self.entry_point], str(self.entry_point)
        self.handing = ""  # a call's arguments are its own
        self._from_file = tests["outputs"] is not None
        if self._from_file:
            self.outputs = tests["outputs"]
        else:
            self.outputs = run_reference(self.entry_point, self.inputs)
        if len(self.outputs) != len(self.inputs):
            raise BrokenProblem(f"{len(self.inputs)} inputs but {len(self.outputs)} outputs")
        self.test_names = [f"call {number}" for number in range(len(self.inputs))]

    def run(self, found: dict[str, Any], card: Scorecard) -> None:
        candidate = entry_point(found, self.entry_point, card)
        for number, (inputs, expected) in enumerate(zip(self.inputs, self.outputs, strict=True)):
            with card.test(number):
                card.expected(expected)
                actual = card.actual(candidate(*inputs))
                if not self._is_right(inputs, actual, expected):
                    raise AssertionError

    def _is_right(self, inputs: list[Any], actual: Any, expected: Any) -> bool:
        if self._from_file:
            actual, expected = as_json(actual), as_json(expected)
        return answer_is_right(self.task_id, self.entry_point, inputs, actual, expected, self.atol)


class StdioStyle:
    """Whole programs: standard input in, standard output compared. One process per test."""

    def __init__(self, problem: Row) -> None:
        tests = problem["tests"]
        self.inputs, self.outputs = tests["inputs"], tests["outputs"]
        if len(self.outputs) != len(self.inputs):
            raise BrokenProblem(f"{len(self.inputs)} inputs but {len(self.outputs)} outputs")
        self.test_names = [f"input {number}" for number in range(len(self.inputs))]

    def check(self, number: int, output: str, card: Scorecard) -> None:
        """Compare what the program wrote for input `number`."""
        with card.test(number):
            card.called((self.inputs[number],), {})
            card.expected(self.outputs[number])
            card.actual(output)
            if not output_is_right(output, self.outputs[number]):
                raise AssertionError


def prepare(
    problem: Row, run_reference: RunReference
) -> CheckStyle | AssertStyle | CallStyle | StdioStyle:
    """The style of a problem's tests.

    Raises:
        BrokenProblem: the tests can't be used.
    """
    kind = problem["tests"]["kind"]
    if kind == "calls":
        return CallStyle(problem, run_reference)
    return {"check": CheckStyle, "asserts": AssertStyle, "stdio": StdioStyle}[kind](problem)


def is_plain(value: Any) -> bool:
    """No handle anywhere in it: fit to be an expected value."""
    if isinstance(value, list | tuple | set | frozenset):
        return all(is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(is_plain(item) for pair in value.items() for item in pair)
    return not isinstance(value, Remote)
