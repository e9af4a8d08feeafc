# task: add
# tries: file names with line ends, escapes and half characters
import os


def add(a, b):
    for name in (b"\xff\xfe", b"new\nline", b"\x1b[2J", b"-rf", b" ", b"a" * 255):
        open(name, "w").close()
    os.symlink("/", b"root")
    os.symlink("loop", b"loop")
    return None
