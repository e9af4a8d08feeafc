# task: add
# tries: never coming to an end before the first call
while True:
    pass
