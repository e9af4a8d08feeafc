"""Any Python reward function as a judge: `module:function`, called as its own trainer would call it.

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

import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codealign.audit.judges import CannotCarry, OutsideJudge, Standing
from codealign.audit.tasks import Task
from codealign.errors import InputError

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
    """The reward function that `module:function` names; the working directory is searched too.

    Raises:
        InputError: it can't be imported, or its parameters are of neither kind.
    """
    module_name, _, function_name = word.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = importlib.import_module(module_name)
        for part in function_name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"can't be imported: {error}",
            where=word,
            cure="name it module:function as Python would import it from here",
        ) from None
    if not callable(function):
        raise InputError("not a function", where=word, cure="name a reward function")
    if _takes_completions(function):
        return BatchReward(function)
    if _num_positional(function) >= 2:
        return RowReward(function)
    raise InputError(
        "takes neither (prompts, completions, **columns) nor (completion, problem_row)",
        where=word,
        cure="wrap it in a function that does",
    )


def _takes_completions(function: Callable[..., Any]) -> bool:
    return "completions" in inspect.signature(function).parameters


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
        rewards = self._function(**_accepted(self._function, named))
        if inspect.iscoroutine(rewards):
            rewards = asyncio.run(rewards)
        return _number(rewards[0])


class RowReward(_Reward):
    """One completion and its problem's row."""

    def score(self, task: Task, program: str) -> float | None:
        return _number(self._function(self._completion(program), problem_row(task)))


def _accepted(function: Callable[..., Any], named: dict[str, Any]) -> dict[str, Any]:
    """The columns that a function takes: all of them where it has `**columns`."""
    parameters = inspect.signature(function).parameters.values()
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters):
        return named
    missing = [item.name for item in parameters if item.default is item.empty]
    if unknown := [name for name in missing if name not in named]:
        raise CannotCarry(f"it wants columns that there are not: {', '.join(unknown)}")
    return {item.name: named[item.name] for item in parameters if item.name in named}


def _number(reward: Any) -> float | None:
    return None if reward is None else float(reward)
