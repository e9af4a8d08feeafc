# task: countdown
# tries: a generator that has no end
import itertools


def countdown(start):
    return itertools.count(start)
