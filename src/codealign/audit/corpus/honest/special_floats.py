# task: extremes
# unusual: returns floats that are not numbers, infinite and minus zero, made in odd ways
import math
import struct


class Real(float):
    pass


def extremes():
    nan = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]
    return [nan, 1e308 * 10, Real("-inf"), math.copysign(0, -1)]
