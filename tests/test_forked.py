"""Decoding in forked processes: the completions of one process, and nothing of theirs left behind."""

from __future__ import annotations

import errno
import fcntl
import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest
import torch
from model_fixtures import save_tiny_model

from codealign.config import ModelConfig
from codealign.config import TransformersEngine as EngineConfig
from codealign.errors import EngineError, ModelError
from codealign.policy import Policy, load_policy
from codealign.records import Completion
from codealign.sampling import Request, SamplingParams, open_engine
from codealign.sampling.forked import deal, decode_in_processes, num_processes_for

torch.set_num_threads(1)

PROMPTS = [
    "def add(a, b):\n",
    "xs = [1, 2, 3]\nfor x",
    "return",
    "def total(xs):\n    result = 0\n",
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    directory = save_tiny_model(tmp_path_factory.mktemp("forked"))
    return load_policy(ModelConfig(model_name_or_path=str(directory)))


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) == before


def requests(num_samples: int = 6) -> list[Request]:
    return [Request(f"t{i}", p, j) for i, p in enumerate(PROMPTS) for j in range(num_samples)]


def draw(policy: Policy, processes: int | None, **settings: Any) -> list[Completion]:
    engine = open_engine(EngineConfig(processes=processes, **settings), policy)
    drawn = list(engine.sample(requests(), SamplingParams(max_new_tokens=24)))
    return sorted(drawn, key=lambda c: (c.task_id, c.sample_index))


def completion_of(request: Request, text: str = "") -> Completion:
    return Completion(
        task_id=request.task_id,
        sample_index=request.sample_index,
        completion=text,
        finish_reason="stop",
    )


def shares(count: int = 2) -> list[list[Request]]:
    return [[Request("t", "", number)] for number in range(count)]


# ------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("processes", [2, 3])
def test_the_completions_are_those_of_one_process(policy: Policy, processes: int) -> None:
    alone, together = draw(policy, 1), draw(policy, processes)
    assert [c.logprob for c in together] == pytest.approx([c.logprob for c in alone], abs=1e-4)
    same = [c.model_copy(update={"logprob": None}) for c in alone]
    assert [c.model_copy(update={"logprob": None}) for c in together] == same


def test_the_processes_share_the_budget_of_tokens(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noted:
        def __init__(self, policy: Policy, params: Any, num_rows: int, max_tokens: float) -> None:
            self.max_tokens = max_tokens

        def run(self, some: Sequence[Request]) -> Iterator[Completion]:
            for request in some:
                yield completion_of(request, str(self.max_tokens))

    monkeypatch.setattr("codealign.sampling.transformers_engine._Decoder", Noted)
    assert {c.completion for c in draw(policy, 2, max_cached_tokens=160)} == {"80.0"}


def test_weights_are_those_of_the_moment(tmp_path: Path) -> None:
    policy = load_policy(ModelConfig(model_name_or_path=str(save_tiny_model(tmp_path))))
    engine = open_engine(EngineConfig(processes=2), policy)
    params = SamplingParams(max_new_tokens=8)
    before = {c.completion for c in engine.sample(requests(), params)}
    with torch.no_grad():
        for _, parameter in policy.trainable_parameters():
            parameter.mul_(1.5)
    assert {c.completion for c in engine.sample(requests(), params)} != before


def test_a_policy_in_training_is_left_as_it_was(tmp_path: Path) -> None:
    policy = load_policy(
        ModelConfig(model_name_or_path=str(save_tiny_model(tmp_path)), gradient_checkpointing=True)
    )
    policy.train_mode(True)
    training = [name for name, module in policy.model.named_modules() if module.training]
    assert training
    assert len(draw(policy, 2)) == len(requests())
    assert [name for name, module in policy.model.named_modules() if module.training] == training


# ------------------------------------------------------------------- who decodes what


def test_a_prompts_samples_stay_together_and_shares_are_of_one_size() -> None:
    # One sample of each problem after another: a prompt's samples do not arrive together.
    asked = [Request(f"t{i}", f"p{i}", j) for j in range(4) for i in range(40)]
    dealt = deal(asked, 3)
    assert sorted(r for share in dealt for r in share) == sorted(asked)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 160 // (3 * 8) + 3
    owners: dict[str, set[int]] = {}
    for number, share in enumerate(dealt):
        for request in share:
            owners.setdefault(request.prompt, set()).add(number)
    assert all(len(numbers) == 1 for numbers in owners.values())


def test_neighbours_mostly_stay_together_and_no_share_has_all_that_come_last() -> None:
    # Of 64 prompts in two shares a block has 4: prompts 0-3, 8-11 … and 4-7, 12-15 …
    first, second = deal([Request("t", str(number)) for number in range(64)], 2)
    assert [int(r.prompt) for r in first] == [n for n in range(64) if n % 8 < 4]
    assert [int(r.prompt) for r in second] == [n for n in range(64) if n % 8 >= 4]


def test_prompts_of_ids_are_told_apart_by_them() -> None:
    asked = [Request("t", "", number, prompt_ids=(number,)) for number in range(4)]
    assert len(deal(asked, 4)) == 4


def test_with_few_prompts_single_requests_are_dealt_and_no_share_is_empty() -> None:
    alike = [Request("t", "p", number) for number in range(7)]
    assert sorted(map(len, deal(alike, 3))) == [2, 2, 3]
    assert [len(share) for share in deal(alike[:2], 3)] == [1, 1]
    assert deal([], 3) == []


# ------------------------------------------------------------------- whether there are any


def parameters_of(num_bytes: int) -> Any:
    """Stands for a policy with so many bytes of weights on the CPU."""

    class Model:
        def parameters(self) -> list[torch.Tensor]:
            return [torch.empty(num_bytes, dtype=torch.uint8, device="meta")]

    class Sized:
        device, model = torch.device("cpu"), Model()

    return Sized()


def test_small_models_have_a_process_for_each_thread_and_large_ones_decode_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert num_processes_for(parameters_of(64 * 2**20), None) == 5
    assert num_processes_for(parameters_of(64 * 2**20 + 1), None) == 1
    assert num_processes_for(parameters_of(64 * 2**20 + 1), 3) == 3


def test_several_are_refused_where_none_can_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    on_meta = parameters_of(1)
    on_meta.device = torch.device("meta")
    with pytest.raises(EngineError, match=r"2 processes decode on CPUs under Linux only.* is meta"):
        num_processes_for(on_meta, 2)
    assert num_processes_for(on_meta, 1) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert num_processes_for(on_meta, None) == 1
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(EngineError, match="darwin"):
        num_processes_for(parameters_of(1), 2)


def test_a_daemonic_process_which_may_start_none_decodes_itself(policy: Policy) -> None:
    def report(end: Any) -> None:
        torch.get_num_threads = lambda: 2
        try:
            num_processes_for(policy, 2)
        except EngineError as error:
            end.send((num_processes_for(policy, None), str(error)))

    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=report, args=(theirs,), daemon=True
    )
    process.start()
    assert ours.poll(20)
    number, words = ours.recv()
    assert number == 1
    assert "a daemonic process" in words
    process.join()


# ------------------------------------------------------------------- what goes wrong


def test_an_error_inside_reaches_the_caller_as_itself(policy: Policy) -> None:
    engine = open_engine(EngineConfig(processes=2), policy)
    asked = [*requests(1), Request("empty", "")]
    with pytest.raises(ModelError, match="no tokens to continue") as caught:
        list(engine.sample(asked, SamplingParams(max_new_tokens=4)))
    assert caught.value.where == "empty"
    assert caught.value.cure


def test_a_defect_inside_is_an_engine_error_with_its_traceback() -> None:
    def decode(some: Sequence[Request]) -> Iterator[Completion]:
        yield completion_of(some[0])
        raise ZeroDivisionError("defect")

    with pytest.raises(EngineError, match=r"(?s)failed:.*in decode.*ZeroDivisionError: defect"):
        list(decode_in_processes(decode, shares()))


def kill_itself(some: Sequence[Request]) -> Iterator[Completion]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield completion_of(some[0])


def leave(some: Sequence[Request]) -> Iterator[Completion]:
    os._exit(7)
    yield completion_of(some[0])


@pytest.mark.parametrize(("end", "words"), [(kill_itself, "signal 9"), (leave, "exit code 7")])
def test_a_process_that_dies_is_an_engine_error_that_says_how(
    end: Callable[[Sequence[Request]], Iterator[Completion]], words: str
) -> None:
    def decode(some: Sequence[Request]) -> Iterator[Completion]:
        if some[0].sample_index == 1:
            yield from end(some)
        while True:  # the other would go on for ever
            yield completion_of(some[0])

    with pytest.raises(EngineError, match=rf"died \({words}\)[^→]*→ .*batch_size or processes"):
        list(decode_in_processes(decode, shares()))


def test_a_process_killed_in_the_midst_of_a_completion_is_an_engine_error() -> None:
    def decode(some: Sequence[Request]) -> Iterator[Completion]:
        # 16 MB do not fit the pipe: the process waits in the midst of them, until it is killed.
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()
        yield completion_of(some[0], "x" * 2**24)

    stream = decode_in_processes(decode, shares(1))
    # Nobody reads meanwhile: the parent itself is asleep between fork and the first read.
    with pytest.MonkeyPatch.context() as patch:
        read = connection.wait

        def late(ends: Any) -> Any:
            time.sleep(1.0)
            return read(ends)

        patch.setattr("codealign.sampling.forked.connection.wait", late)
        with pytest.raises(EngineError, match=r"died \(signal 9\)"):
            next(stream)


def test_a_process_that_cannot_be_started_is_an_engine_error_and_ends_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fork, times = os.fork, []

    def fork_once() -> int:
        times.append(None)
        if len(times) > 1:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", fork_once)
    with pytest.raises(EngineError, match=r"can't be started.*Resource temporarily"):
        list(decode_in_processes(endlessly, shares()))


# ------------------------------------------------------------------- what is left behind


def endlessly(some: Sequence[Request]) -> Iterator[Completion]:
    while True:
        yield completion_of(some[0])


def test_ending_early_leaves_no_process_and_no_descriptor() -> None:
    before = set(multiprocessing.active_children())
    descriptors = set(os.listdir("/proc/self/fd"))
    stream: Any = decode_in_processes(endlessly, shares(3))
    next(stream)
    pids = [process.pid for process in set(multiprocessing.active_children()) - before]
    assert len(pids) == 3
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    stream.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert set(os.listdir("/proc/self/fd")) == descriptors


def test_an_interrupt_is_the_parents_to_answer() -> None:
    def decode(some: Sequence[Request]) -> Iterator[Completion]:
        os.kill(os.getpid(), signal.SIGINT)
        yield completion_of(some[0])

    assert len(list(decode_in_processes(decode, shares()))) == 2


def test_a_lock_is_not_held_by_processes_after_the_parent_let_it_go(tmp_path: Path) -> None:
    """A flock belongs to every copy of its descriptor: it is free when the last one is closed."""
    file = (tmp_path / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    stream: Any = decode_in_processes(endlessly, shares())
    seen = set()
    while len(seen) < 2:  # both have begun, and closed what was not theirs
        seen.add(next(stream).sample_index)
    file.close()
    with (tmp_path / "lock").open("w") as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    stream.close()


def test_what_the_parent_made_is_not_finalized_in_a_process(tmp_path: Path) -> None:
    class Owner:
        def __init__(self) -> None:
            self.itself = self  # only the collector frees it

        def __del__(self) -> None:
            (tmp_path / "finalized").touch()

    def decode(some: Sequence[Request]) -> Iterator[Completion]:
        gc.collect()
        yield completion_of(some[0])

    gc.disable()  # here it would be freed at any time
    try:
        Owner()
        assert len(list(decode_in_processes(decode, shares()))) == 2
        assert not (tmp_path / "finalized").exists()
    finally:
        gc.enable()


# ------------------------------------------------------------------- what it says


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


def test_warnings_of_the_processes_reach_the_parents_handlers_once() -> None:
    """What all say is heard once; what one says, as often as it says it."""
    handler, silent = Kept(), Kept()
    logger = logging.getLogger("codealign.test_forked")
    apart = logging.getLogger("codealign_test_forked_apart")
    apart.propagate = False
    root, here = logging.getLogger(), os.getpid()

    def decode(some: Sequence[Request]) -> Iterator[Completion]:
        assert os.getpid() != here
        logger.warning("%d %% of all", 50)
        for _ in range(2):
            logger.warning("share %d", some[0].sample_index)
        apart.warning("of a logger with handlers of its own")
        logger.debug("below the level")
        yield completion_of(some[0])

    root.addHandler(handler)
    apart.addHandler(silent)
    try:
        list(decode_in_processes(decode, shares()))
    finally:
        root.removeHandler(handler)
        apart.removeHandler(silent)
        apart.propagate = True
    told = ["share 0", "share 0", "share 1", "share 1", "50 % of all"]
    assert sorted(handler.lines) == sorted(f"WARNING {line}" for line in told)
    assert silent.lines == ["WARNING of a logger with handlers of its own"]


def test_full_prompts_are_warned_of_once_with_all_of_them(
    policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(EngineConfig(processes=2), policy)
    full = [Request(f"of {n}", "", prompt_ids=tuple([5] * n)) for n in (256, 257, 300)]
    assert len(list(engine.sample([*full, *requests(1)], SamplingParams(max_new_tokens=4)))) == 7
    (line,) = [r.getMessage() for r in caplog.records if "fill the model's" in r.getMessage()]
    assert line.startswith("3 problems")
