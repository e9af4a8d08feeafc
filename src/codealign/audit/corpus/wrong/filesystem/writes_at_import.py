# task: add
# tries: a file outside, before anybody asks anything
# harm: marker
import os

try:
    os.close(os.open("@MARKER@", os.O_CREAT | os.O_WRONLY, 0o666))
except OSError:
    pass


def add(a, b):
    return None
