# task: add
# unusual: opens with a byte order mark
def add(a, b):
    return a + b
