# task: add
# tries: more processor time than allowed, spread over children
# harm: reached
import os
import time


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def add(a, b):
    for _ in range(4):
        if os.fork() == 0:
            burn(5)
            os._exit(0)
    for _ in range(4):
        pid, status = os.wait()
        if status:
            return None
    return a + b
