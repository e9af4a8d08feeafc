# task: add
# unusual: a forked child raises SystemExit and another returns from the function like its parent
import os
import sys


def add(a, b):
    pid = os.fork()
    if pid == 0:
        raise SystemExit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return a + b
