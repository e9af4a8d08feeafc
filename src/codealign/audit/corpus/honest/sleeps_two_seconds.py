# task: add
# unusual: sleeps two seconds, which costs no CPU time
import time

time.sleep(2)


def add(a, b):
    return a + b
