# task: add
# tries: a process made when the last object goes
# harm: process
import ctypes
import os
import time


class Last:
    def __del__(self):
        if os.fork() == 0:
            os.setsid()
            ctypes.CDLL(None).prctl(15, b"@NAME@")
            time.sleep(60)
            os._exit(0)


KEPT = Last()


def add(a, b):
    global KEPT
    KEPT = None
    return None
