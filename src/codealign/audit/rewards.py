"""Any Python reward function as a judge: `module:function` or `file.py:function`, called as its own trainer would call it.

Two kinds are known by their parameters:

    f(prompts, completions, **columns) -> list[float | None]     TRL's GRPOTrainer; may be async
    f(completion, problem_row) -> bool | float                   one program at a time

The columns (and the keys of `problem_row`) are what data sets call them:

    prompt task_id entry_point test test_list test_setup_code canonical_solution solution
    verification_info (open-r1: language, test_cases of type function_call)  language

How a program is dressed as a completion is found out: forms are tried until the reference solution gets more
than a stub, plain text first, then a fenced block, then chat messages.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from codealign.audit.judges import CannotCarry, OutsideJudge, Standing
from codealign.audit.tasks import Task
from codealign.errors import InputError
from codealign.rewards.functions import (
    call_with,
    load_function,
    missing_columns,
    takes_completions,
)

_DRESSES: dict[str, Callable[[str], str]] = {
    "program": lambda program: program,
    "fenced": lambda program: f"```python\n{program}\n```",
    "answer": lambda program: (
        f"<think>\nI write it down.\n</think>\n<answer>\n```python\n{program}\n```\n</answer>"
    ),
    "continuation": lambda program: f"    pass\n\n\n{program}",
}
FORMS = [f"{talk}{dress}" for talk in ("", "chat ") for dress in _DRESSES]


def load_reward(word: str) -> OutsideJudge:
    """The reward function that a word names, as `rewards.functions.load_function` finds it.

    Raises:
        InputError: it can't be imported, or its parameters are of neither kind.
    """
    function = load_function(word)
    if takes_completions(function):
        return BatchReward(function)
    if _num_positional(function) >= 2:
        return RowReward(function)
    raise InputError(
        "takes neither (prompts, completions, **columns) nor (completion, problem_row)",
        where=word,
        cure="wrap it in a function that does",
    )


def _num_positional(function: Callable[..., Any]) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(item.kind in kinds for item in inspect.signature(function).parameters.values())


def problem_row(task: Task) -> dict[str, Any]:
    """A task under the column names that data sets use."""
    row: dict[str, Any] = {
        "task_id": task.problem.task_id,
        "prompt": task.prompt,
        "entry_point": task.name,
        "test": task.check_source,
        "test_list": list(task.statements),
        "test_setup_code": task.helpers,
        "canonical_solution": task.solution,
        "solution": task.reference,
        "language": "python",
    }
    if task.inputs is not None:
        row["verification_info"] = {"language": "python", "test_cases": _test_cases(task)}
    return row


def _test_cases(task: Task) -> list[dict[str, Any]]:
    """open-r1's test cases of type function_call: arguments one JSON value a line, answer as JSON."""
    scope: dict[str, Any] = {}
    exec(task.reference, scope)
    return [
        {
            "fn_name": task.name,
            "input": "\n".join(map(json.dumps, arguments)),
            "output": json.dumps(scope[task.name](*arguments)),
            "type": "function_call",
        }
        for arguments in task.inputs or []
    ]


class _Reward(Standing):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function
        self.forms, self.form = FORMS, FORMS[0]

    def _completion(self, program: str) -> Any:
        text = _DRESSES[self.form.removeprefix("chat ")](program)
        return [{"role": "assistant", "content": text}] if self._is_chat else text

    @property
    def _is_chat(self) -> bool:
        return self.form.startswith("chat ")


class BatchReward(_Reward):
    """TRL's kind, called with a batch of one."""

    def score(self, task: Task, program: str) -> float | None:
        row = problem_row(task)
        prompt: Any = row.pop("prompt")
        if self._is_chat:
            prompt = [{"role": "user", "content": prompt}]
        columns = {name: [value] for name, value in row.items()}
        named = {"prompts": [prompt], "completions": [self._completion(program)], **columns}
        if missing := missing_columns(self._function, named):
            raise CannotCarry(f"it wants columns that there are not: {', '.join(missing)}")
        return _number(call_with(self._function, named)[0])


class RowReward(_Reward):
    """One completion and its problem's row."""

    def score(self, task: Task, program: str) -> float | None:
        return _number(self._function(self._completion(program), problem_row(task)))


def _number(reward: Any) -> float | None:
    return None if reward is None else float(reward)
