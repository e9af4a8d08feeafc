# task: primes_below
# unusual: uses 0.8 s of CPU time before it answers
import time

began = time.process_time()
while time.process_time() - began < 0.8:
    sum(range(1000))


def primes_below(limit):
    return [n for n in range(2, limit) if all(n % d for d in range(2, n))]
