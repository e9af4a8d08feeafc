# task: add
# tries: never coming to an end
def add(a, b):
    while True:
        pass
