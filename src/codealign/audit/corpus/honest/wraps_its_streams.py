# task: add
# unusual: wraps standard input and output anew with an encoding, as programs for Windows do
import codecs
import io
import sys

sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
sys.stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
sys.stderr = codecs.getwriter("utf-8")(sys.stderr.buffer)
sys.__stdout__.reconfigure(errors="replace") if sys.__stdout__ else None


def add(a, b):
    print("größe", a, b, flush=True)
    print("größe", file=sys.stderr)
    assert sys.stdin.read() == ""
    return a + b
