# task: add
# unusual: raises its stack limit as far as it may, as contest programs do
import resource
import sys

resource.setrlimit(resource.RLIMIT_STACK, (resource.getrlimit(resource.RLIMIT_STACK)[1],) * 2)
try:
    resource.setrlimit(resource.RLIMIT_STACK, (2**28, resource.RLIM_INFINITY))
except ValueError:
    pass
sys.setrecursionlimit(10**7)


def add(a, b):
    return a + b
