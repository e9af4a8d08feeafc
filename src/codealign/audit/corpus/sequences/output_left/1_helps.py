# task: add
# tries: leaves a child that goes on writing to standard output and holds the pipe
import os
import time

if os.fork() == 0:
    os.setsid()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            os.write(1, b"noise\n" * 100)
        except OSError:
            time.sleep(0.01)
    os._exit(0)


def add(a, b):
    return None
