# task: add
# unusual: carriage returns alone end some of its lines
def add(a, b):    total = a + b
    return total