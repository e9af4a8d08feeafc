# task: countdown
# unusual: a chain of lazy iterators, endless at its source
import itertools


def countdown(start):
    numbers = itertools.takewhile(lambda n: n > 0, itertools.count(start, -1))
    first, second = itertools.tee(numbers)
    return (a for a, b in zip(first, second, strict=True) if a == b)
