# task: add
# tries: leaves processes and threads that burn every core for three seconds
import os
import threading
import time


def burn():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        pass


for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        burn()
        os._exit(0)
for _ in range(3):
    threading.Thread(target=burn, daemon=True).start()


def add(a, b):
    return None
