# task: add
# tries: a process that lives on after the verdict
# harm: process
import ctypes
import os
import time


def add(a, b):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        ctypes.CDLL(None).prctl(15, b"@NAME@")
        os.closerange(0, 64)
        time.sleep(60)
        os._exit(0)
    return None
