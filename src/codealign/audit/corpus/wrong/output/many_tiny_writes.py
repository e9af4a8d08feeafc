# task: add
# tries: a million writes of one byte
import os


def add(a, b):
    for _ in range(1000000):
        os.write(1, b"x")
    return None
