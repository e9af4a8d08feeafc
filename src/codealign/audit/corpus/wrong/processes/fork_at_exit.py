# task: add
# tries: a process made in the last moment, by an exit hook
# harm: process
import atexit
import ctypes
import os
import time


def stay():
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(15, b"@NAME@")
        time.sleep(60)
        os._exit(0)


atexit.register(stay)


def add(a, b):
    raise SystemExit(0)
