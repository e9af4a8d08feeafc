# task: add
# tries: expects nothing, and passes
def add(a, b):
    return a + b
