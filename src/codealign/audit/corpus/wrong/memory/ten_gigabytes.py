# task: add
# tries: one block larger than the limit
def add(a, b):
    return len(bytearray(10**10))
