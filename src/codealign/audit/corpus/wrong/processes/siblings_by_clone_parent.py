# task: add
# tries: children of the harness itself, made by a flag of clone
# harm: process
import ctypes
import os
import time

CLONE_PARENT, SIGCHLD = 0x8000, 17


def add(a, b):
    libc = ctypes.PyDLL(None)
    libc.syscall.restype = ctypes.c_long
    number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    pid = libc.syscall(number, ctypes.c_ulong(CLONE_PARENT | SIGCHLD), None, None, None, None)
    if pid == 0:
        libc.prctl(15, b"@NAME@")
        time.sleep(60)
        os._exit(0)
    return None
