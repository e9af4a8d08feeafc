"""The judge over a Ray cluster: actors with cells of their own, spread over the nodes.

Promised: an actor proves the isolation level on its node before it gets a program, and a node that can't give it is left
out by name; a problem travels to a node once; when an actor or its node dies, what it had is judged once more
elsewhere, then `not_judged`; every task is finished once; closing the pool ends every actor.

Not promised: that codealign is on the nodes (install the same version there: another one is refused), and a program
that a busy node starves is judged again with its own actor idle, not the whole node.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections import OrderedDict, deque
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from codealign.config import JudgeConfig, LocalJudge, RayJudge
from codealign.errors import CodealignError, ConfigError, DataError, SandboxError
from codealign.judging.cache import user_cache_dir
from codealign.judging.pool import Pool
from codealign.judging.runner import runner_version
from codealign.judging.tasks import (
    MAX_START_FAILURES,
    Row,
    Task,
    closed,
    first_hello,
    judge_died,
    problem_data,
)
from codealign.sandbox.limits import Limits

START_TIMEOUT_S = 180.0
"""For the first actor, and for another one once all have died: clusters may have to start a machine."""
NUM_PROBLEMS_KEPT = 512
_log = logging.getLogger(__name__)


# --- on a node ------------------------------------------------------------------------------------


class NodeJudge:
    """What runs in an actor: a local pool of one process. Its methods run side by side in threads."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = JudgeConfig.model_validate(config)
        self._limits = Limits.from_config(self._config.limits)
        self._problems: OrderedDict[str, Any] = OrderedDict()
        self._pool: Pool | None = None

    def start(self) -> dict[str, Any]:
        """Open the cell: the node's name, and the level or why it can't be had."""
        import ray

        node = f"{platform.node()} ({ray.get_runtime_context().get_node_id()[:8]})"
        hello = {"node": node, "runner": runner_version()}
        expected_dir = user_cache_dir() / "expected" if self._config.cache else None
        try:
            self._pool = Pool(self._config, self._limits, 1, expected_dir)
        except SandboxError as error:
            return hello | {"refused": [error.what, error.where, error.cure]}
        return hello | {"level": self._pool.level, "reasons": self._pool.reasons}

    def judge(self, key: str, program: str, problem: list[Any]) -> Row:
        """The verdict's columns. `problem` holds a reference, followed when the key is new here."""
        assert self._pool is not None
        task = Task(key, self._problem(key, problem[0]), program, SimpleQueue())
        self._pool.submit(task)
        return task.wait()

    def _problem(self, key: str, reference: Any) -> Any:
        import ray

        problem = self._problems.get(key)
        if problem is None:
            problem = self._problems[key] = ray.get(reference)
            if len(self._problems) > NUM_PROBLEMS_KEPT:
                self._problems.popitem(last=False)
        return problem


# --- on the driver --------------------------------------------------------------------------------


class Actor:
    """A judge somewhere in the cluster, and what it has been given."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.node = ""
        self.tasks: set[Task] = set()
        self.is_ready = self.is_dead = False


class Answer(NamedTuple):
    """A call that came back: its actor, its task (None for the start), and its future."""

    actor: Actor
    task: Task | None
    future: Any


class RayPool:
    """The implementation of `tasks.Judges` over Ray. One thread hears submissions and answers as events.

    Raises:
        ConfigError: ray is not installed.
        SandboxError: no cluster answers, or none of its nodes gives the isolation asked for.
    """

    def __init__(self, config: JudgeConfig, limits: Limits) -> None:
        assert isinstance(config.engine, RayJudge)
        self._engine = config.engine
        self._ray, self._owns_connection = _connect(config.engine.address)
        node_config = config.model_copy(update={"engine": LocalJudge(workers=1)})
        self._node_config = node_config.model_dump()
        self.num_workers = config.engine.num_actors or max(
            1, int(self._ray.cluster_resources().get("CPU", 1))
        )
        self._events: SimpleQueue[Task | Answer | None] = SimpleQueue()
        self._hello: SimpleQueue[CodealignError | dict[str, Any]] = SimpleQueue()
        self._waiting: deque[Task] = deque()
        self._actors: list[Actor] = []
        self._problems: OrderedDict[str, Any] = OrderedDict()
        self._refusals: list[str] = []
        self._num_start_failures = 0
        self._is_closing = self._is_closed = False
        self._thread = threading.Thread(target=self._live, name="codealign-ray", daemon=True)
        self._thread.start()
        first = first_hello(self, self._hello)
        self.level: str = first["level"]
        self.reasons: dict[str, str] = first["reasons"]

    def submit(self, task: Task) -> None:
        self._events.put(task)
        if self._is_closed:
            task.finish(None, closed())

    def close(self) -> None:
        """End every actor, and the connection if it is ours."""
        self._is_closing = True
        self._events.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # --- the thread -------------------------------------------------------------------------

    def _live(self) -> None:
        error: CodealignError = closed()
        try:
            for _ in range(self.num_workers):
                self._hire()
            while not self._is_closing:
                self._hear()
                self._distribute()
        except self._ray.exceptions.RayError as failure:
            error = SandboxError(f"the Ray cluster failed: {failure}", cure="see `ray status`")
        finally:
            self._is_closed = True
            for actor in self._actors:
                self._ray.kill(actor.handle)
            self._fail_everything(error)
            self._hello.put(error)
            if self._owns_connection:
                self._ray.shutdown()

    def _hire(self) -> None:
        spread = {"num_cpus": 1, "scheduling_strategy": "SPREAD", "max_restarts": 0}
        remote = self._ray.remote(NodeJudge).options(
            max_concurrency=self._engine.max_in_flight, **spread
        )
        actor = Actor(remote.remote(self._node_config))
        self._actors.append(actor)
        self._call(actor, None, actor.handle.start.remote())

    def _call(self, actor: Actor, task: Task | None, reference: Any) -> None:
        events = self._events
        reference.future().add_done_callback(lambda future: events.put(Answer(actor, task, future)))

    def _hear(self) -> None:
        """Take in one event, and all that have come with it."""
        is_anyone_ready = any(actor.is_ready for actor in self._actors)
        try:
            event = self._events.get(timeout=None if is_anyone_ready else START_TIMEOUT_S)
        except Empty:
            self._nobody_is_left(
                SandboxError(
                    f"no actor started in {START_TIMEOUT_S:.0f} s: each needs a CPU of the cluster",
                    cure="see `ray status`, or ask for fewer with judge.engine.num_actors",
                )
            )
            return
        while event is not None:
            if isinstance(event, Task):
                self._waiting.append(event)
            else:
                self._take(event)
            try:
                event = self._events.get_nowait()
            except Empty:
                return

    def _distribute(self) -> None:
        """To the actor with the least to do first, as long as any has room."""
        if self._waiting and not self._actors:
            self._hire()
        while self._waiting:
            ready = [actor for actor in self._actors if actor.is_ready]
            actor = min(ready, key=lambda each: len(each.tasks), default=None)
            if actor is None or len(actor.tasks) >= self._engine.max_in_flight:
                return
            task = self._waiting.popleft()
            if task.dropped:
                task.finish(None, closed())
            else:
                self._give(actor, task)

    def _give(self, actor: Actor, task: Task) -> None:
        try:
            problem = self._reference_to(task)
        except DataError as error:
            task.finish(None, error)
            return
        task.num_tries += 1
        actor.tasks.add(task)
        # In a list, so that the actor follows it only when it does not know the problem.
        self._call(actor, task, actor.handle.judge.remote(task.key, task.program, [problem]))

    def _reference_to(self, task: Task) -> Any:
        """The problem in the cluster's object store, put there once."""
        if task.key not in self._problems:
            problem_data(task.problem)  # refuses what is no plain data, here and not on a node
            self._problems[task.key] = self._ray.put(task.problem)
            if len(self._problems) > NUM_PROBLEMS_KEPT:
                self._problems.popitem(last=False)
        self._problems.move_to_end(task.key)
        return self._problems[task.key]

    # --- answers ----------------------------------------------------------------------------

    def _take(self, answer: Answer) -> None:
        actor, task, future = answer
        error = future.exception()
        if isinstance(error, self._ray.exceptions.RayActorError):
            self._lose(actor)
        elif task is None and error is None:
            self._greeted(actor, future.result())
        elif task is None:
            self._refuse(actor, f"{actor.node or 'a node'}: {error}", is_final=False)
        else:
            actor.tasks.discard(task)
            task.finish(*(future.result(), None) if error is None else (None, _our_error(error)))

    def _greeted(self, actor: Actor, hello: dict[str, Any]) -> None:
        actor.node = hello["node"]
        if "refused" in hello:
            self._refuse(actor, f"node {actor.node}: {hello['refused'][0]}", is_final=True)
        elif hello["runner"] != runner_version():
            self._refuse(
                actor,
                f"node {actor.node} has another version of the judge or Python",
                is_final=True,
            )
        else:
            actor.is_ready = True
            self._num_start_failures = 0
            self._hello.put(hello)

    def _refuse(self, actor: Actor, reason: str, *, is_final: bool) -> None:
        """Do without an actor that can't judge as asked."""
        _log.warning("left out: %s", reason)
        self._refusals.append(reason)
        self._dismiss(actor)
        self._ray.kill(actor.handle)
        self._replace(is_final=is_final)

    def _lose(self, actor: Actor) -> None:
        """Its actor or node died: judge what it had elsewhere, once."""
        if actor.is_dead:  # each of its calls says so
            return
        self._dismiss(actor)
        if actor.is_ready:
            _log.warning("an actor on node %s died; what it had is judged again", actor.node)
        for task in actor.tasks:
            if task.try_again("worker"):
                self._waiting.appendleft(task)
            else:
                task.finish(judge_died(f"ended, last on node {actor.node}"))
        self._replace(is_final=False)

    def _dismiss(self, actor: Actor) -> None:
        actor.is_dead, was_ready = True, actor.is_ready
        actor.is_ready = False
        self._actors.remove(actor)
        if was_ready:
            self._num_start_failures = 0
        else:
            self._num_start_failures += 1

    def _replace(self, *, is_final: bool) -> None:
        if not is_final and self._num_start_failures < MAX_START_FAILURES:
            self._hire()
        elif not self._actors:
            told = "; ".join(dict.fromkeys(self._refusals)) or "its actors die as they start"
            self._nobody_is_left(
                SandboxError(
                    f"no node of the Ray cluster can judge ({told})",
                    where="judge.engine",
                    cure="run `codealign env` on the nodes, or ask for another judge.isolation",
                )
            )

    def _nobody_is_left(self, error: SandboxError) -> None:
        self._hello.put(error)
        self._fail_everything(error)
        self._num_start_failures = 0

    def _fail_everything(self, error: CodealignError) -> None:
        for actor in self._actors:
            for task in actor.tasks:
                task.finish(None, error)
        while self._waiting:
            self._waiting.popleft().finish(None, error)
        if self._is_closed:
            while not self._events.empty():
                if isinstance(event := self._events.get(), Task):
                    event.finish(None, error)


def _our_error(error: BaseException) -> CodealignError:
    """What an actor raised, as ours: Ray wraps it."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, CodealignError):
        return cause
    return SandboxError(f"an actor failed: {error}", cure="see the actor's log in `ray logs`")


def _connect(address: str) -> tuple[Any, bool]:
    """The ray module, connected; and whether the connection is ours to close."""
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "judge.engine.kind is ray, and ray is not installed",
            where="judge.engine",
            cure="pip install -c constraints.txt -e '.[ray]', here and on every node",
        ) from None
    if ray.is_initialized():
        return ray, False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing phones home
    try:
        ray.init(
            address=None if address == "local" else address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SandboxError(
            f"no Ray cluster at {address!r}: {error}",
            where="judge.engine.address",
            cure="start one with `ray start --head`, or write address=local",
        ) from None
    return ray, True
