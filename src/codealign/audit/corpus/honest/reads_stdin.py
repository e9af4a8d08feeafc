# task: add
# unusual: asks for input that is not there
import os
import sys


def add(a, b):
    try:
        name = input("name? ")
    except EOFError:
        name = ""
    assert sys.stdin.read() == "" and sys.stdin.readline() == "" and list(sys.stdin) == []
    assert os.read(0, 10) == b"" and not sys.stdin.isatty()
    return a + b + len(name)
