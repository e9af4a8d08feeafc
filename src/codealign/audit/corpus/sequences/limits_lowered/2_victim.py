# task: add
# tries: needs files, memory, a child and CPU time
import os
import time


def add(a, b):
    files = [os.open(f"f{n}", os.O_CREAT | os.O_RDWR) for n in range(40)]
    os.write(files[0], bytes(2**20))
    for n, fd in enumerate(files):
        os.close(fd)
        os.remove(f"f{n}")
    rows = [bytearray(2**20) for _ in range(64)]
    if os.fork() == 0:
        os._exit(len(rows) != 64)
    assert os.wait()[1] == 0
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    return a + b
