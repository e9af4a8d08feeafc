# task: add
# unusual: recurses 15,000 deep through functools.lru_cache and through sort keys, which use the C stack
import functools
import sys

sys.setrecursionlimit(10**6)


@functools.lru_cache(maxsize=None)
def climb(n):
    return 0 if n == 0 else 1 + climb(n - 1)


def nested(n):
    return 0 if n == 0 else 1 + max([n - 1], key=lambda m: 0) * 0 + sum(map(nested, [n - 1]))


def add(a, b):
    assert climb(15_000) == 15_000
    assert nested(5_000) == 5_000
    return a + b
