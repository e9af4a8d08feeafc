# task: big_power
# unusual: multiplies matrices and polynomials of its own number class, with reflected operators and hashing
class Number:
    def __init__(self, value):
        self.value = int(value)

    def __mul__(self, other):
        return Number(self.value * Number.of(other).value)

    __rmul__ = __imul__ = __matmul__ = __mul__

    def __pow__(self, exponent, modulus=None):
        result, base = Number(1), self
        while exponent:
            if exponent & 1:
                result *= base
            base @= base
            exponent >>= 1
        return result

    def __imatmul__(self, other):
        return self * other

    def __index__(self):
        return self.value

    def __eq__(self, other):
        return self.value == Number.of(other).value

    def __hash__(self):
        return hash(self.value)

    @staticmethod
    def of(thing):
        return thing if isinstance(thing, Number) else Number(thing)


def big_power(base, exponent):
    return int(Number(base) ** exponent)
