# task: countdown
# tries: items of a megabyte, one after another
def countdown(start):
    while True:
        yield "x" * (1 << 20)
