# task: add
# tries: a processor limit that a program may raise for itself
# harm: reached
import resource
import time

for kind in (resource.RLIMIT_CPU, resource.RLIMIT_NPROC):
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        pass


def add(a, b):
    end = time.process_time() + 15
    while time.process_time() < end:
        pass
    return a + b
