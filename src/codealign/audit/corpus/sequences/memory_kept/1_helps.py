# task: add
# tries: leaves 200 MB behind: in a child, in memory files, in shared mappings and in scratch space
import mmap
import os
import time

kept = []
try:
    for _ in range(4):
        fd = os.memfd_create("kept")
        for _ in range(12):
            os.write(fd, bytes(2**20))
        kept.append(fd)
    view = mmap.mmap(-1, 40 * 2**20)
    view[:] = b"x" * len(view)
    with open("/dev/shm/codealign-kept", "wb") as file:
        file.write(bytes(12 * 2**20))
except OSError:
    pass
if os.fork() == 0:
    os.setsid()
    mine = bytearray(90 * 2**20)
    time.sleep(3)
    os._exit(0)
time.sleep(0.2)


def add(a, b):
    return None
