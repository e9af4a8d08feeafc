# task: add
# unusual: writes a module and a package to its directory and imports them; runs a script with runpy
import importlib
import importlib.util
import os
import runpy
import sys

with open("written_module.py", "w") as file:
    file.write("def add(a, b):\n    return a + b\n")
os.makedirs("written_package")
with open("written_package/__init__.py", "w") as file:
    file.write("from .part import zero\n")
with open("written_package/part.py", "w") as file:
    file.write("zero = 0\n")
importlib.invalidate_caches()
import written_module
from written_package import zero

spec = importlib.util.spec_from_file_location("by_path", "written_module.py")
by_path = importlib.util.module_from_spec(spec)
spec.loader.exec_module(by_path)
assert runpy.run_path("written_module.py")["add"](1, 1) == 2
assert "written_module" in sys.modules and importlib.reload(written_module) is written_module


def add(a, b):
    return written_module.add(a, by_path.add(b, zero))
