# task: flatten
# tries: memory by recursion without an end, handled each time it fails
import sys

sys.setrecursionlimit(10**9)
kept = []


def flatten(nested):
    kept.append([0] * 10000)
    try:
        return flatten(nested)
    except MemoryError:
        return kept
