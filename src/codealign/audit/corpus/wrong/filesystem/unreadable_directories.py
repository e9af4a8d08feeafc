# task: add
# tries: files in directories that can't be entered for cleaning up
import os


def add(a, b):
    os.makedirs("locked/inside")
    open("locked/inside/file", "w").close()
    os.chmod("locked/inside", 0)
    os.chmod("locked", 0)
    return None
