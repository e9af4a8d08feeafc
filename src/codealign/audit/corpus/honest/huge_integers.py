# task: big_power
# unusual: handles integers of 100,000 digits and prints them
import sys

sys.set_int_max_str_digits(200_000)
HUGE = 7**118_330
assert len(str(HUGE)) == 100_001 and HUGE.bit_length() > 332_000
print(HUGE)


def big_power(base, exponent):
    return pow(base, exponent) + HUGE - HUGE
