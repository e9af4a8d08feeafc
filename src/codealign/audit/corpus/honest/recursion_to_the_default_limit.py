# task: add
# unusual: recurses 990 calls deep under Python's default limit of 1000


def climb(n):
    return 0 if n == 0 else 1 + climb(n - 1)


def add(a, b):
    return a + b + climb(990) - 990
