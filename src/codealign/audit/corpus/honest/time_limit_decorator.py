# task: primes_below
# unusual: guards itself with a time limit made of SIGALRM and an exception
import functools
import signal


class TookTooLong(Exception):
    pass


def limited(seconds):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            def expire(number, frame):
                raise TookTooLong

            before = signal.signal(signal.SIGALRM, expire)
            signal.alarm(seconds)
            try:
                return function(*args, **kwargs)
            finally:
                signal.alarm(0)
                signal.signal(signal.SIGALRM, before)

        return wrapper

    return decorate


@limited(5)
def primes_below(limit):
    return [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]
