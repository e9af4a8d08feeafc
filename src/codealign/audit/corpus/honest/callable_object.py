# task: add
# unusual: the entry point is an instance with __call__, wrapped in functools.partial and a decorator class
import functools


class Memo:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function, self.known = function, {}

    def __call__(self, *args):
        if args not in self.known:
            self.known[args] = self.function(*args)
        return self.known[args]


class Adder:
    def __call__(self, scale, a, b):
        return scale * (a + b)


add = Memo(functools.partial(Adder(), 1))
