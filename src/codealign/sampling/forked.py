"""Decoding in several processes of one thread each: what a small model on a CPU wants.

The matrices of a small model are too small for two cores to share well, and between them a decode step is Python.
Processes share nothing but the memory they were forked with, so N of them decode nearly N times as much. They
are forked for each call, which is what gives them the policy's weights of now, at the cost of a page table.

Forks of a process whose libraries have threads must touch none of those: here they run PyTorch's kernels on one thread
(which starts no team), decode text, and write into their own pipe. Everything else that was open is closed in
them, so that a lock or a socket of the parent's dies with the parent.

Requests are all read before the first completion comes: each process gets its share as it is forked.

Not promised: that every platform's libraries survive a fork; it is used on Linux only.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import logging.handlers
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any

import torch

from codealign.errors import CodealignError, EngineError
from codealign.policy import Policy
from codealign.records import Completion
from codealign.sampling.engine import Request

log = logging.getLogger("codealign.sampling")

BLOCKS_PER_SHARE = 8
"""A share is made of so many stretches of neighbouring prompts: long enough for prompts that extend one another to
stay together, and enough of them that no process gets all that is long where requests come in order of difficulty."""

SMALL_MODEL_BYTES = 64 * 2**20
"""Up to here a process has little to hold of its own: keys and values of one batch, beside weights that are shared."""

Decode = Callable[[Sequence[Request]], Iterator[Completion]]


def num_processes_for(policy: Policy, asked: int | None) -> int:
    """How many processes decode `policy`: those asked for, or one for each thread PyTorch has where the model is small.

    Raises:
        EngineError: several are asked for where none can be forked.
    """
    obstacle = _obstacle(policy)
    if asked is None:
        num_bytes = sum(p.numel() * p.element_size() for p in policy.model.parameters())
        return torch.get_num_threads() if not obstacle and num_bytes <= SMALL_MODEL_BYTES else 1
    if asked > 1 and obstacle:
        raise EngineError(
            f"{asked} processes decode on CPUs under Linux only, and this is {obstacle}",
            where="sample.engine.processes",
            cure="leave it out: one process, and batch_size for the accelerator",
        )
    return asked


def _obstacle(policy: Policy) -> str:
    """What keeps this process from forking others that decode; "" where nothing does."""
    if policy.device.type != "cpu":
        return policy.device.type
    if sys.platform != "linux":
        return sys.platform
    # Python lets such a process start none of its own.
    return "a daemonic process" if multiprocessing.current_process().daemon else ""


def deal(requests: Sequence[Request], num_shares: int) -> list[list[Request]]:
    """The requests in shares of about one size, none empty; those of a prompt together, and mostly those of its
    neighbours, while there are enough prompts.
    """
    blocks = _blocks(requests, max(1, len(requests) // (num_shares * BLOCKS_PER_SHARE)))
    if len(blocks) < num_shares:
        blocks = [[request] for request in requests]
    shares: list[list[Request]] = [[] for _ in range(min(num_shares, len(blocks)))]
    for block in blocks:
        min(shares, key=len).extend(block)
    return shares


def _blocks(requests: Sequence[Request], size: int) -> list[list[Request]]:
    """Blocks of `size` requests or more, each of all the requests of some prompts that came one after another."""
    prompts: dict[Any, list[Request]] = {}
    for request in requests:
        prompts.setdefault(request.prompt_ids or request.prompt, []).append(request)
    blocks: list[list[Request]] = []
    for some in prompts.values():
        if not blocks or len(blocks[-1]) >= size:
            blocks.append([])
        blocks[-1].extend(some)
    return blocks


def decode_in_processes(
    decode: Decode, shares: Sequence[Sequence[Request]]
) -> Iterator[Completion]:
    """Yield what `decode` makes of each share, as it comes, from one forked process a share.

    The processes end with the iterator, whoever ends it.

    Raises:
        CodealignError: what `decode` raised.
        EngineError: a process could not be started, died, or raised something else.
    """
    fork = multiprocessing.get_context("fork")
    processes: dict[connection.Connection, Any] = {}
    heard: dict[tuple[str, str], connection.Connection] = {}
    try:
        for share in shares:
            ours, theirs = fork.Pipe(duplex=False)
            process = fork.Process(target=_work, args=(decode, share, theirs), daemon=True)
            _start(process)
            theirs.close()
            processes[ours] = process
        open_ends = list(processes)
        while open_ends:
            for end in connection.wait(open_ends):
                assert isinstance(end, connection.Connection)
                answer = _read(end, processes[end])
                if answer is None:
                    open_ends.remove(end)
                elif isinstance(answer, logging.LogRecord):
                    # What one remarks on the model the others do too.
                    if heard.setdefault((answer.name, answer.msg), end) is end:
                        logging.getLogger(answer.name).handle(answer)
                else:
                    yield answer
    finally:
        for end, process in processes.items():
            process.kill()
            process.join()
            process.close()
            end.close()


def _start(process: Any) -> None:
    try:
        process.start()
    except OSError as error:  # no memory, or too many processes
        raise EngineError(
            f"a decoding process can't be started: {error}",
            where="sample.engine.processes",
            cure="ask for fewer; 1 decodes in this process",
        ) from error


def _read(end: connection.Connection, process: Any) -> Completion | logging.LogRecord | None:
    """The next thing a process says; None when it is done."""
    try:
        kind, content = pickle.loads(end.recv_bytes())
    except (EOFError, OSError):  # between two things it says, or in the midst of one
        process.join()
        raise EngineError(
            f"a decoding process died ({_ending(process.exitcode)})",
            where="sample.engine",
            cure="run again; where memory ran out, lower sample.engine.batch_size or processes",
        ) from None
    if kind == "raised":
        raise content
    return content


def _ending(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _work(decode: Decode, share: Sequence[Request], end: connection.Connection) -> None:
    """What a forked process does."""
    gc.freeze()  # what the parent made is not this process's to finalize
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _close_all_but(end.fileno())
    torch.set_num_threads(1)
    _log_to(end)
    try:
        for completion in decode(share):
            _send(end, "completion", completion)
        _send(end, "done", None)
    except BrokenPipeError:
        pass  # the parent is gone
    except CodealignError as error:
        _send(end, "raised", error)
    except Exception:
        _send(end, "raised", EngineError(f"a decoding process failed:\n{traceback.format_exc()}"))


def _send(end: connection.Connection, kind: str, content: Any) -> None:
    end.send_bytes(pickle.dumps((kind, content), protocol=pickle.HIGHEST_PROTOCOL))


def _close_all_but(kept: int) -> None:
    # Not by a range: where the number of descriptors is not limited it has no end.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(int(name))


class _ToParent(logging.handlers.QueueHandler):
    """Passes records on, their arguments already in their texts."""

    def __init__(self, end: connection.Connection) -> None:
        super().__init__(end)  # pyright: ignore[reportArgumentType]
        self.end = end

    def enqueue(self, record: logging.LogRecord) -> None:
        _send(self.end, "log", record)


def _log_to(end: connection.Connection) -> None:
    """Every logger's records go to the parent, where each logger has the handlers that it had here."""
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.root.handlers = [_ToParent(end)]
