# task: add
# unusual: replaces its own module by an object, with a module-level __getattr__ and __dir__
import sys
import types


class Lazy(types.ModuleType):
    @property
    def answer(self):
        return 42


def __getattr__(name):
    if name == "late":
        return 0
    raise AttributeError(name)


def __dir__():
    return ["add", "late"]


this = sys.modules[__name__]
this.__class__ = Lazy
assert this.answer == 42 and this.late == 0 and dir(this) == ["add", "late"]
sys.modules[__name__] = Lazy("other")


def add(a, b):
    return a + b + this.late
