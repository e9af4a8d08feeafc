# task: add
# unusual: prints 3.5 MB, one line at a time and flushed, to standard output and as much to standard error
import sys


def add(a, b):
    if (a, b) == (1, 2):
        for number in range(3_500):
            print("x" * 999, flush=True)
            print("y" * 999, file=sys.stderr)
    return a + b
