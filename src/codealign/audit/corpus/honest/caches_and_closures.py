# task: primes_below
# unusual: closures over loops, nonlocal, lru_cache, cached_property, comprehension scopes, star expressions
import functools


class Sieve:
    def __init__(self, limit):
        self.limit = limit

    @functools.cached_property
    def primes(self):
        return [*filter(self.is_prime, range(2, self.limit))]

    @staticmethod
    @functools.cache
    def is_prime(n):
        return not any(n % d == 0 for d in range(2, n))


def primes_below(limit):
    count = 0

    def counted():
        nonlocal count
        count += 1
        return count

    makers = [lambda n=n: n + counted() * 0 for n in Sieve(limit).primes]
    return [make() for make in makers]
