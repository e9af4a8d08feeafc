# task: add
# tries: a lock that nobody will release
import threading

lock = threading.Lock()
lock.acquire()


def add(a, b):
    with lock:
        return a + b
