# task: parse_int
# tries: a forged exception that claims every builtin class at once
import sys

guest = sys.modules.get("codealign.sandbox.guest")
kinds = ["AssertionError", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration"]


def answer(request, handles):
    return [request[0], "error", kinds, "ValueError", "x" * 100000]


if guest is not None:
    guest.answer = answer


def parse_int(text):
    raise SystemExit
