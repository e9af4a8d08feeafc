"""Functions of the user's: found by name, called with the columns that they take.

Not promised: that they are harmless. They run in this process, as any import does.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from codealign.errors import CodealignError, InputError

Function = Callable[..., Any]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def load_function(word: str) -> Function:
    """The function that `module:function` or `path/to/file.py:function` names; the working directory is searched too.

    Raises:
        InputError: it can't be imported, or is no function.
    """
    module_name, _, function_name = word.rpartition(":")
    try:
        found: Any = _module(module_name)
        for part in function_name.split("."):
            found = getattr(found, part)
    except CodealignError:
        raise
    except (ImportError, AttributeError, OSError) as error:
        raise InputError(
            f"can't be imported: {error}",
            where=word,
            cure="name it module:function as Python would import it from here, or file.py:function",
        ) from None
    except Exception as error:
        raise InputError(
            f"can't be imported: {last_line(error)}", where=word, cure="mend the module"
        ) from error
    if not callable(found) or not _has_signature(found):
        raise InputError("not a function", where=word, cure="name a reward function")
    return found


def _has_signature(found: Function) -> bool:
    try:
        inspect.signature(found)
    except (TypeError, ValueError):
        return False  # such as `dict`
    return True


def _module(name: str) -> ModuleType:
    if name.endswith(".py"):
        return _module_of_file(Path(name).resolve())
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _module_of_file(path: Path) -> ModuleType:
    """The file as a module under a name of its own, so that a `random.py` hides nothing."""
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def takes_completions(function: Function) -> bool:
    """Whether it has TRL's signature, f(prompts, completions, **columns)."""
    return "completions" in inspect.signature(function).parameters


def missing_columns(function: Function, columns: Mapping[str, Any]) -> list[str]:
    """The columns that it needs and there are not."""
    parameters = inspect.signature(function).parameters.values()
    needed = [
        each.name for each in parameters if each.kind in _NAMED and each.default is each.empty
    ]
    return [name for name in needed if name not in columns]


def call_with(function: Function, columns: Mapping[str, Any]) -> Any:
    """What it gives for the columns that it takes: all of them where it has `**columns`. It may be `async`."""
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        taken = dict(columns)
    else:
        taken = {each.name: columns[each.name] for each in parameters if each.name in columns}
    answer = function(**taken)
    return asyncio.run(answer) if inspect.iscoroutine(answer) else answer


def last_line(error: Exception) -> str:
    """The last line of its traceback, with the place that raised it."""
    text = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
