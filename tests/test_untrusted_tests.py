"""Tests that a model wrote run in a cell of their own: what they say counts, what they do reaches nobody.

Every hostile test below is one source and the property that it attacks. The programs are right or wrong answers
to "add one"; where a verdict `passed` proves that a door is closed, the same source, trusted, fails.
"""

from __future__ import annotations

import gzip
import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.problems import load_problems
from codealign.programs import reference_program
from codealign.records import AssertTests, CallTests, CheckTests, Problem, StdioTests, Verdict

DATA = os.environ.get("CODEALIGN_DATA", "")
needs_data = pytest.mark.skipif(
    not Path(DATA, "humaneval").is_dir(), reason="CODEALIGN_DATA is unset or has no humaneval"
)
CONFIG = JudgeConfig(
    engine=LocalJudge(workers=1),
    limits=LimitsConfig(cpu_s=0.5, wall_s=3.0, memory_bytes=128 * 2**20),
)
RIGHT, WRONG = "def f(x): return x + 1", "def f(x): return x + 2"
SOLUTION = "def f(x):\n    return x + 1\n"


@pytest.fixture(scope="module")
def judging() -> Iterator[Judge]:
    """Judges every problem's tests as untrusted."""
    with Judge(CONFIG.model_copy(update={"trust_tests": False})) as judging:
        try:
            level = judging.isolation
        except SandboxError as error:
            pytest.skip(f"no isolation on this machine: {error}")
        assert level in ("S3", "S2")
        yield judging


@pytest.fixture(scope="module")
def trusting() -> Iterator[Judge]:
    with Judge(CONFIG) as judging:
        try:
            assert judging.isolation in ("S3", "S2")
        except SandboxError as error:
            pytest.skip(f"no isolation on this machine: {error}")
        yield judging


def checked(body: str, solution: str | None = SOLUTION, **columns: object) -> Problem:
    """A problem whose `check(candidate)` has this body."""
    source = "def check(candidate):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return Problem.model_validate(
        {
            "task_id": "t/1",
            "prompt": "",
            "entry_point": "f",
            "tests": CheckTests(source=source),
            "canonical_solution": solution,
            "solution_is_continuation": False,
            **columns,
        }
    )


def verdict_on(judging: Judge, problem: Problem, program: str) -> Verdict:
    return next(judging.verdicts([Candidate(problem, program)]))


def facts(verdict: Verdict) -> tuple[object, ...]:
    """What two ways of judging must agree on."""
    tests = [(test.name, test.outcome, test.expected, test.actual) for test in verdict.tests]
    return (verdict.outcome, verdict.detail, verdict.message, verdict.tests_passed, tests)


# --- the same verdicts ------------------------------------------------------------------------

PLAIN = checked("assert candidate(1) == 2\nassert candidate(2) == 3\nassert candidate(0) == 1")
PROGRAMS = {
    "right": RIGHT,
    "wrong": WRONG,
    "half": "def f(x): return 2",
    "raises": "def f(x): raise KeyError(x)",
    "exits": "import sys\ndef f(x): sys.exit(0)",
    "gone": "import os\ndef f(x): os._exit(0)",
    "broken": "def f(x) return",
    "missing": "def g(x): return x",
    "raises_at_import": "raise ValueError('no')",
    "lying": "class L:\n    def __eq__(s, o): return True\ndef f(x): return L()",
    "forged": "import os\ndef f(x):\n    os.write(3, b'\\0\\0\\0\\2{}')\n    return x + 1",
    "empty_frame": "import os\ndef f(x):\n    os.write(3, b'\\0\\0\\0\\0')\n    return x + 1",
    "spins": "def f(x):\n    while True: pass",
    "eats": "def f(x): return bytearray(10**10)",
    "prints": "def f(x):\n    while True: print('x' * 10**6)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gets_the_same_verdict_trusted_and_untrusted(
    name: str, judging: Judge, trusting: Judge
) -> None:
    apart, together = (verdict_on(judge, PLAIN, PROGRAMS[name]) for judge in (judging, trusting))
    assert facts(apart) == facts(together)
    assert apart.passed == (name == "right")


def test_either_the_problem_or_the_configuration_says_untrusted(trusting: Judge) -> None:
    # What tells the two apart for certain: /proc, which no cell shows.
    reads_proc = 'import os\nassert candidate(1) == 2\nassert not os.path.exists("/proc/self")'
    assert verdict_on(trusting, checked(reads_proc), RIGHT).outcome == "failed"
    assert verdict_on(trusting, checked(reads_proc, trusted=False), RIGHT).passed


ASSERTS = Problem(
    task_id="t/2",
    prompt="",
    entry_point="area",
    tests=AssertTests(
        setup="import math",
        asserts=["assert math.isclose(area(Box(2, 3)), 6)", "assert Box(1, 1).wide == 1"],
    ),
    canonical_solution="class Box:\n    def __init__(s, a, b): s.wide, s.high = a, b\n"
    "def area(box): return box.wide * box.high\n",
    solution_is_continuation=False,
)


def test_asserts_use_the_programs_objects_across_two_cells(judging: Judge) -> None:
    assert ASSERTS.canonical_solution is not None
    assert verdict_on(judging, ASSERTS, ASSERTS.canonical_solution).passed
    wrong = ASSERTS.canonical_solution.replace("wide * box", "wide + box")
    assert verdict_on(judging, ASSERTS, wrong).tests_passed == 1


def test_tests_that_are_data_need_no_second_cell(judging: Judge) -> None:
    calls = CallTests(inputs=[[1], [5]], outputs=[2, 6])
    computed = CallTests(inputs=[[1], [5]])
    stdio = StdioTests(inputs=["1\n"], outputs=["2\n"])
    for tests in (calls, computed):
        problem = checked("pass").model_copy(update={"tests": tests})
        assert verdict_on(judging, problem, RIGHT).passed
        assert verdict_on(judging, problem, WRONG).outcome == "failed"
    whole = checked("pass", solution=None).model_copy(update={"tests": stdio, "entry_point": None})
    assert verdict_on(judging, whole, "print(int(input()) + 1)").passed


def test_helpers_of_the_reference_solution_run_in_the_test_cell(judging: Judge) -> None:
    # The helper comes from the solution; in the judge it would find /proc and return something else.
    solution = (
        "import os\ndef helper(x): return x + 1 if not os.path.exists('/proc/self') else 0\n"
        + ("def f(x): return helper(x)\n")
    )
    problem = checked("assert candidate(3) == helper(3)", solution)
    assert verdict_on(judging, problem, RIGHT).passed


# --- a problem has to prove itself ---------------------------------------------------------------


def test_tests_that_fail_their_own_solution_judge_nobody(judging: Judge) -> None:
    verdict = verdict_on(judging, checked("assert candidate(1) == 7"), RIGHT)
    assert (verdict.outcome, verdict.detail) == ("not_judged", "broken_problem")
    assert "reference solution does not pass" in verdict.message


def test_tests_that_pass_a_stub_judge_nobody(judging: Judge) -> None:
    for solution in (SOLUTION, None):
        verdict = verdict_on(judging, checked("candidate(1)", solution), RIGHT)
        assert (verdict.outcome, verdict.detail) == ("not_judged", "broken_problem")
        assert "returns None" in verdict.message


def test_tests_without_a_solution_judge_when_a_stub_fails(judging: Judge) -> None:
    problem = checked("assert candidate(1) == 2", None)
    assert verdict_on(judging, problem, RIGHT).passed
    assert verdict_on(judging, problem, WRONG).outcome == "failed"


# --- hostile tests: never a pass, never a neighbour's loss -------------------------------------------

FORGE = """
import json, os
def say(value):
    body = json.dumps(value).encode()
    os.write(3, len(body).to_bytes(4, "big") + body)
    os._exit(0)
"""
ALL_PASSED = '{"findings": [["passed", "", ""]], "texts": [{}], "whole": None}'

# name: (body of check, text that the message holds). Every one of them makes the problem `not_judged`.
HOSTILE = {
    "forges_a_report_and_exits": (FORGE + f"say({ALL_PASSED})", "returns None"),
    "patches_the_scorecard": (
        "import codealign.judging.scorecard as s\n"
        "s.explain = lambda e: s.PASSED\nassert candidate(1) == 2",
        "returns None",
    ),
    "patches_builtins": (
        "import sys\nframe = sys._getframe()\n"
        "while frame:\n"
        "    for value in list(frame.f_locals.values()):\n"
        "        if type(value).__name__ == 'Scorecard':\n"
        "            value.findings = [('passed', '', '')] * len(value.findings)\n"
        "            value.fail = value.fill = lambda finding: None\n"
        "    frame = frame.f_back\n"
        "assert candidate(1) == 2",
        "",
    ),
    "exits": ("import os\nassert candidate(1) == 2\nos._exit(0)", "their process ended"),
    "sys_exits": ("import sys\nassert candidate(1) == 2\nsys.exit(0)", "their process ended"),
    "crashes": ("import ctypes\ncandidate(1)\nctypes.string_at(0)", "killed by signal"),
    "never_ends": ("while True: pass", "came to no result"),
    "never_ends_in_c": ("10**10**9", "came to no result"),
    "sleeps": ("import time\ntime.sleep(1000)", "silent"),
    "allocates": ("assert candidate(1) == 2\nx = [bytearray(10**8) for _ in range(100)]", "memory"),
    "prints_much": ("while True: print('x' * 10**6)", "bytes of output"),
    "no_json": ("import os\nos.write(3, b'\\0\\0\\0\\2{x')\nos._exit(0)", "nothing readable"),
    "huge_frame": ("import os\nos.write(3, b'\\xff' * 5)\nwhile True: pass", "nobody asked"),
    "two_frames": (FORGE + "os.write(3, b'\\0\\0\\0\\2{}' * 2)\nwhile True: pass", "nobody"),
    "empty_frame": ("import os\nos.write(3, bytes(4))\nwhile True: pass", "nobody asked"),
    "half_a_frame": ("import os\nos.write(3, b'\\0\\0\\1\\0{')\nos._exit(0)", "their process ended"),
    "too_many_findings": (FORGE + f"say({ALL_PASSED.replace('[[', '[[1, 2, 3], [')})", "no known"),
    "findings_of_its_own": (FORGE + "say({'findings': [['timeout', '', '']], 'texts': [{}], 'whole': None})", "no known"),
    "stopped_by_passing": (FORGE + "say({'findings': [None], 'texts': [{}], 'whole': ['passed', '', '']})", "stopped by passing"),
    "reports_nothing": (FORGE + "say({'findings': [None], 'texts': [{}], 'whole': None})", "before they were done"),
    "texts_that_are_none": (FORGE + "say({'findings': [['failed', '', '']], 'texts': [[1]], 'whole': None})", "no known"),
    "says_broken": (FORGE + "say({'broken': 'x' * 10**6})", "xxx"),
    "deep_json": ("import os\nbody = b'{\"a\":' + b'[' * 10**6\nos.write(3, len(body).to_bytes(4, 'big') + body)\nwhile True: pass", "nothing readable"),
    "does_not_parse": ("assert assert", "does not parse"),
    "nested_source": ("x = " + "(" * 5000 + ")" * 5000, "does not parse"),
    "nested_source_2": ("x = " + "-" * 200_000 + "1", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tests_are_not_judged_and_the_next_problem_is(name: str, judging: Judge) -> None:
    body, said = HOSTILE[name]
    hostile = checked(body)
    for program in (RIGHT, WRONG):
        verdict = verdict_on(judging, hostile, program)
        assert verdict.outcome == "not_judged", verdict
        assert verdict.detail == "broken_problem"
        assert said in verdict.message
    assert verdict_on(judging, PLAIN, RIGHT).passed
    assert verdict_on(judging, PLAIN, WRONG).outcome == "failed"


# They behave for the reference solution and a stub, and only then on the program: `untrusted_tests`.
LATER = {
    "exits": "import os; os._exit(0)",
    "never_ends": "while True: pass",
    "forks_a_lot": "import os\n        while True:\n            try: os.fork()\n            except OSError: pass",
}


@pytest.mark.parametrize("name", LATER)
def test_tests_that_misbehave_on_one_program_do_not_judge_it(name: str, judging: Judge) -> None:
    problem = checked(
        "value = candidate(5)\n"
        "assert value is not None\n"
        f"if value == 'special':\n        {LATER[name]}\n"
        "assert value == 6"
    )
    verdict = verdict_on(judging, problem, "def f(x): return 'special'")
    assert (verdict.outcome, verdict.detail) == ("not_judged", "untrusted_tests")
    assert verdict_on(judging, problem, RIGHT).passed
    assert verdict_on(judging, problem, WRONG).outcome == "failed"


def test_tests_that_ask_without_end_use_up_a_limit_and_nothing_else(judging: Judge) -> None:
    # Whose limit is a matter of speed: each question costs both sides.
    problem = checked(
        "value = candidate(5)\nwhile value == 'special': candidate(3)\nassert value == 6"
    )
    verdict = verdict_on(judging, problem, "def f(x): return 'special'")
    assert verdict.outcome in ("not_judged", "timeout")
    assert verdict_on(judging, problem, RIGHT).passed


def test_a_report_that_says_passed_does_not_outlive_the_program(judging: Judge) -> None:
    # The program ends in its first call; the tests swallow that and report a pass all the same.
    problem = checked(
        """
        try:
            value = candidate(1)
        except BaseException:
            value = 2
        assert value == 2
        """
    )
    verdict = verdict_on(judging, problem, "import os\ndef f(x): os._exit(0)")
    assert (verdict.outcome, verdict.detail) == ("runtime_error", "exit")


# --- closed doors: a body that passes only where they are closed -------------------------------------

CLOSED = {
    "files": "for path in ('/etc/shadow', '/proc/self/status', '/sys'):\n"
    "    assert not os.path.exists(path)",
    "the_package": "import codealign\nassert not os.path.exists(list(codealign.__path__)[0])",
    "processes": "assert os.getpid() == 1\nassert os.getppid() == 0",
    "descriptors": "import stat\n"
    "for fd in range(4, 256):\n"
    "    try: os.fstat(fd)\n"
    "    except OSError: continue\n"
    "    assert False, fd",
    "network": "import socket\n"
    "try: socket.socket()\n"
    "except OSError: pass\n"
    "else: assert False, 'a socket'",
    "no_rights": "assert os.geteuid() != 0",
    "abstract_sockets": "import socket\n"
    "door = socket.socket(socket.AF_UNIX)\n"
    "try: door.connect('\\0codealign')\n"
    "except OSError: pass\n"
    "else: assert False",
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_door_is_closed_to_tests(name: str, judging: Judge, trusting: Judge) -> None:
    problem = checked("import os\nassert candidate(1) == 2\n" + CLOSED[name])
    verdict = verdict_on(judging, problem, RIGHT)
    assert verdict.passed, verdict
    if name != "abstract_sockets":  # closed in the judge as well: nobody listens there
        assert not verdict_on(trusting, problem, RIGHT).passed


TRACES = {
    "a_file": ("open('/tmp/left', 'w').close()", "os.path.exists('/tmp/left')"),
    "shared_memory": ("open('/dev/shm/left', 'w').close()", "os.path.exists('/dev/shm/left')"),
    "the_working_directory": ("open('left', 'w').close()", "os.path.exists('left')"),
    "a_module": ("import math; math.pi = 3", "__import__('math').pi == 3"),
    "an_environment": ("os.environ['LEFT'] = '1'", "'LEFT' in os.environ"),
    "our_modules": (
        "import codealign.judging.scorecard as s; s.LEFT = 1",
        "hasattr(__import__('codealign.judging.scorecard').judging.scorecard, 'LEFT')",
    ),
    "a_process": (
        "if os.fork() == 0:\n"
        "        import time\n"
        "        while True:\n"
        "            open('/tmp/left', 'w').close(); time.sleep(0.001)",
        "os.path.exists('/tmp/left')",
    ),
}


@pytest.mark.parametrize("name", TRACES)
def test_tests_leave_nothing_for_the_next_program_or_the_next_tests(
    name: str, judging: Judge
) -> None:
    leave, found = TRACES[name]
    leaving = checked(f"import os\nassert candidate(1) == 2\nif True:\n    {leave}")
    assert verdict_on(judging, leaving, RIGHT).passed
    looking = checked(f"import os\nassert candidate(1) == 2\nassert not ({found})")
    assert verdict_on(judging, looking, RIGHT).passed
    spy = f"import os\ndef f(x): return x + 2 if ({found if 'codealign' not in found else '0'}) else x + 1"
    assert verdict_on(judging, PLAIN, spy).passed


@pytest.mark.parametrize("num_bytes", [2 * 10**6, 4 * 10**6, 9 * 10**6])
def test_tests_too_large_to_carry_are_a_broken_problem(num_bytes: int, judging: Judge) -> None:
    problem = checked("text = '" + "x" * num_bytes + "'\nassert candidate(1) == 2")
    verdict = verdict_on(judging, problem, RIGHT)
    if num_bytes < 3 * 10**6 * 3 / 4:  # kept as base64
        assert verdict.passed
    else:
        assert (verdict.outcome, verdict.detail) == ("not_judged", "broken_problem")
        assert "larger than" in verdict.message


@pytest.mark.parametrize("num_bytes", [2 * 10**6, 5 * 10**6, 7 * 10**6, 9 * 10**6])
def test_globals_too_large_to_carry_are_the_programs_fault(num_bytes: int, judging: Judge) -> None:
    problem = Problem(
        task_id="t/3",
        prompt="",
        entry_point="f",
        tests=AssertTests(asserts=["assert f(1) == 2", "assert len(TABLE) > 0"]),
    )
    program = f"TABLE = 'x' * {num_bytes}\n{RIGHT}"
    verdict = verdict_on(judging, problem, program)
    assert verdict.passed == (num_bytes < 3 * 10**6)
    assert verdict.outcome in ("passed", "output_limit", "violation", "runtime_error")
    assert verdict_on(judging, PLAIN, RIGHT).passed


def test_expected_values_stay_out_of_the_programs_reach(judging: Judge) -> None:
    # The program looks through all its objects for the number that only the test knows.
    problem = checked("assert candidate(1) == 918273645", "def f(x): return 918273645")
    thief = """
import gc, sys
def f(x):
    for thing in gc.get_objects():
        if type(thing) in (dict, list, tuple):
            for item in (thing.values() if type(thing) is dict else thing):
                if type(item) is int and 9 * 10**8 < item < 10**9 and item not in (999999999,):
                    return item
    return None
"""
    assert verdict_on(judging, problem, "def f(x): return 918273645").passed
    assert not verdict_on(judging, problem, thief).passed


def test_a_starved_or_slow_test_is_not_the_programs_timeout(judging: Judge) -> None:
    # 0.9 s in the tests after each of four calls: beyond the program's wall limit of 3 s, by no fault of its own.
    body = "import time\nfor n in range(4):\n    assert candidate(n) == n + 1\n    time.sleep(0.9)"
    verdict = verdict_on(judging, checked(body), RIGHT)
    assert verdict.outcome in ("not_judged", "passed")


# --- real benchmarks ------------------------------------------------------------------------------


def assert_same_verdicts(candidates: list[Candidate]) -> None:
    limits = LimitsConfig(cpu_s=10.0)
    facts_of = []
    for trust in (True, False):
        config = JudgeConfig(engine=LocalJudge(workers=2), limits=limits, trust_tests=trust)
        with Judge(config) as judge:
            facts_of.append([facts(verdict) for verdict in judge.verdicts(candidates)])
    for candidate, together, apart in zip(candidates, *facts_of, strict=True):
        assert apart == together, candidate.problem.task_id


def references(name: str, path: str, every: int) -> list[Candidate]:
    problems = load_problems(str(Path(DATA, name, path))).problems[::every]
    return [Candidate(problem, reference_program(problem) or "") for problem in problems]


@needs_data
@pytest.mark.parametrize("every", [16, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("data", [("humaneval", "HumanEval.jsonl.gz"), ("mbpp", "mbpp.jsonl")])
def test_references_get_the_same_verdicts(data: tuple[str, str], every: int) -> None:
    assert_same_verdicts(references(*data, every))


@needs_data
@pytest.mark.slow
def test_recorded_completions_get_the_same_verdicts() -> None:
    recorded = Path(DATA, "recorded", "humaneval_codegen16b_t0.8_n100.jsonl.gz")
    if not recorded.exists():
        pytest.skip(f"no {recorded}")
    problems = {
        problem.task_id: problem
        for problem in load_problems(str(Path(DATA, "humaneval", "HumanEval.jsonl.gz"))).problems
    }
    with gzip.open(recorded, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][::10]
    assert_same_verdicts(
        [
            Candidate(problems[row["task_id"]], problems[row["task_id"]].prompt + row["completion"])
            for row in rows
        ]
    )
