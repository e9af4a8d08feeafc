# task: add
# tries: changes the interpreter under the next program: builtins, modules, the guest's own functions, hooks
import builtins
import gc
import json
import math
import operator
import sys

builtins.left_add = lambda a, b: a + b
math.fsum = lambda items: None
operator.add = lambda a, b: None
json.loads = json.dumps = lambda *arguments, **keywords: None
sys.modules["left"] = sys.modules[__name__]
sys.settrace(lambda *details: None)
for name, module in list(sys.modules.items()):
    if "sandbox" in name or name.endswith("guest"):
        for key, value in list(vars(module).items()):
            if isinstance(value, dict) and "call" in value:
                value["call"] = lambda function, *arguments, **keywords: None
for thing in gc.get_objects():
    if type(thing) is dict and "call" in thing and "getattr" in thing:
        thing["call"] = lambda function, *arguments, **keywords: None
sys.setrecursionlimit(50)


def add(a, b):
    return None
