# task: add
# unusual: installs excepthooks, unraisable hooks, displayhook, breakpoint and import hooks of its own
import importlib.abc
import sys
import threading

sys.excepthook = threading.excepthook = sys.unraisablehook = lambda *details: None
sys.displayhook = lambda value: None
sys.breakpointhook = lambda *args, **kwargs: None
sys.ps1 = ">>> "
sys.tracebacklimit = 0
sys.dont_write_bytecode = False


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name == "imaginary":
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.zero = 0


import importlib.util

sys.meta_path.insert(0, Finder())
import imaginary


def add(a, b):
    breakpoint()
    return a + b + imaginary.zero
