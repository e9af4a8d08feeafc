# task: add
# unusual: recurses 20,000 calls deep in pure Python
import sys

sys.setrecursionlimit(10**6)


def climb(n):
    return 0 if n == 0 else 1 + climb(n - 1)


def add(a, b):
    assert climb(20_000) == 20_000
    return a + b
