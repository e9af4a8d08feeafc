# task: add
# tries: a file outside through `..` until the root is passed
# harm: marker
import os


def add(a, b):
    path = os.path.join(*[".."] * 40, "@MARKER@".lstrip("/"))
    with open(path, "w") as file:
        file.write("here")
    return None
