# task: add
# unusual: forks while it is being imported; the child leaves by sys.exit after its exit hooks
import atexit
import os
import sys

reader, writer = os.pipe()
if os.fork() == 0:
    atexit.register(os.write, writer, b"bye")
    sys.exit(0)
os.wait()
BYE = os.read(reader, 10)


def add(a, b):
    assert BYE == b"bye"
    return a + b
