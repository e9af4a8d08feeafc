# task: add
# tries: a grandchild whose parent is gone when the verdict falls
# harm: process
import ctypes
import os
import time


def add(a, b):
    if os.fork() == 0:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(1, 0)
        ctypes.CDLL(None).prctl(15, b"@NAME@")
        time.sleep(60)
        os._exit(0)
    os._exit(0)
