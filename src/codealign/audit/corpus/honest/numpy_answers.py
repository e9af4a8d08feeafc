# task: split_even
# unusual: returns lists of numpy scalars
# needs: numpy
import numpy


def split_even(numbers):
    array = numpy.array(numbers, dtype=numpy.int64)
    return list(array[array % 2 == 0]), list(array[array % 2 != 0])
