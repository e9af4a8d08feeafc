# task: add
# unusual: runs into RecursionError and MemoryError on purpose and goes on


def fall(n):
    return fall(n + 1)


def add(a, b):
    try:
        fall(0)
    except RecursionError:
        pass
    try:
        [0] * 10**12
    except MemoryError:
        pass
    return a + b
