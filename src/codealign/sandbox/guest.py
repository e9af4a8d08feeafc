"""Inside the cell, one process per program: run the source, then answer what the judge asks.

This half is at the mercy of the program it runs: the program can read its frames, forge its answers and
rewrite its functions. So nothing here decides anything, and no test or expected value ever comes here.
What is promised is only that an *honest* program behaves as it would in one process with its test.

The conversation, over a socket that belongs to this program alone:

    judge   {"source", "names", "main", "coverage"}     start
    guest   ["ready", {name: value}] | ["error", exception] | ["syntax", name, message]
    judge   [nonce, operation, [arguments], {keywords}]
    guest   [nonce, "value", value] | [nonce, "error", exception]

While it works on a question, the program may use what the test lent to it (see `lending`), and the test may
ask something else meanwhile:

    guest   [nonce, "uses", operation, number, [arguments], {keywords}]
    judge   [nonce, "told", value] | [nonce, "raised", exception]

With "main" the program is a whole one that reads standard input: it runs to its end, and `ready` or
`error` says how it ended.
"""

from __future__ import annotations

import _sitebuiltins
import _thread
import builtins
import os
import sys
from types import ModuleType
from typing import Any

from codealign.sandbox import frames
from codealign.sandbox.kept import Handles

# A program that redefines builtins redefines its own: what answers for it keeps those it was born with.
__builtins__ = dict(vars(builtins))

SEED = 0
NUM_CORES = 2
"""What a program is told: pools of default size fit its limits, on a machine of any size."""
OWN_FRAMES = 24
"""Call depth of the guest itself, which the recursion limit of a program must not pay for."""
THREAD_STACK_BYTES = 2 * 2**20
"""So that as many threads as a program may have fit its memory, whatever stack limit the judge was started with."""
NUM_WARM_UPS = 24

_exit = os._exit
_compile, _exec = compile, exec
_program_path = "program.py"
_job_fd = -1
"""Where this program talks to the judge, once it does."""
_is_descendant = False
"""In a process that the program forked."""


# --- an interpreter like any other --------------------------------------------------------------


def pose_as_script(scratch_dir: str) -> None:
    """Make this interpreter look as if it had been started there as `python program.py`.

    Done once, in the zygote: programs inherit it.
    """
    global _program_path
    _program_path = f"{scratch_dir}/program.py"
    sys.argv = [_program_path]
    sys.orig_argv = [sys.executable, _program_path]
    sys.stdout = sys.__stdout__ = _writer_to_a_pipe(1, sys.stdout)
    sys.path.append(scratch_dir)  # last, so that imports of the library don't look there
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
    os.cpu_count = lambda: NUM_CORES
    _thread.stack_size(THREAD_STACK_BYTES)
    sys.setrecursionlimit(sys.getrecursionlimit() + OWN_FRAMES)
    os.register_at_fork(after_in_child=_become_descendant)


def leave_tracking_to_the_cell() -> None:
    """Where a program can start no other: `multiprocessing` finds its tracker of shared memory started.

    The tracker removes what a process forgot; here that goes with the scratch space it is in.
    """
    tracker = ModuleType("multiprocessing.resource_tracker")
    for name in ("ensure_running", "register", "unregister"):
        setattr(tracker, name, lambda *arguments: None)
    tracker.getfd = lambda: -1  # type: ignore[attr-defined]
    sys.modules[tracker.__name__] = tracker


def _writer_to_a_pipe(fd: int, like: Any) -> Any:
    """A text stream on `fd` that knows it can't seek: a program wraps its buffer anew, and asks that."""
    kept = os.dup(fd)
    reader, writer = os.pipe()
    os.dup2(writer, fd)
    stream = open(  # noqa: SIM115 - it is to stay
        fd, "w", encoding=like.encoding, errors=like.errors, newline="\n", closefd=False
    )
    stream.buffer.raw.name, stream.mode = like.name, "w"  # type: ignore[attr-defined]
    os.dup2(kept, fd)
    for used in (kept, reader, writer):
        os.close(used)
    return stream


class _Source:
    """The loader of a program: gives `inspect`, `doctest` and tracebacks the source that is in no file."""

    def __init__(self, source: str) -> None:
        self.source = source

    def get_source(self, name: str) -> str:
        return self.source


def _become_descendant() -> None:
    """In a child that the program forked: the conversation with the judge is not its own."""
    global _job_fd, _is_descendant
    if _job_fd >= 0:  # else it is the zygote that forks, at S0
        fd, _job_fd, _is_descendant = _job_fd, -1, True
        os.close(fd)


def leave_if_forked(error: BaseException | None = None) -> None:
    """End a child that the program forked and that came back here, as an interpreter ends."""
    if not _is_descendant:
        return
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    try:
        finish_interpreter(sys.modules["__main__"])
    finally:
        _exit(code & 0xFF)


def finish_interpreter(module: ModuleType) -> None:
    """What Python does before a process ends: threads, exit hooks, destructors, what is still unwritten."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    import atexit
    import gc

    atexit._run_exitfuncs()
    _flush(sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    scope = vars(module)
    for name in [name for name in scope if not name.startswith("__")]:
        scope[name] = None
    gc.collect()  # a program's own writers to standard output write what they hold as they go
    _flush(sys.stdout, sys.stderr)


def _flush(*streams: Any) -> None:
    for stream in streams:
        try:
            stream.flush()
        except Exception:  # closed, None, a broken one of its own: Python goes on as well
            continue


# --- values -------------------------------------------------------------------------------------


def _call(function: Any, *arguments: Any, **keywords: Any) -> Any:
    return function(*arguments, **keywords)


def _take(iterator: Any, count: int) -> tuple[list[Any], BaseException | None]:
    """Up to `count` further items, and what ended them; large items come alone."""
    taken: list[Any] = []
    while len(taken) < count:
        try:
            taken.append(next(iterator))
        except BaseException as error:
            return taken, error
        if type(taken[-1]) not in _SMALL:
            break
    return taken, None


_SMALL = frozenset({int, float, bool, type(None)})


def _special(value: Any, name: str, *operands: Any) -> Any:
    return getattr(type(value), name)(value, *operands)


def _exit_context(value: Any, error: BaseException | None) -> Any:
    return type(value).__exit__(value, error and type(error), error, None)


def _wait_for(awaitable: Any) -> Any:
    """Run a coroutine, or what else can be awaited, to its end."""
    import asyncio

    async def wait() -> Any:
        return await awaitable

    return asyncio.run(wait())


def _copy(depth: str) -> Any:
    def copy(value: Any) -> Any:
        import copy

        return getattr(copy, depth)(value)

    return copy


OPERATIONS = {
    "call": _call,
    "special": _special,
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "iter": iter,
    "take": _take,
    "str": str,
    "repr": repr,
    "format": format,
    "exit": _exit_context,
    "await": _wait_for,
    "anext": lambda value: _wait_for(type(value).__anext__(value)),
    "aenter": lambda value: _wait_for(type(value).__aenter__(value)),
    "aexit": lambda value, error: _wait_for(
        type(value).__aexit__(value, error and type(error), error, None)
    ),
    "copy": _copy("copy"),
    "deepcopy": _copy("deepcopy"),
}


def load(source: str, name: str, handles: Handles) -> ModuleType | list[Any]:
    """Compile and run `source` as a fresh main module; an error frame when that fails."""
    try:
        text = source.removeprefix("\ufeff")
        code = _compile(text, _program_path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        told = handles.describe(error)
        return ["syntax", told["name"], told["message"]]
    module = ModuleType(name)
    module.__dict__["__builtins__"] = builtins  # else exec gives it ours
    module.__file__, module.__loader__ = _program_path, _Source(text)  # type: ignore[assignment]
    sys.modules["__main__"] = sys.modules[name] = module
    if "random" in source:
        import random

        random.seed(SEED)
    try:
        _exec(code, module.__dict__)
    except BaseException as error:
        leave_if_forked(error)
        return ["error", handles.describe(error)]
    leave_if_forked()
    return module


def find_global(module: ModuleType, name: str) -> Any:
    """A global of the program; else a method of its `Solution` class (LeetCode style); else KeyError."""
    scope = vars(module)
    if name in scope:
        return scope[name]
    solution = scope.get("Solution")
    if isinstance(solution, type) and hasattr(solution, name):
        return getattr(solution(), name)
    raise KeyError(name)


def find_globals(module: ModuleType, names: list[str], handles: Handles) -> list[Any]:
    found = {}
    for name in names:
        try:
            value = find_global(module, name)
            found[name] = {"h": handles.keep(value)} if callable(value) else handles.encode(value)
        except KeyError:
            continue  # the judge sees that it is missing
        except BaseException as error:  # Solution() is the program's code
            return ["error", handles.describe(error)]
    return ["ready", found]


def answer(request: list[Any], handles: Handles) -> list[Any]:
    """Do one operation and say what came of it."""
    nonce, operation, arguments, keywords = request
    try:
        plain = [handles.decode(item) for item in arguments]
        named = {name: handles.decode(item) for name, item in keywords.items()}
        if operation == "lines":
            return [nonce, "value", handles.coverage.take()]
        if operation == "plain":
            return [nonce, "value", handles.reduced(plain[0])]
        if operation == "hand":
            return answer_handed(nonce, plain, named, handles)
        result = OPERATIONS[operation](*plain, **named)
        leave_if_forked()
        return [nonce, "value", handles.encode(result)]
    except BaseException as error:
        leave_if_forked(error)
        return [nonce, "error", handles.describe(error)]


def answer_handed(
    nonce: int, arguments: list[Any], keywords: dict[str, Any], handles: Handles
) -> list[Any]:
    """A call that also tells what became of the containers in its arguments."""
    handed, handles.handed = handles.handed, []
    try:
        result = _call(*arguments, **keywords)
        leave_if_forked()
        return [nonce, "handed", handles.encode_handed(handed, result)]
    except BaseException as error:
        leave_if_forked(error)
        told = handles.describe(error)
        told["handed"] = handles.encode_handed(handed, None)
        return [nonce, "error", told]


def run_main(job_fd: int, source: str, coverage: bool) -> None:
    """A whole program: run it, its exit hooks and its flush, then say how it ended."""
    handles = Handles(_program_path)
    if coverage:
        handles.coverage.start()
    outcome = load(source, "__main__", handles)
    if isinstance(outcome, list) and outcome[0] == "error" and "SystemExit" in outcome[1]["kinds"]:
        outcome = ["ready", {}]  # the answer of such a program is its output, however it stops
    try:
        finish_interpreter(sys.modules["__main__"])
    except BaseException as error:
        outcome = ["error", handles.describe(error)]
    if not isinstance(outcome, list) or outcome[0] == "ready":
        outcome = ["ready", {"lines": handles.coverage.take()} if coverage else {}]
    frames.send(job_fd, outcome)


def serve(job_fd: int, start: dict[str, Any]) -> None:
    """The life of one program. Returns when the judge hangs up."""
    if start["main"]:
        run_main(job_fd, start["source"], start["coverage"])
        return
    handles = Handles(_program_path)
    handles.ask = Line(job_fd, handles).use
    if start["coverage"]:
        handles.coverage.start()
    outcome = load(start["source"], "program", handles)
    ready = isinstance(outcome, ModuleType)
    frames.send(job_fd, find_globals(outcome, start["names"], handles) if ready else outcome)
    while ready and (request := frames.receive(job_fd)) is not None:
        reply(job_fd, request, handles)


def reply(job_fd: int, request: list[Any], handles: Handles) -> None:
    """Answer one question; what can't be sent is an error of the program's."""
    handles.nonces.append(request[0])
    answered = answer(request, handles)
    handles.nonces.pop()
    try:
        frames.send(job_fd, answered)
    except (MemoryError, RecursionError, ValueError) as error:
        frames.send(job_fd, [request[0], "error", handles.describe(error)])


class Line:
    """The way back to the judge, for the program's uses of what the test lent to it."""

    def __init__(self, job_fd: int, handles: Handles) -> None:
        self._fd, self._handles = job_fd, handles
        self._lock = _thread.RLock()  # threads of a program take turns

    def use(
        self, operation: str, number: int, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """One use of a lent object; questions that come instead of its result are answered first."""
        handles = self._handles
        if not handles.nonces:
            raise RuntimeError("the test's objects can be used only while the test waits")
        nonce = handles.nonces[-1]
        items = [handles.encode(item) for item in arguments]
        named = {name: handles.encode(item) for name, item in keywords.items()}
        with self._lock:
            frames.send(self._fd, [nonce, "uses", operation, number, items, named])
            while (frame := frames.receive(self._fd)) is not None:
                if frame[1] == "told":
                    return handles.decode(frame[2])
                if frame[1] == "raised":
                    raise handles.decode({"E": frame[2]})
                reply(self._fd, frame, handles)
        _exit(0)


def main(job_fd: int) -> None:
    """Serve and end the process, whatever happens: nothing of ours runs after the program."""
    global _job_fd
    _job_fd = job_fd
    try:
        start = frames.receive(job_fd)
        if start is not None:
            serve(job_fd, start)
    finally:
        _exit(0)


# --- before the first program ------------------------------------------------------------------


_DUMMY = '''
import math
from typing import Dict, List, Optional, Tuple


def f(x: int, *, y: Tuple[int, ...] = (2,)) -> List[int]:
    """A program like the ones to come, so that what compiling and running touches is touched.

    >>> f(1)
    [1]
    """
    words: Dict[str, int] = {}
    for index, word in enumerate("the quick brown fox".split(" ")):
        words[word.upper()] = words.get(word, 0) + index % 3
    try:
        total = sum(value ** 2 for value in words.values()) / len(words)
        missing = words["none"]
    except KeyError as error:
        missing = str(error)
    numbers = sorted([item for item in range(x)], key=lambda item: -item)[::2]
    while len(numbers) > 3 and numbers[-1] < total:
        numbers.pop()
    return [f"{missing}", (x, {"a": 1.5}), {1, 2}, math.floor(total), numbers]
'''


def warm_up() -> None:
    """Serve dummy programs in this very process, so that children find settled caches and arenas."""
    start = {"source": _DUMMY, "names": ["f"], "main": False, "coverage": False}
    for number in range(NUM_WARM_UPS):
        ours, theirs = os.pipe()
        call = [number, "call", [{"h": 0}, number], {"y": {"t": [1, 2]}}]
        handles = Handles(_program_path)
        for message in (start, call):
            frames.send(theirs, message)
            frames.receive(ours)
        module = load(_DUMMY, "program", handles)
        frames.send(theirs, find_globals(module, ["f"], handles))  # type: ignore[arg-type]
        frames.send(theirs, answer(call, handles))
        os.close(ours)
        os.close(theirs)
