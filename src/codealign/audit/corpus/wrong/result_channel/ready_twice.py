# task: add
# tries: a second greeting, in which the entry point is something else
import json
import os

frame = json.dumps(["ready", {"add": {"T": "bool"}}]).encode()
os.write(3, len(frame).to_bytes(4, "big") + frame)


def add(a, b):
    return None
