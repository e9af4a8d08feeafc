# task: add
# unusual: replaces sys.stdout for good, redirects output, closes what it replaced
import contextlib
import io
import sys

old, sys.stdout = sys.stdout, io.StringIO()


def add(a, b):
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer), contextlib.redirect_stderr(buffer):
        print(a, b)
        print("oops", file=sys.stderr)
    assert buffer.getvalue() == f"{a} {b}\noops\n"
    print("into the first buffer")
    return sum(map(int, buffer.getvalue().splitlines()[0].split()))
