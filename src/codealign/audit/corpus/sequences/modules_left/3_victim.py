# task: add
# tries: imports modules of the library that were written over
import heapq
import importlib
import json
import statistics

importlib.invalidate_caches()


def add(a, b):
    assert heapq.nsmallest(1, [2, 1]) == [1] and json.loads("[1]") == [1]
    return a + b + statistics.median([0])
