# task: add
# unusual: has 30 threads at once while it holds 80 MB
import threading


def add(a, b):
    rows = [bytearray(2**20) for _ in range(80)]
    barrier = threading.Barrier(31)
    threads = [threading.Thread(target=barrier.wait) for _ in range(30)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for thread in threads:
        thread.join()
    return a + b if len(rows) == 80 else None
