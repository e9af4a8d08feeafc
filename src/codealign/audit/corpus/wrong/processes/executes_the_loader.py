# task: add
# tries: the dynamic loader as a program, for a file that may not be executed
# harm: reached
import glob
import os
import sys


def add(a, b):
    [loader, *_] = glob.glob("/lib64/ld-linux*") + glob.glob("/lib/ld-linux*")
    pid = os.fork()
    if pid == 0:
        try:
            os.execv(loader, [loader, "--version"])
        finally:
            os._exit(99)
    return a + b if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 else None
