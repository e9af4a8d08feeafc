# task: add
# tries: a memory limit that a program may raise for itself
# harm: reached
import functools
import resource

for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        pass


@functools.cache
def take():
    block = bytearray(640 << 20)
    for place in range(0, len(block), 4096):
        block[place] = 1
    return True


def add(a, b):
    return a + b if take() else None
