# task: add
# unusual: threads that raise, that call sys.exit and that print while the tests run
import sys
import threading
import time


def noisy():
    for _ in range(200):
        print("tick", flush=True)
        time.sleep(0.0005)


def dies():
    raise RuntimeError("in a thread")


threading.Thread(target=noisy, daemon=True).start()
for target in (dies, sys.exit):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


def add(a, b):
    time.sleep(0.01)
    return a + b
