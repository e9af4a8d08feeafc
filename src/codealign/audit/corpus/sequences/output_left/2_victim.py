# task: add
# tries: prints 2 MB of its own
def add(a, b):
    for _ in range(500):
        print("x" * 1000)
    return a + b
