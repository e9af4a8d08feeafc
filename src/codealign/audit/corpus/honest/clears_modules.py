# task: add
# unusual: deletes modules from sys.modules, reloads some, and deletes its own imports
import importlib
import json
import os
import sys

for name in ("json", "json.decoder", "json.encoder", "operator", "typing", "math"):
    sys.modules.pop(name, None)
import math

importlib.reload(os)
del importlib, json, sys


def add(a, b):
    return int(math.fsum([a, b]))
