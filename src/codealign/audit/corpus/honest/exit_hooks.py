# task: add
# unusual: registers exit hooks, finalizers, weak references and destructors that print
import atexit
import gc
import weakref

atexit.register(print, "bye")


class Thing:
    def __init__(self):
        self.me = self

    def __del__(self):
        print("a thing goes", len(gone))


gone = []
things = [Thing() for _ in range(3)]
weakref.finalize(things[0], gone.append, 1)
table = weakref.WeakValueDictionary({n: thing for n, thing in enumerate(things)})
cache = weakref.WeakKeyDictionary({things[1]: 1})


def add(a, b):
    things.clear()
    gc.collect()
    assert gone == [1] and len(table) == 0 and len(cache) == 0
    gc.disable()
    gc.freeze()
    gc.set_threshold(0)
    return a + b
