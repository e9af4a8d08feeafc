# task: add
# tries: needs twenty threads and four processes at once
import os
import threading
import time


def add(a, b):
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.02)
            os._exit(0)
        children.append(pid)
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    return a + b
