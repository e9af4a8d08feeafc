# task: big_power
# unusual: computes with Decimal contexts, fractions, complex numbers and statistics before it answers
import cmath
import decimal
import fractions
import math
import numbers
import random
import statistics
import sys

sys.set_int_max_str_digits(0)


def big_power(base, exponent):
    with decimal.localcontext() as context:
        context.prec = 2000
        context.traps[decimal.Inexact] = True
        exact = decimal.Decimal(base) ** exponent
    answer = int(fractions.Fraction(int(exact), 1))
    assert isinstance(answer, numbers.Integral) and math.isfinite(1.5) and len(str(7**20_000)) == 16_902
    assert statistics.stdev([1, 2, 3]) == 1 and abs(cmath.exp(1j * math.pi) + 1) < 1e-9
    assert statistics.NormalDist(0, 1).cdf(0) == 0.5 and math.comb(100, 50) > 2**96
    random.seed(5)
    first = random.random()
    random.seed(5)
    assert first == random.random() and random.SystemRandom().random() < 1
    assert sorted(random.sample(range(10), 10)) == list(range(10))
    return answer
