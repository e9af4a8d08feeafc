# task: sort_list
# unusual: sorts by a random algorithm, seeded from the clock and from the system
import os
import random
import time

random.seed(time.time_ns() ^ int.from_bytes(os.urandom(8), "big"))


def sort_list(items):
    if len(items) < 2:
        return list(items)
    pivot = random.choice(items)
    smaller = [item for item in items if item < pivot]
    equal = [item for item in items if item == pivot]
    larger = [item for item in items if item > pivot]
    return sort_list(smaller) + equal + sort_list(larger)
