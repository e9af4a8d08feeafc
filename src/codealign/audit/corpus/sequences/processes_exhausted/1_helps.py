# task: add
# tries: makes as many processes and threads as it can, up to forty of each, and leaves them in sessions of their own
import os
import threading
import time

for _ in range(40):
    try:
        if os.fork() == 0:
            os.setsid()
            time.sleep(3)
            os._exit(0)
    except OSError:
        break
for _ in range(40):
    try:
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
    except RuntimeError:
        break


def add(a, b):
    return None
