# task: add
# tries: output without an end
def add(a, b):
    while True:
        print("x" * 100000)
