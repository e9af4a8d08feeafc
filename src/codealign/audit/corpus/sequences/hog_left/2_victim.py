# task: add
# tries: finishes in time what needs a tenth of a second of CPU time
import time


def add(a, b):
    began, wall = time.process_time(), time.monotonic()
    while time.process_time() - began < 0.02:
        pass
    return a + b
