"""One program judged: start it in the cell, run the tests here, say what it all means.

The only place that says `passed`: after the last test, when every test passed and the program was still
there to answer. Nothing the program writes, returns or exits with can mean it.
"""

from __future__ import annotations

import atexit
import copy
import math
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from codealign.judging import untrusted
from codealign.judging.expected import ExpectedOutputs
from codealign.judging.scorecard import (
    BrokenProblem,
    Finding,
    JudgeTimeout,
    Scorecard,
    explain,
)
from codealign.judging.styles import (
    StdioStyle,
    Style,
    is_plain,
    prepare,
    reference_source,
    run_tests,
)
from codealign.judging.untrusted import TestsMisbehaved, UntrustedTests
from codealign.sandbox.asking import line_numbers
from codealign.sandbox.cell import Cell
from codealign.sandbox.limits import Limits
from codealign.sandbox.protocol import Ending, Execution
from codealign.sandbox.remote import CannotCross, ProgramEnded, ProgramError, ProgramExit

JUDGE_CPU_S = 20.0
"""CPU time the tests of one program may take in the judge itself."""
STUCK_CPU_S = 5.0
"""And that much more when it can't be interrupted, before the judge's process is ended."""
LEAST_CPU_S, CPU_PER_REFERENCE = 1.0, 10.0
"""A program gets ten times the CPU time of the problem's own solution, and a second at least."""
MAX_TESTS_WITH_TEXT = 3
"""Failing tests whose inputs, expected and actual values are kept."""


class Patience:
    """JudgeTimeout once the judge itself has used `cpu_s` of CPU time inside `with`, and again every second.

    The timer runs on between programs: setting it and its handler anew for each costs more than the rest.

    A loop in C (`sum(range(10**18))`) hears of no timer. `is_deadly` is for a process that can be replaced: it
    is ended STUCK_CPU_S later, by SIGVTALRM, and whoever started it knows what that means.
    """

    is_deadly = False

    def __init__(self, cpu_s: float = JUDGE_CPU_S) -> None:
        self._cpu_s = cpu_s
        self._ends_s = math.inf
        self._set = False

    def __enter__(self) -> None:
        if not self._set:
            signal.signal(signal.SIGPROF, self._look)
            signal.setitimer(signal.ITIMER_PROF, 1.0, 1.0)
            atexit.register(signal.setitimer, signal.ITIMER_PROF, 0)  # Python ends with no handler
            self._set = True
        if self.is_deadly:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._cpu_s + STUCK_CPU_S)
        self._ends_s = time.process_time() + self._cpu_s

    def __exit__(self, *exception: object) -> None:
        self._ends_s = math.inf

    def _look(self, signum: int, frame: Any) -> None:
        if time.process_time() >= self._ends_s:
            raise JudgeTimeout


patience = Patience()
"""Of this process, one program at a time."""


class Referee:
    """Judges programs of many problems in one cell; styles are prepared once per problem."""

    def __init__(
        self,
        cell: Cell,
        limits: Limits,
        expected_dir: Path | None = None,
        *,
        open_test_cell: Callable[[], Cell] | None = None,
        trust_tests: bool = True,
        coverage: bool = False,
    ) -> None:
        self.cell, self.limits = cell, limits
        self._expected = ExpectedOutputs(expected_dir)
        self._open_test_cell, self._trust_tests = open_test_cell, trust_tests
        self._test_cell: Cell | None = None
        self._coverage = coverage
        self._unproved: set[str] = set()
        self._styles: dict[str, Style | StdioStyle | UntrustedTests | BrokenProblem] = {}
        self._references: dict[str, str] = {}
        self._cpu_s: dict[str, float] = {}
        self._handing_known: set[str] = set()
        self._sound: dict[str, bool] = {}

    def learn(self, key: str, problem: Mapping[str, Any]) -> None:
        """Prepare a problem's tests; a broken one is remembered as broken."""
        trusted = self._trust_tests and problem.get("trusted", True)
        try:
            if not trusted and problem["tests"]["kind"] in untrusted.KINDS:
                self._styles[key] = UntrustedTests(problem)
                self._unproved.add(key)
            else:
                self._styles[key] = prepare(
                    problem, lambda name, inputs: self._answers(problem, name, inputs)
                )
        except (BrokenProblem, SyntaxError) as error:
            self._styles[key] = BrokenProblem(str(error))

        reference = reference_source(problem)
        if reference is not None:
            self._references[key] = reference

    def forget(self, key: str) -> None:
        for memory in (self._styles, self._references, self._cpu_s, self._sound):
            memory.pop(key, None)
        self._handing_known.discard(key)
        self._unproved.discard(key)

    def close(self) -> None:
        """End the cells."""
        self.cell.close()
        if self._test_cell is not None:
            self._test_cell.close()

    def judge(self, key: str, program: str) -> dict[str, Any]:
        """The verdict on a program as a plain row.

        With a reference solution to measure by, a program gets LEAST_CPU_S at first, and only when that is
        used up is it asked whether it deserves more: nearly all programs that need a second need forever.
        More is deserved by a problem whose own solution takes long, and by a program that spent the second
        mostly in the kernel: what memory costs is the machine's doing, and several times dearer on a busy one.

        Raises:
            CellDied: the sandbox failed, not the program.
        """
        try:
            if key in self._unproved:
                self._prove(key)
            style = self._styles[key]
            if isinstance(style, BrokenProblem):
                return not_judged("broken_problem", str(style))
            if not isinstance(style, StdioStyle | UntrustedTests):
                self._learn_handing(key, style)
            first_s = self.limits.cpu_s
            if key in self._references:
                first_s = min(first_s, LEAST_CPU_S)
            row = self._judge_within(first_s, style, program)
            if row["detail"] == "oom" and self.cell.num_jobs > 1:
                # The kernel may not yet have taken back what an earlier program held (sockets, files): only a
                # cell that ran nothing else may say this.
                self.cell.close()
                row = self._judge_within(first_s, style, program)
                row["retried"] = "memory"
            if first_s < self.limits.cpu_s and ran_out_of_cpu(row):
                full_s = self.limits.cpu_s
                if row["system_s"] < row["cpu_s"] / 2:
                    full_s = self._calibrated_cpu_s(key, style)
                if full_s > first_s:
                    row = self._judge_within(full_s, style, program)
            return row
        except BrokenProblem as error:
            return self._unusable(key, str(error))
        except TestsMisbehaved as error:
            return not_judged("untrusted_tests", str(error))

    def _unusable(self, key: str, message: str) -> dict[str, Any]:
        """Tests that came to no end on a program: its own doing where they come to one on the reference."""
        style = self._styles[key]
        if isinstance(style, BrokenProblem | UntrustedTests) or not self._passes_itself(key, style):
            return not_judged("broken_problem", message)
        finding = Finding("failed", "unusable", f"the tests can't use its answers: {message}"[:200])
        return verdict_row(Scorecard(style.test_names), finding, [])

    def _passes_itself(self, key: str, style: Style | StdioStyle) -> bool:
        """Whether the problem's own solution passes its tests."""
        if key not in self._references:
            return False
        if key not in self._sound:
            try:
                row = self._judge_within(self.limits.cpu_s, style, self._references[key])
                self._sound[key] = row["passed"]
            except BrokenProblem:
                self._sound[key] = False
        return self._sound[key]

    def _learn_handing(self, key: str, style: Style) -> None:
        """Whether a problem's own solution changes its arguments, and so the tests mean to look at them.

        Where it does not, a program that does must pass both ways: with its changes unseen, so that
        emptying a list does not empty what is expected; and seen, as they would be in one process.
        """
        if style.handing != "look" or key in self._handing_known:
            return
        self._handing_known.add(key)
        if key not in self._references:
            style.handing = "write"
            return
        execution = self.cell.start(self._references[key], self.limits, names=style.wanted)
        try:
            self._run_tests(execution, style, Scorecard(style.test_names))
        finally:
            execution.finish()
        if execution.changed_arguments:
            style.handing = "write"

    def _prove(self, key: str) -> None:
        """Untrusted tests count only when they pass the reference solution and fail a stub."""
        style = self._styles[key]
        assert isinstance(style, UntrustedTests)
        try:
            if key in self._references:
                row = self._judge_within(self.limits.cpu_s, style, self._references[key])
                if not row["passed"]:
                    said = f"{row['outcome']} {row['detail']} {row['message']}"
                    raise BrokenProblem(f"its reference solution does not pass its tests: {said}")
                self._cpu_s[key] = self._deserved_cpu_s(row)
            if self._judge_within(LEAST_CPU_S, style, style.stub)["passed"]:
                raise BrokenProblem("its tests pass a function that returns None")
        except (BrokenProblem, TestsMisbehaved) as error:
            self._styles[key] = BrokenProblem(str(error))
        self._unproved.remove(key)

    def _calibrated_cpu_s(self, key: str, style: Style | StdioStyle | UntrustedTests) -> float:
        """CPU seconds that programs of a problem get: CPU_PER_REFERENCE times its own solution's."""
        if key not in self._cpu_s:
            row = self._judge_within(self.limits.cpu_s, style, self._references[key])
            self._cpu_s[key] = self._deserved_cpu_s(row)
        return self._cpu_s[key]

    def _deserved_cpu_s(self, row: Mapping[str, Any]) -> float:
        deserved_s = CPU_PER_REFERENCE * row["cpu_s"] if row["passed"] else math.inf
        return min(self.limits.cpu_s, max(LEAST_CPU_S, deserved_s))

    def _judge_within(
        self, cpu_s: float, style: Style | StdioStyle | UntrustedTests, program: str
    ) -> dict[str, Any]:
        if isinstance(style, UntrustedTests):
            return self._judge_apart(style, program, cpu_s)
        card = Scorecard(style.test_names)
        limits = self.limits._replace(cpu_s=cpu_s)
        if isinstance(style, StdioStyle):
            return self._judge_stdio(style, program, card, limits)
        return self._judge_calls(style, program, card, limits)

    def _judge_calls(
        self, style: Style, program: str, card: Scorecard, limits: Limits
    ) -> dict[str, Any]:
        execution = self.cell.start(program, limits, names=style.wanted, coverage=self._coverage)
        if self._coverage:
            card.covered = execution.covered_lines
        try:
            whole = self._run_tests(execution, style, card)
        finally:
            ending = execution.finish()
        if whole is None and (execution.broken or execution.ended):
            whole = explain_ending(ending, limits)
        row = verdict_row(card, whole, [ending])
        if row["passed"] and execution.changed_arguments:
            return self._judge_calls(_writing(style), program, Scorecard(card.names), limits)
        return row

    def _judge_apart(self, tests: UntrustedTests, program: str, cpu_s: float) -> dict[str, Any]:
        if self._test_cell is None:
            if self._open_test_cell is None:
                raise BrokenProblem(
                    "its tests are not trusted, and there is no cell to run them in"
                )
            self._test_cell = self._open_test_cell()
        heard = tests.run(program, self.cell, self._test_cell, self.limits, cpu_s)
        whole = heard.whole
        if whole is None and heard.gone:
            whole = explain_ending(heard.ending, self.limits._replace(cpu_s=cpu_s))
        return verdict_row(heard.card, whole, [heard.ending])

    def _run_tests(self, execution: Execution, style: Style, card: Scorecard) -> Finding | None:
        """See `styles.run_tests`; too long a run in the judge itself is a finding too."""
        try:
            with patience:
                return run_tests(style, execution, card)
        except JudgeTimeout:
            return Finding("timeout", "judge", "the tests themselves ran too long on its answers")

    def _judge_stdio(
        self, style: StdioStyle, program: str, card: Scorecard, limits: Limits
    ) -> dict[str, Any]:
        endings: list[Ending] = []
        left = limits
        for number, text in enumerate(style.inputs):
            finding, output, ending = self._run_whole(program, text, left, card, number)
            endings.append(ending)
            card.test(number)
            if finding is None:
                style.check(number, output, card)
            else:
                card.called((text,), {})
                card.expected(style.outputs[number])
                card.actual(output)
                card.fail(finding)
            left = left._replace(cpu_s=left.cpu_s - ending.cpu_s)
            if left.cpu_s <= 0.01 or (finding and finding.outcome in ("syntax_error", "timeout")):
                card.fill(finding or Finding("timeout", "cpu", "no CPU time left for this test"))
                break
        return verdict_row(card, None, endings)

    def _run_whole(
        self, program: str, text: str, limits: Limits, card: Scorecard, number: int
    ) -> tuple[Finding | None, str, Ending]:
        """Run a whole program on one input: what went wrong, its output, how it ended."""
        stdin = text.encode("utf-8", "surrogatepass")
        execution = self.cell.start(program, limits, stdin=stdin, coverage=self._coverage)
        finding = None
        try:
            told = execution.begin()
            if self._coverage:
                card.lines[number] = line_numbers(told.get("lines"))
            execution.wait_end()
        except SyntaxError as error:
            finding = Finding("syntax_error", "", str(error)[:200])
        except (ProgramError, ProgramExit) as error:
            finding = explain(error)
            card.error_lines[number] = error.line
        except ProgramEnded:
            execution.wait_end()
        finally:
            ending = execution.finish()
        if finding is None and not clean_exit(ending):
            finding = explain_ending(ending, limits)
        return finding, execution.output.decode("utf-8", "replace"), ending

    def _answers(
        self, problem: Mapping[str, Any], entry_point: str, inputs: list[list[Any]]
    ) -> list[Any]:
        """The canonical solution's answers, from the sandbox like any other program's."""
        source = reference_source(problem)
        if source is None:
            raise BrokenProblem("no outputs and no canonical solution to compute them from")
        answers = self._expected.get(source, entry_point, inputs)
        if answers is None:
            answers = self._compute_answers(source, entry_point, inputs)
            self._expected.put(source, entry_point, inputs, answers)
        return answers

    def _compute_answers(self, source: str, entry_point: str, inputs: list[list[Any]]) -> list[Any]:
        execution = self.cell.start(source, self.limits, names=[entry_point])
        try:
            function = execution.begin()[entry_point]
            answers = [function(*arguments) for arguments in inputs]
        except (
            ProgramError,
            ProgramExit,
            ProgramEnded,
            CannotCross,
            SyntaxError,
            KeyError,
        ) as error:
            raise BrokenProblem(f"the canonical solution fails: {error!r}") from None
        finally:
            execution.finish()
        if not all(map(is_plain, answers)):
            raise BrokenProblem("the canonical solution returns objects that can't be compared")
        return answers


def _writing(style: Style) -> Style:
    """The same tests, to which a program's changes of its arguments are shown."""
    writing = copy.copy(style)
    writing.handing = "write"
    return writing


def ran_out_of_cpu(row: Mapping[str, Any]) -> bool:
    return any(test["outcome"] == "timeout" for test in row["tests"])


def clean_exit(ending: Ending) -> bool:
    """It ended by itself, whatever the exit code: for a whole program its output is its answer."""
    return not ending.reason and not ending.signal


def explain_ending(ending: Ending, limits: Limits) -> Finding:
    """What the end of a process means, when the process ended before its tests."""
    by_reason = {
        "cpu": Finding("timeout", "cpu", f"more than {limits.cpu_s:g} s of CPU time"),
        "wall": Finding("timeout", "wall", f"more than {limits.wall_s:g} s of wall time"),
        "oom": Finding("memory", "oom", f"more than {limits.memory_bytes >> 20} MB"),
        "processes": Finding(
            "runtime_error", "processes", f"more than {limits.max_processes} processes and threads"
        ),
        "files": Finding("output_limit", "files", f"more than {limits.file_bytes} bytes of files"),
        "output": Finding("output_limit", "", f"more than {limits.output_bytes} bytes of output"),
        "violation": Finding("violation", "protocol", "wrote on the judge's channel"),
    }
    if ending.reason in by_reason:
        return by_reason[ending.reason]
    if ending.signal == signal.SIGSYS:
        return Finding("violation", "syscall", "made a forbidden system call")
    if ending.signal == signal.SIGKILL and ending.cpu_s >= limits.cpu_s:
        return by_reason["cpu"]
    if ending.signal:
        return Finding("runtime_error", "signal", f"killed by {_signal_name(ending.signal)}")
    return Finding("runtime_error", "exit", f"the process exited with {ending.exit_code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def not_judged(detail: str, message: str) -> dict[str, Any]:
    return {"outcome": "not_judged", "passed": False, "detail": detail, "message": message[:500]}


def verdict_row(card: Scorecard, whole: Finding | None, endings: list[Ending]) -> dict[str, Any]:
    """A verdict's columns. `whole` is what stopped the tests, when something did."""
    if whole is not None:
        card.fill(whole)
    passed = (
        whole is None and card.complete and all(f.outcome == "passed" for f in card.findings if f)
    )
    deciding = whole if whole and whole.outcome in _DECIDING else _first_failure(card)
    return {
        "outcome": "passed" if passed else deciding.outcome,
        "passed": passed,
        "detail": "" if passed else deciding.detail,
        "message": "" if passed else deciding.message,
        "tests_passed": sum(f is not None and f.outcome == "passed" for f in card.findings),
        "tests_total": len(card.findings),
        "tests": list(_test_rows(card)),
        **({} if card.import_lines is None else {"import_lines": card.import_lines}),
        "cpu_s": round(sum(ending.cpu_s for ending in endings), 6),
        "system_s": round(sum(ending.system_s for ending in endings), 6),
        "wall_s": round(sum(ending.wall_s for ending in endings), 6),
        "peak_bytes": max((ending.peak_bytes for ending in endings), default=0),
    }


_DECIDING = ("violation", "syntax_error")
"""Outcomes of the whole program that matter more than the first failing test."""


def _first_failure(card: Scorecard) -> Finding:
    for finding in card.findings:
        if finding is not None and finding.outcome != "passed":
            return finding
    return Finding("runtime_error", "exit", "ended before its last test")


def _test_rows(card: Scorecard) -> Iterator[dict[str, Any]]:
    num_texts = 0
    columns = zip(card.names, card.findings, card.texts, card.error_lines, card.lines, strict=True)
    for name, finding, texts, error_line, lines in columns:
        finding = finding or Finding("not_judged")
        row: dict[str, Any] = {"name": name, "outcome": finding.outcome}
        if error_line:
            row["error_line"] = error_line
        if lines is not None:
            row["lines"] = lines
        if finding.outcome != "passed":
            num_texts += 1
            row["message"] = finding.message
            if num_texts <= MAX_TESTS_WITH_TEXT:
                row |= texts
        yield row


def limit_own_memory(num_bytes: int) -> None:
    """A huge answer must end as MemoryError in the judge, not as a dead machine."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    value = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (value, hard))
