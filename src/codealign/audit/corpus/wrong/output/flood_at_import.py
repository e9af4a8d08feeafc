# task: add
# tries: 20 MB of output before the first call
print("x" * (20 << 20))


def add(a, b):
    return None
