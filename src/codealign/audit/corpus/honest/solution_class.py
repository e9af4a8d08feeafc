# task: primes_below
# unusual: the function is a method of a class Solution, as LeetCode wants it
from typing import *


class Solution:
    def primes_below(self, limit: int) -> List[int]:
        sieve = bytearray([1]) * max(limit, 2)
        sieve[:2] = b"\0\0"
        for n in range(2, int(limit**0.5) + 1):
            if sieve[n]:
                sieve[n * n :: n] = bytes(len(sieve[n * n :: n]))
        return [n for n in range(limit) if sieve[n]]
