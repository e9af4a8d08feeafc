"""The ladder of isolation: what each level holds, which machine gives which, and what each leaves to the next.

Machines that are not this one are emulated by a filter on system calls (tests/narrowed.py): Docker's and
Kubernetes' default, Ubuntu 24.04's treatment of user namespaces, kernels without Landlock or pidfds. Ordinary
users are uid 65534 with the system's Python, since root's own may lie where they can't look.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ordinary_user import SOURCE_DIR, readable_sources

from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.records import CallTests, Problem
from codealign.sandbox import Cell, Limits, cgroups, open_cell
from codealign.sandbox.cell import LaunchRefused
from codealign.sandbox.levels import GAPS
from codealign.sandbox.probes import run_probes
from codealign.sandbox.remote import ProgramEnded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")

LIMITS = Limits(cpu_s=1.0, wall_s=20.0, memory_bytes=128 * 2**20, file_bytes=2**20)
SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = 65534

root_only = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to become someone else"
)


@pytest.fixture(scope="module", params=["S3", "S2", "S1"])
def cell(request: pytest.FixtureRequest) -> Iterator[Cell]:
    """A cell of each level that this machine gives."""
    try:
        opened = open_cell(request.param, False, LIMITS, [])
    except SandboxError as error:
        pytest.skip(f"no {request.param} here: {error}")
    yield opened.cell
    opened.cell.close()


def call(cell: Cell, source: str, *arguments: Any) -> Any:
    execution = cell.start(textwrap.dedent(source), cell.limits, names=["f"])
    try:
        return execution.begin()["f"](*arguments)
    finally:
        execution.finish()


def ending_of(cell: Cell, source: str) -> Any:
    """How a program ends whose function does not come back."""
    execution = cell.start(textwrap.dedent(source), cell.limits, names=["f"])
    with pytest.raises(ProgramEnded):
        execution.begin()["f"]()
    return execution.finish()


# --- the probes ---------------------------------------------------------------------------------


def test_every_probe_is_stopped_at_every_level_that_there_is(cell: Cell) -> None:
    assert [probe for probe in run_probes(cell) if not probe.stopped] == []


def test_a_cell_in_which_nothing_runs_proves_nothing(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every attempt fails in a cell that is broken; without the control that would count as stopped.
    monkeypatch.setattr(
        "codealign.sandbox.probes._read_attempts", lambda: "raise OSError('broken')"
    )
    with pytest.raises(LaunchRefused, match="an ordinary program does not run there"):
        run_probes(cell)


def test_every_probe_succeeds_where_nothing_protects() -> None:
    """A probe that is stopped at S0 too would prove nothing about the levels above."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user is refused some of it without any sandbox")
    limits = LIMITS._replace(max_processes=4)
    cell = Cell("S0", limits)
    cell.launch()
    try:
        stopped = {probe.name for probe in run_probes(cell) if probe.stopped}
    finally:
        cell.close()
    # Limits of the kernel hold at S0 as well: memory of one process, locked memory for bpf and io_uring, and
    # what is ended from outside when it forks too much. /tmp of this test may be a file system of its own.
    assert stopped <= {
        "allocate_past",
        "fork_past",
        "link_planted",
        "find_open_descriptors",
        "set_up_a_ring",
        "load_into_the_kernel",
        "trace_a_process",
        "keep_a_key",
    }


def test_what_a_level_does_not_hold_is_named() -> None:
    assert set(GAPS) == {"S3", "S2", "S1", "S0"}
    assert GAPS["S3"] == ()
    assert all(GAPS[level] for level in ("S2", "S1", "S0"))


# --- many processes, one limit ------------------------------------------------------------------

BURN = """
import os, time
def f():
    for _ in range(20):
        if os.fork() == 0:
            while True: pass
    time.sleep(60)
"""
HOARD = """
import os, time
def f():
    for _ in range(8):
        if os.fork() == 0:
            kept = bytearray(100 * 2**20)
            time.sleep(60)
    time.sleep(60)
"""
FAMILY = """
import os, time
def f():
    children = []
    for number in range(20):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.3)
            os._exit(number)
        children.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
"""


def test_twenty_children_share_one_cpu_limit(cell: Cell) -> None:
    """1 s for all of them; with a limit for each it would be 20 s, or the wall limit with nothing counted."""
    ending = ending_of(cell, BURN)
    assert ending.reason == "cpu"
    assert 1.0 < ending.cpu_s < 4.0


def test_eight_children_share_one_memory_limit(cell: Cell) -> None:
    """8 × 100 MB where 128 are allowed, each within its own limit."""
    assert ending_of(cell, HOARD).reason == "oom"


def test_twenty_children_that_use_little_are_left_alone(cell: Cell) -> None:
    # Each shows the zygote's 12 MB as its own: 240 MB, if pages that are shared counted.
    assert call(cell, FAMILY) == list(range(20))


def test_a_fast_program_is_not_looked_at(cell: Cell) -> None:
    execution = cell.start("def f(): return 1", cell.limits, names=["f"])
    execution.begin()["f"]()
    execution.finish()
    assert execution._watch is None


# --- S1: what one program leaves ----------------------------------------------------------------

RESIST = {
    "a directory nobody may enter": "os.mkdir('hidden'); open('hidden/x', 'w').close(); os.mkdir('h', 0)",
    "a write-only directory": "os.mkdir('w', 0o300); open('w/x', 'w').close()",
    "a tree deeper than a path": "[(os.mkdir('d' * 200), os.chdir('d' * 200)) for _ in range(60)]",
    "many files": "[open(str(n), 'w').close() for n in range(2000)]",
    "a link to a directory outside": "os.symlink('/usr/lib', 'lib')",
    "a link to nowhere": "os.symlink('/nowhere', 'gone')",
    "hard links": "open('a', 'w').close(); [os.link('a', f'b{n}') for n in range(9)]",
    "a fifo": "os.mkfifo('pipe')",
    "a name that is no text": "open(b'\\xff\\xfe', 'w').close()",
    "daemons": "[os.fork() == 0 and (os.setsid(), os.fork() == 0 and time.sleep(60)) for _ in range(3)]",
    "a child that ignores signals": (
        "os.fork() == 0 and ([signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)], time.sleep(60))"
    ),
}
LOOK = """
import os, stat
def f():
    try:
        os.kill(-1, 0)
        others = True
    except (ProcessLookupError, PermissionError):
        others = False
    return os.listdir('.'), stat.S_IMODE(os.stat('.').st_mode)
"""


@pytest.mark.parametrize("what", RESIST)
def test_scratch_is_empty_for_the_next_program(cell: Cell, what: str) -> None:
    source = f"""
    import os, signal, time
    def f():
        {RESIST[what]}
        return 'done'
    """
    assert call(cell, source) == "done"
    files, mode = call(cell, LOOK)
    assert files == []
    assert mode == (0o700 if cell.level == "S1" else 0o1777)


def test_a_daemon_does_not_outlive_its_program(cell: Cell) -> None:
    source = f"""
    import os, time
    def f():
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep({61.25 + os.getpid() % 1000})
                os._exit(0)
        return os.getpid()
    """
    from codealign.sandbox.usage import descendants

    call(cell, source)
    assert list(descendants(cell.pid)) == []


def test_closing_a_cell_ends_what_runs_in_it(cell: Cell) -> None:
    from codealign.sandbox.usage import _processes, descendants

    fresh = Cell(cell.level, LIMITS)
    execution = fresh.start(
        "import os, time\ndef f():\n    os.fork()\n    time.sleep(60)", LIMITS, names=["f", "time"]
    )
    functions = execution.begin()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(functions["f"])
        deadline = time.monotonic() + 20
        running: list[int] = []
        while len(running) < 2 and time.monotonic() < deadline:
            running = [process.pid for process in descendants(fresh.pid)]
        fresh.close()
        assert isinstance(waiting.exception(timeout=30), ProgramEnded)
    execution._hang_up()
    alive = {process.pid for process in _processes() if process.num_threads}
    assert len(running) == 2
    deadline = time.monotonic() + 20
    while alive & set(running) and time.monotonic() < deadline:
        alive = {process.pid for process in _processes()}
    assert not alive & set(running)


def test_descriptors_that_come_and_go_hide_no_memory_file() -> None:
    from codealign.sandbox.usage import _nameless_bytes, _processes

    kept = os.memfd_create("kept")
    os.write(kept, bytes(1 << 20))
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            os.close(os.open("/dev/null", os.O_RDONLY))

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        (this,) = [process for process in _processes() if process.pid == os.getpid()]
        assert min(_nameless_bytes([this]) for _ in range(200)) >= 1 << 20
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        os.close(kept)


# --- several cells at once ----------------------------------------------------------------------


def test_cells_launched_together_share_neither_uid_nor_scratch(cell: Cell) -> None:
    cells = [Cell(cell.level, LIMITS) for _ in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Cell.launch, cells))
        source = "import os\ndef f():\n    open('mine', 'x').close()\n    return os.listdir('.')"
        assert [call(one, source) for one in cells] == [["mine"]] * 4
        ids = {one._own_id.number for one in cells}
        assert len(ids) == (4 if os.geteuid() == 0 else 1)
    finally:
        for one in cells:
            one.close()


# --- other machines, emulated -------------------------------------------------------------------

EPERM, EACCES, ENOSYS = errno.EPERM, errno.EACCES, errno.ENOSYS
NEW_NAMESPACES = 0x7E020000
DOCKER_CALLS = (
    "unshare mount umount2 setns pivot_root keyctl add_key request_key bpf io_uring_setup"
)
DOCKER: dict[str, Any] = {
    "refused": {name: EPERM for name in DOCKER_CALLS.split()} | {"clone3": ENOSYS},
    "clone_flags": NEW_NAMESPACES,
    # chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod
    # audit_write setfcap
    "capabilities": [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31],
}
DOCKER_AS_USER: dict[str, Any] = {
    "refused": DOCKER["refused"],
    "clone_flags": NEW_NAMESPACES,
    "uid": NOBODY,
}
UBUNTU: dict[str, Any] = {
    # unshare succeeds; what a namespace is for does not.
    "refused": {"mount": EACCES, "pivot_root": EPERM},
    "uid": NOBODY,
}
NO_LANDLOCK = {"landlock_create_ruleset": errno.EOPNOTSUPP}
TELL = """
import json
from codealign.errors import SandboxError
from codealign.sandbox import Limits, open_cell
told = {}
for level in ("auto", "S3", "S2", "S1"):
    try:
        opened = open_cell(level, False, Limits(), [])
    except SandboxError as error:
        told[level] = str(error)
        continue
    execution = opened.cell.start("def f(x): return x + 1", Limits(), names=["f"])
    told[level] = [opened.cell.level, execution.begin()["f"](1)]
    execution.finish()
    opened.cell.close()
print(json.dumps(told))
"""


def narrowed(plan: dict[str, Any], code: str = TELL) -> Any:
    """What `code` prints, as JSON, in a process with fewer rights."""
    python = sys.executable
    if "uid" in plan:
        python = SYSTEM_PYTHON
        if not os.path.exists(python) or _version(python) < (3, 11):
            pytest.skip("no system Python that an ordinary user may run")
    # The script as text: it too may lie where only root looks.
    script = Path(__file__).with_name("narrowed.py").read_text(encoding="utf-8")
    done = subprocess.run(
        [python, "-c", script, json.dumps(plan), code],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd="/",
        env={
            "PYTHONPATH": readable_sources() if "uid" in plan else str(SOURCE_DIR),
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def _version(python: str) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


@root_only
def test_in_dockers_default_root_gets_s1_and_is_told_why_not_more() -> None:
    told = narrowed(DOCKER)
    assert told["auto"] == ["S1", 2]
    assert told["S1"] == ["S1", 2]
    for level in ("S3", "S2"):
        assert "Operation not permitted" in told[level]
        assert "seccomp=unconfined" in told[level]


@root_only
def test_in_dockers_default_an_ordinary_user_gets_s1() -> None:
    told = narrowed(DOCKER_AS_USER)
    assert told["auto"] == ["S1", 2]
    assert "unshare: Operation not permitted" in told["S2"]


@root_only
def test_where_namespaces_open_but_hold_nothing_the_effect_decides() -> None:
    """Ubuntu 24.04: unshare works, mount inside does not."""
    told = narrowed(UBUNTU)
    assert told["auto"] == ["S1", 2]
    assert "mount" in told["S2"]
    assert "Permission denied" in told["S2"]


@root_only
def test_an_ordinary_user_gets_s2_and_s1() -> None:
    told = narrowed({"uid": NOBODY})
    if "can't be had" in told["S2"]:
        pytest.skip(f"ordinary users get no namespaces here: {told['S2']}")
    assert told["auto"] == ["S2", 2]
    assert told["S1"] == ["S1", 2]


@root_only
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_landlock_and_namespaces_there_is_nothing_and_it_says_so(number: int) -> None:
    refused = DOCKER["refused"] | {"landlock_create_ruleset": number}
    told = narrowed(DOCKER | {"refused": refused})
    assert "this machine gives no isolation that protects it" in told["auto"]
    assert "Landlock is not in this kernel, or switched off" in told["auto"]
    assert "judge.accept_weak_isolation=true" in told["auto"]


@root_only
def test_without_landlock_namespaces_do() -> None:
    told = narrowed({"refused": NO_LANDLOCK})
    assert told["S2"] == ["S2", 2]
    assert "Landlock" in told["S1"]


@root_only
def test_a_kernel_without_pidfds_is_refused_by_name() -> None:
    told = narrowed({"refused": {"pidfd_open": ENOSYS}})
    assert "Linux 5.3 is needed" in told["auto"]


@root_only
def test_a_cell_that_dies_while_it_is_probed_is_no_level() -> None:
    """A kernel that refuses CLONE_PIDFD: the zygote can't start a program."""
    told = narrowed({"clone_flags": 0x1000, "clone_errno": errno.EINVAL})
    assert "the cell did not live through its probes" in told["S2"]


@root_only
def test_root_without_the_rights_to_change_ids_is_an_ordinary_user() -> None:
    """`docker run --cap-drop ALL`: uid 0, on whom no limit on processes binds, is watched instead."""
    assert narrowed(DOCKER | {"capabilities": []})["auto"] == ["S1", 2]


# --- the older Landlocks ------------------------------------------------------------------------

OLD_LANDLOCK = """
import json
from codealign.sandbox import landlock, launcher
landlock.abi = lambda: {abi}
"""


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_an_older_landlock_is_asked_only_for_what_it_knows(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codealign.sandbox import landlock

    if landlock.abi() < version:
        pytest.skip("this kernel's Landlock is older still")
    monkeypatch.setattr(landlock, "abi", lambda: version)
    ruleset = landlock.Ruleset()
    ruleset.grant("/usr/lib", landlock.READ)
    ruleset.grant("/tmp", landlock.READ_WRITE)
    ruleset.grant("/dev/null", landlock.READ_FILE | landlock.WRITE_FILE)
    os.close(ruleset.fd)


# --- cgroups ------------------------------------------------------------------------------------


class Hierarchy:
    """A directory tree that imitates a cgroup v2 file system: names, contents and who may write where."""

    def __init__(self, root: Path, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.own = root, root / own.lstrip("/")
        monkeypatch.setattr(cgroups, "ROOT", root)
        monkeypatch.setattr(cgroups, "_places", lambda: {"": own})
        path = root
        for part in ["", *own.strip("/").split("/")]:
            path = path / part
            path.mkdir(exist_ok=True)
            self.write(path, "cgroup.controllers", "cpu memory pids\n")
            self.write(path, "cgroup.subtree_control", "\n")
            self.write(path, "cgroup.procs", "\n")

    def write(self, path: Path, name: str, text: str) -> None:
        (path / name).write_text(text)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    own = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope"
    made = Hierarchy(tmp_path, own, monkeypatch)
    real_write = Path.write_text

    def write_text(path: Path, text: str, *rest: Any, **more: Any) -> int:
        """The kernel's rules: no controllers for the children of a cgroup that has processes (EBUSY), and
        nothing in what belongs to root."""
        if path.name == "cgroup.subtree_control":
            if path.parent == made.own:
                raise OSError(errno.EBUSY, "Device or resource busy", str(path))
            if "user@1000.service" not in path.parts:
                raise OSError(errno.EACCES, "Permission denied", str(path))
            text = "memory pids"
        return real_write(path, text, *rest, **more)

    monkeypatch.setattr(Path, "write_text", write_text)
    return made


def test_v2_a_cell_is_made_beside_ours_not_below_it(tree: Hierarchy) -> None:
    made = cgroups.make(100 * 2**20, 32)
    (cell,) = made.dirs
    assert cell.parent == tree.own.parent
    assert (cell / "memory.max").read_text() == str(100 * 2**20 + cgroups.OVERHEAD_BYTES)
    assert (cell / "pids.max").read_text() == "33"
    assert made.procs_files == [str(cell / "cgroup.procs")]
    tree.write(cell, "cpu.stat", "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    assert cgroups.cpu_seconds(made.cpu_file) == 1.5
    tree.write(cell, "memory.events", "low 0\noom 3\noom_kill 2\n")
    assert cgroups.oom_kills(made) == 2


def test_v2_a_session_that_was_delegated_nothing_is_told_how_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Hierarchy(tmp_path, "/user.slice/user-1000.slice/session-3.scope", monkeypatch)

    def refuse(path: Path, text: str) -> int:
        if path.parent == made.own:
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        raise OSError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(cgroups.NoCgroups, match=r"systemd-run --user --scope"):
        cgroups.make(2**27, 32)


def test_v2_without_the_controllers_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Hierarchy(tmp_path, "/x", monkeypatch)
    made.write(made.own, "cgroup.controllers", "cpu pids\n")
    with pytest.raises(cgroups.NoCgroups, match="is not given the controllers memory"):
        cgroups.make(2**27, 32)


def test_v1_read_only_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "_places", lambda: dict.fromkeys(("memory", "pids"), "/"))
    for controller in ("memory", "pids"):
        (tmp_path / controller).mkdir()
    with pytest.raises(cgroups.NoCgroups, match="cpuacct"):
        cgroups.make(2**27, 32)
    assert [path.name for path in tmp_path.rglob("codealign-*")] == []


def test_without_cgroups_s3_is_refused_and_auto_takes_s2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", Path("/nowhere"))
    try:
        opened = open_cell("auto", False, LIMITS, [])
    except SandboxError as error:
        pytest.skip(str(error))
    opened.cell.close()
    assert opened.cell.level != "S3"
    assert "no memory and pids cgroup" in opened.reasons["S3"]


def test_a_cell_leaves_no_cgroup_behind() -> None:
    try:
        cell = open_cell("S3", False, LIMITS, []).cell
    except SandboxError as error:
        pytest.skip(str(error))
    assert cell._cgroups is not None
    dirs = cell._cgroups.dirs
    assert all(path.exists() for path in dirs)
    cell.close()
    assert not any(path.exists() for path in dirs)


# --- the level in verdicts ----------------------------------------------------------------------

ADD = Problem(
    task_id="add", prompt="", entry_point="add", tests=CallTests(inputs=[[1, 2]], outputs=[3])
)


@pytest.mark.parametrize("level", ["S2", "S1"])
def test_the_level_is_in_every_verdict(level: str) -> None:
    config = JudgeConfig(
        isolation=level,  # type: ignore[arg-type]
        limits=LimitsConfig(cpu_s=2.0),
        engine=LocalJudge(workers=2),
    )
    programs = ["def add(a, b): return a + b", "def add(a, b): return 0", "import os; os._exit(0)"]
    try:
        with Judge(config) as judge:
            verdicts = list(judge.verdicts(Candidate(ADD, program) for program in programs))
    except SandboxError as error:
        pytest.skip(str(error))
    assert [verdict.isolation for verdict in verdicts] == [level] * 3
    assert [verdict.passed for verdict in verdicts] == [True, False, False]


def test_other_systems_import_it_and_are_told_what_to_do() -> None:
    """The names that only Linux (and only Unix) has are taken away before the import."""
    code = """
import os, select, signal, socket, sys
import codealign.config, codealign.records  # pydantic asks sysconfig about this system
sys.platform = "darwin"
for module, names in {
    os: "memfd_create pidfd_open O_PATH sched_getaffinity ST_NODEV ST_NOEXEC ST_NOATIME ST_NODIRATIME ST_RELATIME",
    signal: "pidfd_send_signal",
    select: "epoll",
    socket: "SOCK_CLOEXEC MSG_DONTWAIT",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
import codealign.judging
from codealign.errors import SandboxError
from codealign.sandbox import Limits, describe_host, isolation_levels, open_cell
assert not any(report.available for report in isolation_levels() if report.level != "S0")
try:
    open_cell("auto", False, Limits(), [])
except SandboxError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "judge on Linux: in Docker" in done.stdout, done.stderr


"""Not emulated: Windows, which has no fork."""
