# task: add
# unusual: measures itself with timeit, cProfile, tracemalloc, settrace and faulthandler
import cProfile
import faulthandler
import io
import pstats
import sys
import timeit
import tracemalloc

faulthandler.enable()
faulthandler.dump_traceback_later(60)
lines = []


def tracer(frame, event, argument):
    lines.append((frame.f_code.co_name, event))
    return tracer


def add(a, b):
    return a + b


assert timeit.timeit("add(1, 2)", setup="from __main__ import add", number=1000) > 0
assert timeit.timeit("add(1, 2)", globals=globals(), number=10) > 0
profile = cProfile.Profile()
profile.runcall(add, 1, 2)
text = io.StringIO()
pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats()
assert "add" in text.getvalue()
cProfile.run("add(1, 2)")
tracemalloc.start()
kept = [bytes(1000) for _ in range(100)]
assert tracemalloc.get_traced_memory()[0] > 100_000
tracemalloc.stop()
sys.settrace(tracer)
add(1, 2)
sys.settrace(None)
assert ("add", "call") in lines
faulthandler.cancel_dump_traceback_later()
