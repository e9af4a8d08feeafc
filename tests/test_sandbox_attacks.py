"""Programs that try to pass without solving, or to harm. Each is one program and the property it attacks.

The task is to add two numbers. No attack may be called `passed`, every honest program must be, and after all
of them the machine is as it was.
"""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codealign.config import JudgeConfig, LimitsConfig, LocalJudge
from codealign.judging import Candidate, Judge
from codealign.records import (
    CheckTests,
    Problem,
    StdioTests,
    Verdict,
    read_records,
    write_records,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sandbox needs Linux")

CHECK = """
SECRET_ANSWERS = [3, 0, 123]

def check(candidate):
    assert candidate(1, 2) == 3
    assert candidate(-1, 1) == 0
    assert candidate(100, 23) == 123
"""
ADD = Problem(
    task_id="attack/add",
    prompt='def add(a, b):\n    """Add two numbers."""\n',
    entry_point="add",
    tests=CheckTests(source=CHECK),
    canonical_solution="    return a + b\n",
)

# name: (what must hold, program). `{marker}` is a path outside, `{pid}` the driver's process.
ATTACKS: dict[str, tuple[str, str]] = {
    # --- leaving early: an exit is never a verdict
    "exit_at_import": ("an exit code says nothing", "import sys; sys.exit(0)"),
    "os_exit_at_import": ("an exit code says nothing", "import os; os._exit(0)"),
    "exit_in_call": ("an exit in a call is no answer", "def add(a, b):\n    raise SystemExit(0)"),
    "os_exit_in_call": (
        "a dead process is no answer",
        "import os\ndef add(a, b):\n    os._exit(0)",
    ),
    "exit_after_first": (
        "a program must be there for the last test",
        """
        import os
        calls = []
        def add(a, b):
            calls.append(1)
            if len(calls) > 1: os._exit(0)
            return a + b
        """,
    ),
    "atexit_exit": (
        "exit hooks decide nothing",
        "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return None",
    ),
    "excepthook": (
        "exception hooks decide nothing",
        "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\ndef add(a, b): raise ValueError",
    ),
    "raise_stop_iteration": (
        "StopIteration does not end the tests well",
        "def add(a, b): raise StopIteration",
    ),
    "raise_generator_exit": ("GeneratorExit is no pass", "def add(a, b): raise GeneratorExit"),
    "raise_assertion": ("an assertion of its own is no pass", "def add(a, b): assert False"),
    "thread_exit": (
        "a thread that ends the process ends the program",
        """
        import threading, os, time
        def add(a, b):
            threading.Thread(target=lambda: os._exit(0)).start()
            time.sleep(1)
        """,
    ),
    # --- lying objects: comparison is the judge's
    "lying_eq": (
        "an object's __eq__ is never asked",
        "class L:\n    def __eq__(self, o): return True\n    __hash__ = None\ndef add(a, b): return L()",
    ),
    "lying_int": (
        "a subclass is its base value",
        "class I(int):\n    def __eq__(self, o): return True\n    __hash__ = None\ndef add(a, b): return I(-7)",
    ),
    "lying_float": (
        "a subclass is its base value",
        "class F(float):\n    def __eq__(self, o): return True\n    def __sub__(self, o): return 0\n    __hash__ = None\ndef add(a, b): return F(-7)",
    ),
    "lying_metaclass": (
        "a class's __eq__ is never asked",
        "class M(type):\n    def __eq__(c, o): return True\n    __hash__ = None\nclass A(metaclass=M): pass\ndef add(a, b): return A",
    ),
    "lying_getattr": (
        "attribute magic gives no equality",
        "class G:\n    def __getattr__(self, n): return lambda *a: True\ndef add(a, b): return G()",
    ),
    "lying_class_of": (
        "__class__ is not believed",
        "class C:\n    __class__ = int\n    def __eq__(s, o): return True\n    __hash__ = None\ndef add(a, b): return C()",
    ),
    "mock_any": (
        "mock.ANY equals nothing",
        "from unittest import mock\ndef add(a, b): return mock.ANY",
    ),
    # --- the judge's tools patched
    "patched_builtins": (
        "the judge has builtins of its own",
        "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = Exception\nbuiltins.bool = lambda x: True\ndef add(a, b): return None",
    ),
    "patched_math": (
        "the judge has a math module of its own",
        "import math\nmath.isclose = lambda *a, **k: True\ndef add(a, b): return None",
    ),
    "own_check": (
        "the test is not in the program's namespace",
        "def check(candidate): return True\ndef add(a, b): return None",
    ),
    "patched_main_check": (
        "there is no check to patch",
        "import sys\nsys.modules['__main__'].check = lambda c: None\ndef add(a, b): return None",
    ),
    "settrace_swap": (
        "tracing sees no test",
        "import sys\ndef t(frame, event, arg):\n    for n in list(frame.f_globals):\n        if n == 'check': frame.f_globals[n] = lambda c: None\n    return t\nsys.settrace(t)\ndef add(a, b): return None",
    ),
    "patched_encoder": (
        "forging one's own answers is no more than answering",
        "import codealign.sandbox.guest as g\ng.answer = lambda r, h: [r[0], 'value', True]\ndef add(a, b): return None",
    ),
    # --- snooping for the expected values
    "frames": (
        "no caller's frame holds the test",
        """
        import sys
        def add(a, b):
            frame = sys._getframe()
            while frame:
                for values in (frame.f_locals, frame.f_globals, frame.f_code.co_consts):
                    items = values.values() if isinstance(values, dict) else values
                    for v in items:
                        if v == [3, 0, 123]: return v[{(1, 2): 0, (-1, 1): 1}.get((a, b), 2)]
                frame = frame.f_back
        """,
    ),
    "gc_snoop": (
        "no object of the process holds the test",
        """
        import gc
        def add(a, b):
            for o in gc.get_objects():
                if type(o) is dict and 'SECRET_ANSWERS' in o:
                    return o['SECRET_ANSWERS'][{(1, 2): 0, (-1, 1): 1}.get((a, b), 2)]
        """,
    ),
    "proc_memory": (
        "there is no /proc",
        """
        def add(a, b):
            with open('/proc/self/mem', 'rb') as f: return len(f.read(1)) and 0
        """,
    ),
    "parent_memory": (
        "process_vm_readv is a violation",
        "import ctypes\ndef add(a, b): return ctypes.CDLL(None).process_vm_readv(1, 0, 0, 0, 0, 0)",
    ),
    "read_test_files": (
        "no test file is in reach",
        """
        import os
        def add(a, b):
            for top, _, files in os.walk('/'):
                for name in files:
                    if 'HumanEval' in name or name == 'test_sandbox_attacks.py': return a + b
        """,
    ),
    "environment": (
        "the environment says nothing of the caller",
        "import os\ndef add(a, b): return a + b if any('CODEALIGN' in k or 'TOKEN' in k for k in os.environ) else None",
    ),
    # --- the result channel
    "write_every_fd": (
        "bytes on a descriptor are not a result",
        """
        import os
        for fd in range(0, 64):
            try: os.write(fd, b'{"passed": true}')
            except OSError: pass
        def add(a, b): return None
        """,
    ),
    "frames_ahead": (
        "an answer nobody asked for is a violation",
        """
        import os, json
        frame = json.dumps([0, "value", 3]).encode()
        for fd in range(3, 64):
            try: os.write(fd, (len(frame).to_bytes(4, 'big') + frame) * 3)
            except OSError: pass
        def add(a, b): return None
        """,
    ),
    "ready_twice": (
        "a second `ready` is a violation",
        """
        import os, json
        frame = json.dumps(["ready", {"add": {"T": "bool"}}]).encode()
        os.write(3, len(frame).to_bytes(4, 'big') + frame)
        def add(a, b): return None
        """,
    ),
    "huge_frame": (
        "a frame above the cap is refused",
        "import os\nos.write(3, b'\\xff\\xff\\xff\\xff')\ndef add(a, b): return None",
    ),
    "deep_frame": (
        "deep nesting does not hurt the judge",
        "import os\nd = b'[' * 200000 + b']' * 200000\nos.write(3, len(d).to_bytes(4, 'big') + d)\ndef add(a, b): return None",
    ),
    "not_json": (
        "bytes that are no JSON are a violation",
        "import os\nos.write(3, b'\\0\\0\\0\\4\\xff\\xfe{[')\ndef add(a, b): return None",
    ),
    "print_passed": (
        "output is not a verdict",
        "print('passed'); print('OK'); print('{\"passed\": true}')\ndef add(a, b): return None",
    ),
    "hijack_socket": (
        "a program that answers for the guest still has to be right",
        """
        import os, json
        while True:
            data = os.read(3, 65536)
            if not data: break
            nonce = json.loads(data[4:])[0] if data[4:5] == b'[' else 0
            reply = json.dumps([nonce, "value", 3]).encode()
            os.write(3, len(reply).to_bytes(4, 'big') + reply)
        """,
    ),
    "pickle_bomb": (
        "nothing is unpickled",
        "import os\nclass P:\n    def __reduce__(self): return (os.system, ('touch {marker}',))\ndef add(a, b): return P()",
    ),
    "hostile_str": (
        "an exception's __str__ runs in the cell",
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)\ndef add(a, b): raise E",
    ),
    # --- time, memory, output, processes
    "busy_loop": ("CPU time ends it", "def add(a, b):\n    while True: pass"),
    "swallowed_alarm": (
        "no exception is needed to end it",
        "def add(a, b):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    ),
    "ignored_signals": (
        "ignoring signals does not help",
        "import signal\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\ndef add(a, b):\n    while True: pass",
    ),
    "c_loop": (
        "a loop in C is ended too",
        "import itertools\ndef add(a, b): return sum(map(len, itertools.product(range(3), repeat=40)))",
    ),
    "sleep": (
        "wall time ends what does not compute",
        "import time\ndef add(a, b): time.sleep(3600)",
    ),
    "regex": (
        "a runaway pattern is ended",
        "import re\ndef add(a, b): return re.match('(a+)+$', 'a' * 40 + 'b')",
    ),
    "memory": ("memory is limited", "def add(a, b): return len(bytearray(10**10))"),
    "memory_by_children": (
        "memory over children is limited",
        """
        import os, time
        def add(a, b):
            for _ in range(8):
                if os.fork() == 0:
                    block = bytearray(64 << 20)
                    for i in range(0, len(block), 4096): block[i] = 1
                    time.sleep(30)
                    os._exit(0)
            time.sleep(30)
            return None
        """,
    ),
    "fork_bomb": (
        "processes are limited and die with the program",
        "import os\ndef add(a, b):\n    while True:\n        try: os.fork()\n        except OSError: pass",
    ),
    "thread_bomb": (
        "threads are limited",
        "import threading, time\ndef add(a, b):\n    while True:\n        threading.Thread(target=time.sleep, args=(60,)).start()",
    ),
    "output_flood": (
        "output is limited",
        "def add(a, b):\n    while True: print('x' * 100000)",
    ),
    "huge_answer": ("an answer is limited", "def add(a, b): return 'x' * (9 << 20)"),
    "endless_iterator": (
        "an iterator is not run to its end unasked",
        "import itertools\ndef add(a, b): return itertools.count()",
    ),
    "recursive_list": (
        "a list that holds itself is no number",
        "def add(a, b):\n    l = []\n    l.append(l)\n    return l",
    ),
    "deep_source": ("nested source breaks nothing", "x = " + "(" * 5000 + ")" * 5000),
    "long_source_chain": ("a long chain in the source breaks nothing", "x = 1" + "+1" * 100000),
    "segfault": ("a crash is a crash", "import ctypes\ndef add(a, b): ctypes.string_at(0)"),
    "abort": ("a crash is a crash", "import os\ndef add(a, b): os.abort()"),
    "kill_everything": (
        "signals reach only its own processes",
        "import os, signal\ndef add(a, b):\n    os.kill(-1, signal.SIGKILL)\n    os.kill({pid}, signal.SIGKILL)",
    ),
    "disk": (
        "scratch space is limited",
        "def add(a, b):\n    for n in range(1000):\n        with open(f'/tmp/{n}', 'wb') as f: f.write(bytes(1 << 20))",
    ),
    # --- the host
    "write_outside": (
        "nothing outside can be written",
        "def add(a, b):\n    open('{marker}', 'w').write('x')",
    ),
    "chroot_out": (
        "chroot is a violation",
        "import os\ndef add(a, b):\n    os.chroot('/tmp')",
    ),
    "shell": (
        "there is nothing to execute",
        "import os\ndef add(a, b): return os.system('touch {marker}') or None",
    ),
    "subprocess_python": (
        "there is no Python to start",
        "import subprocess, sys\ndef add(a, b): subprocess.run([sys.executable, '-c', 'open(\"{marker}\", \"w\")'], check=True)",
    ),
    "network": (
        "there is no network",
        "import socket\ndef add(a, b): socket.create_connection(('127.0.0.1', 22), timeout=1)",
    ),
    "dns": (
        "there are no names",
        "import socket\ndef add(a, b): return socket.gethostbyname('example.com')",
    ),
    "passwd": ("there is no /etc", "def add(a, b): return len(open('/etc/passwd').read())"),
    "home": (
        "there is no home",
        "import os\ndef add(a, b): return a + b if os.listdir('/root') != ['.pyenv'] and os.path.exists('/root/.bashrc') else None",
    ),
    "ptrace": (
        "ptrace is a violation",
        "import ctypes\ndef add(a, b): return ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
    ),
    "user_namespace": (
        "a user namespace is a violation",
        "import ctypes\ndef add(a, b): return ctypes.CDLL(None).unshare(0x10000000)",
    ),
    "keyring": (
        "keyrings are a violation",
        "import ctypes\ndef add(a, b): return ctypes.CDLL(None).syscall(250, 0, 0, 0, 0, 0)",
    ),
    "remount": (
        "mounts are the zygote's",
        "import ctypes\ndef add(a, b): return ctypes.CDLL(None).mount(b'tmpfs', b'/tmp', b'tmpfs', 0, None)",
    ),
    "no_entry_point": ("an undefined entry point is no pass", "def subtract(a, b): return a - b"),
    "entry_point_is_true": ("a value that can't be called is no pass", "add = True"),
    "nul_byte": ("source that is no Python is no pass", "def add(a, b): return a + b\0"),
}

VIOLATIONS = {
    "parent_memory",
    "frames_ahead",
    "ready_twice",
    "huge_frame",
    "deep_frame",
    "not_json",
    "chroot_out",
    "ptrace",
    "user_namespace",
    "keyring",
}

HONEST: dict[str, str] = {
    "plain": "def add(a, b): return a + b",
    "lambda": "add = lambda a, b: a + b",
    "partial": "import functools, operator\nadd = functools.partial(operator.add)",
    "builtin": "from operator import add",
    "callable_object": "class Add:\n    def __call__(self, a, b): return a + b\nadd = Add()",
    "class_method": "class S:\n    @staticmethod\n    def add(a, b): return a + b\nadd = S.add",
    "solution_class": "class Solution:\n    def add(self, a, b): return a + b",
    "decorated": "import functools\n@functools.lru_cache(maxsize=None)\ndef add(a, b): return a + b",
    "recursion": "def add(a, b): return a if b == 0 else add(a + 1, b - 1) if b > 0 else add(a - 1, b + 1)",
    "deep_recursion": "import sys\nsys.setrecursionlimit(100000)\ndef down(n): return 0 if n == 0 else down(n - 1)\ndef add(a, b): return down(20000) + a + b",
    "generator": "def gen(a, b):\n    yield a\n    yield b\ndef add(a, b): return sum(gen(a, b))",
    "int_subclass": "class I(int): pass\ndef add(a, b): return I(a + b)",
    "int_enum": "import enum\nE = enum.IntEnum('E', {'three': 3, 'zero': 0, 'many': 123})\ndef add(a, b): return E(a + b)",
    "float_answer": "def add(a, b): return float(a + b)",
    "fraction": "from fractions import Fraction\ndef add(a, b): return Fraction(a) + Fraction(b)",
    "decimal": "from decimal import Decimal\ndef add(a, b): return Decimal(a) + Decimal(b)",
    "complex": "def add(a, b): return complex(a, 0) + b",
    "big_numbers": "def add(a, b): return (a + 10**5000 + b) - 10**5000",
    "tempfile": """
        import tempfile, os
        def add(a, b):
            with tempfile.TemporaryDirectory() as d:
                path = os.path.join(d, 'x')
                open(path, 'w').write(f'{a} {b}')
                return sum(map(int, open(path).read().split()))
        """,
    "relative_file": "def add(a, b):\n    open('x.txt', 'w').write(str(a + b))\n    return int(open('x.txt').read())",
    "dataclass": """
        from __future__ import annotations
        from dataclasses import dataclass, field
        @dataclass(order=True)
        class Pair:
            a: int
            b: int
            more: list[int] = field(default_factory=list)
        def add(a, b): return Pair(a, b).a + Pair(a, b).b
        """,
    "namedtuple": "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    b: int\ndef add(a, b): return sum(P(a, b))",
    "threads": """
        import threading
        def add(a, b):
            out = []
            ts = [threading.Thread(target=out.append, args=(x,)) for x in (a, b)]
            [t.start() for t in ts]; [t.join() for t in ts]
            return sum(out)
        """,
    "thread_pool": "from concurrent.futures import ThreadPoolExecutor\ndef add(a, b):\n    with ThreadPoolExecutor(2) as p: return sum(p.map(int, (a, b)))",
    "multiprocessing": "import multiprocessing\ndef ident(x): return x\ndef add(a, b):\n    with multiprocessing.get_context('fork').Pool(2) as p: return sum(p.map(ident, [a, b]))",
    "fork_and_pipe": """
        import os
        def add(a, b):
            r, w = os.pipe()
            if os.fork() == 0:
                os.write(w, str(a + b).encode()); os._exit(0)
            os.wait()
            return int(os.read(r, 100))
        """,
    "asyncio": "import asyncio\nasync def go(a, b):\n    await asyncio.sleep(0)\n    return a + b\ndef add(a, b): return asyncio.run(go(a, b))",
    "exit_in_a_string": "TEXT = 'exit(0); sys.exit(0); os._exit(0); __import__'\ndef add(a, b):\n    'exit( 0 )'\n    return a + b",
    "prints": "def add(a, b):\n    print('working', a, b)\n    return a + b",
    "prints_much": "def add(a, b):\n    print('x' * 200000)\n    return a + b",
    "unicode": "# -*- coding: utf-8 -*-\ndef añadir(é, ß): return é + ß  # ✓ 加\nadd = añadir",
    "byte_order_mark": "\ufeffdef add(a, b): return a + b",
    "windows_newlines": "def add(a, b):\r\n    return a + b\r\n",
    "main_guard": "def add(a, b): return a + b\nif __name__ == '__main__':\n    raise SystemExit(1)",
    "own_exceptions": "class Oops(Exception): pass\ndef add(a, b):\n    try: raise Oops\n    except Oops: return a + b",
    "redefines_builtins": "sum = list = len = None\ndef add(a, b): return a + b",
    "shadows_check": "def check(x): return False\ncandidate = None\ndef add(a, b): return a + b",
    "patches_print": "import builtins\nbuiltins.print = lambda *a: None\ndef add(a, b):\n    print(a)\n    return a + b",
    "redirects_stdout": "import io, sys, contextlib\ndef add(a, b):\n    with contextlib.redirect_stdout(io.StringIO()) as f: print(a + b)\n    return int(f.getvalue())",
    "closes_stdout": "import sys\ndef add(a, b):\n    if sys.stdout: sys.stdout.close()\n    sys.stdout = None\n    return a + b",
    "random": "import random\ndef add(a, b):\n    random.seed(1)\n    random.random()\n    return a + b",
    "pickles_itself": "import pickle\nclass P:\n    def __init__(self, n): self.n = n\ndef add(a, b): return pickle.loads(pickle.dumps(P(a))).n + b",
    "signal_handler": "import signal\ndef add(a, b):\n    signal.signal(signal.SIGALRM, lambda *x: None)\n    signal.alarm(1)\n    signal.alarm(0)\n    return a + b",
    "many_imports": "import json, re, math, string, collections, itertools, heapq, bisect, statistics, datetime, hashlib, copy, typing, queue, textwrap, uuid\ndef add(a, b): return a + b",
    "exec_inside": "scope = {}\nexec('def f(a, b): return a + b', scope)\nadd = scope['f']",
    "getcwd_listdir": "import os\ndef add(a, b):\n    os.getcwd(); os.listdir('.'); os.mkdir('d'); os.rmdir('d')\n    return a + b",
    "star_import": "from math import *\nfrom itertools import *\ndef add(a, b): return a + b",
    "uses_half_a_second": "import time\ndef add(a, b):\n    end = time.process_time() + 0.15\n    while time.process_time() < end: pass\n    return a + b",
    "sleeps_a_little": "import time\ndef add(a, b):\n    time.sleep(0.1)\n    return a + b",
    "forty_megabytes": "def add(a, b):\n    return len(bytearray(40 << 20)) * 0 + a + b",
    "stdin_is_empty": "import sys\ndef add(a, b): return a + b + len(sys.stdin.read())",
    "atexit_hook": "import atexit\natexit.register(print, 'bye')\ndef add(a, b): return a + b",
    "gc_and_weakref": "import gc, weakref\ndef add(a, b):\n    gc.collect(); gc.disable()\n    return a + b",
    "logging": "import logging\nlogging.basicConfig(level=logging.DEBUG)\ndef add(a, b):\n    logging.info('adding')\n    return a + b",
}


def _program(source: str, marker: Path | str = "/nowhere") -> str:
    text = textwrap.dedent(source)
    return text.replace("{marker}", str(marker)).replace("{pid}", str(os.getpid()))


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("outside")
    directory.chmod(0o777)
    return directory / "marker"


@pytest.fixture(scope="module")
def verdicts(marker: Path) -> dict[str, Verdict]:
    """Every program judged once, in one pool, attacks and honest ones in turn."""
    config = JudgeConfig(
        engine=LocalJudge(workers=2),
        limits=LimitsConfig(cpu_s=1.0, wall_s=4.0, memory_bytes=128 * 2**20),
    )
    programs = {name: source for name, (_, source) in ATTACKS.items()} | HONEST
    with Judge(config) as judge:
        if judge.isolation not in ("S3", "S2"):
            pytest.skip(f"this machine gives {judge.isolation}: {judge.reasons}")
        candidates = [Candidate(ADD, _program(source, marker)) for source in programs.values()]
        return dict(zip(programs, judge.verdicts(candidates), strict=True))


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_does_not_pass(name: str, verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts[name]
    assert not verdict.passed, f"{ATTACKS[name][0]}: {verdict}"
    # Ours would hide theirs: an attack must be judged, not make the judge give up.
    assert verdict.outcome not in ("passed", "not_judged"), verdict


@pytest.mark.parametrize("name", sorted(VIOLATIONS))
def test_attack_on_the_kernel_or_the_channel_is_a_violation(
    name: str, verdicts: dict[str, Verdict]
) -> None:
    assert verdicts[name].outcome == "violation", verdicts[name]


@pytest.mark.parametrize(
    ("name", "outcome", "detail"),
    [
        ("busy_loop", "timeout", "cpu"),
        ("c_loop", "timeout", "cpu"),
        ("sleep", "timeout", "wall"),
        ("memory", "memory", "MemoryError"),
        ("output_flood", "output_limit", ""),
        ("os_exit_in_call", "runtime_error", "exit"),
        ("exit_in_call", "runtime_error", "exit"),
        ("segfault", "runtime_error", "signal"),
        ("hostile_str", "runtime_error", "E"),
        ("no_entry_point", "syntax_error", "no_entry_point"),
        ("deep_source", "syntax_error", ""),
        ("nul_byte", "syntax_error", ""),
        ("lying_eq", "failed", ""),
    ],
)
def test_outcome_says_what_happened(
    name: str, outcome: str, detail: str, verdicts: dict[str, Verdict]
) -> None:
    assert (verdicts[name].outcome, verdicts[name].detail) == (outcome, detail), verdicts[name]


@pytest.mark.parametrize("name", HONEST)
def test_honest_program_passes(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].passed, verdicts[name]


def test_no_attack_wrote_outside(marker: Path, verdicts: dict[str, Verdict]) -> None:
    assert verdicts
    assert not marker.exists()


# --- weak spots of tests, and of the judge that runs them -----------------------------------------------

# A StopIteration ends `map` and `zip` without a sound: what is compared then is nothing, and all of it right.
SILENT_ENDS = {
    "all_of_a_map": "assert all(map(lambda x: candidate(x) == x + 1, [1, 2, 3]))",
    "zip_of_a_map": "assert all(a == b for a, b in zip(map(candidate, [1, 2]), [2, 3]))",
    "loop_over_a_map": "for x in map(candidate, [1, 2, 3]):\n        assert x > 5",
    "none_of_a_map": "assert not any(map(lambda x: candidate(x) != x + 1, [1, 2, 3]))",
}


@pytest.fixture(scope="module")
def one_by_one() -> Iterator[Judge]:
    limits = LimitsConfig(cpu_s=1.0, wall_s=4.0, memory_bytes=128 * 2**20)
    with Judge(JudgeConfig(engine=LocalJudge(workers=1), limits=limits, cache=False)) as judge:
        if judge.isolation not in ("S3", "S2"):
            pytest.skip(f"this machine gives {judge.isolation}: {judge.reasons}")
        yield judge


def verdict_under(judge: Judge, body: str, program: str) -> Verdict:
    tests = CheckTests(source=f"def check(candidate):\n    {body}\n")
    problem = Problem(task_id="attack/test", prompt="", entry_point="f", tests=tests)
    return next(judge.verdicts([Candidate(problem, program)]))


@pytest.mark.parametrize("name", SILENT_ENDS)
@pytest.mark.parametrize(
    "program",
    [
        "def f(x): raise StopIteration",
        "f = iter([]).__next__",
        "class Quiet(StopIteration): pass\ndef f(x): raise Quiet",
    ],
)
def test_a_stop_iteration_does_not_end_a_test_well(
    name: str, program: str, one_by_one: Judge
) -> None:
    verdict = verdict_under(one_by_one, SILENT_ENDS[name], program)
    assert verdict.outcome in ("runtime_error", "failed", "syntax_error"), verdict


def test_a_lone_surrogate_in_a_message_can_be_written_and_read(
    one_by_one: Judge, tmp_path: Path
) -> None:
    program = "def f(x):\n    raise ValueError('\\ud800')"
    verdict = verdict_under(one_by_one, "assert candidate(1) == 2", program)
    path = tmp_path / "verdicts.jsonl"
    write_records(path, [verdict])
    assert next(read_records(Verdict, path)) == verdict


def test_numbers_that_hash_alike_are_refused_however_many_others_there_are(
    one_by_one: Judge,
) -> None:
    # 40,000 of one hash would be 8 x 10^8 comparisons in C, which nothing interrupts: a quarter of a minute.
    program = (
        "import os, sys\n"
        "from codealign.sandbox import frames\n"
        "twins = [n * (2**61 - 1) for n in range(1, 40_000)] + list(range(40_000))\n"
        "def send(fd, reply):\n"
        "    reply[2] = {'s': twins}\n"
        "    frames.write(fd, frames.pack(reply))\n"
        "def f(x):\n"
        "    frames.send = send\n"
        "    return 1\n"
    )
    since = time.monotonic()
    verdict = verdict_under(one_by_one, "assert candidate(1) == 2", program)
    assert verdict.outcome == "violation", verdict
    assert time.monotonic() - since < 10


def test_a_program_too_large_to_send_does_not_compile(one_by_one: Judge) -> None:
    program = "# " + "x" * 9_000_000 + "\nprint(2)\ndef f(x): return x + 1\n"
    check = CheckTests(source="def check(candidate):\n    assert candidate(1) == 2\n")
    columns = {"task_id": "attack/size", "prompt": "", "entry_point": "f"}
    problems = [
        Problem(tests=check, **columns),
        Problem(tests=check, trusted=False, **columns),
        Problem(tests=StdioTests(inputs=["1"], outputs=["2"]), **columns),
    ]
    for verdict in one_by_one.verdicts(Candidate(problem, program) for problem in problems):
        assert verdict.outcome == "syntax_error", verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "program"),
    [
        ("assert sum(candidate(1)) == 3", "def f(x): return range(10**18)"),
        (
            "assert set(candidate(1)) == {3}",
            "def f(x): return [n * (2**61 - 1) for n in range(1, 100_000)]",
        ),
    ],
)
def test_an_answer_that_keeps_the_tests_busy_in_c_is_a_timeout_and_no_more(
    body: str, program: str, one_by_one: Judge
) -> None:
    # The judge's process is ended after 20 + 5 s of its CPU time, and a new one goes on: judged once, not twice.
    verdict = verdict_under(one_by_one, body, program)
    assert (verdict.outcome, verdict.detail) == ("timeout", "judge"), verdict
    assert verdict_under(one_by_one, "assert candidate(1) == 2", "def f(x): return x + 1").passed
