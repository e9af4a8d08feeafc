# task: add
# unusual: leaves a child process asleep and a pool of threads waiting
import multiprocessing
import os
import threading
import time

multiprocessing.Process(target=time.sleep, args=(20,), daemon=True).start()
if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def add(a, b):
    return a + b
