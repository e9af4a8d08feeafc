# task: primes_below
# unusual: leaves a trace function, a profile function and an audit hook on while the tests run
import sys

events = {}


def tracer(frame, event, argument):
    events[event] = events.get(event, 0) + 1
    return tracer


def primes_below(limit):
    return [n for n in range(2, limit) if all(n % d for d in range(2, n))]


sys.addaudithook(lambda event, arguments: events.setdefault(event, arguments and 1))
sys.setprofile(lambda frame, event, argument: None)
sys.settrace(tracer)
