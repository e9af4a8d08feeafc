# task: add
# unusual: has 24 threads at once, each asleep for a moment
from concurrent.futures import ThreadPoolExecutor
import time


def add(a, b):
    with ThreadPoolExecutor(max_workers=24) as pool:
        parts = list(pool.map(lambda n: (time.sleep(0.01), n)[1], [a, b] + [0] * 46))
    return sum(parts)
