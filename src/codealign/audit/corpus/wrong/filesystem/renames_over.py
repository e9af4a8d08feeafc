# task: add
# tries: a file outside by moving one there
# harm: marker
import os
import shutil
import tempfile


def add(a, b):
    fd, path = tempfile.mkstemp()
    os.close(fd)
    for move in (os.rename, os.link, shutil.copy):
        try:
            move(path, "@MARKER@")
        except OSError:
            pass
    return None
