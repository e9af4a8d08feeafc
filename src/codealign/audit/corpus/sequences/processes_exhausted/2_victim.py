# task: add
# tries: needs twenty threads and four processes at once
import multiprocessing
import threading
import time


def add(a, b):
    with multiprocessing.Pool(4) as pool:
        parts = pool.map(abs, [a, b])
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parts == [abs(a), abs(b)]
    return a + b
