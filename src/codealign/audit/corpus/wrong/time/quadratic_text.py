# task: big_power
# tries: a number whose decimal text takes for ever
import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)


def big_power(base, exponent):
    return (1 << 20_000_000) + exponent
