# task: add
# tries: uses what the program before has changed
import json
import math
import operator
import sys


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


def add(a, b):
    assert "left" not in sys.modules and not hasattr(__builtins__, "left_add")
    assert sys.gettrace() is None and deep(500) == 500
    return operator.add(*json.loads(json.dumps([a, b]))) + int(math.fsum([]))
