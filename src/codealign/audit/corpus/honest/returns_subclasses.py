# task: word_counts
# unusual: returns a Counter whose keys are str subclasses and whose values are IntEnum members and bools
import collections
import enum


class Word(str):
    def __new__(cls, text):
        return super().__new__(cls, text)


class Count(enum.IntEnum):
    TWO = 2
    THREE = 3


def word_counts(text):
    counts = collections.Counter(map(Word, text.split()))
    return collections.Counter({word: {1: True, 2: Count.TWO, 3: Count.THREE}[count] for word, count in counts.items()})
