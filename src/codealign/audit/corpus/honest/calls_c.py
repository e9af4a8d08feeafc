# task: sort_list
# unusual: sorts with qsort of the C library, which calls back into Python
import ctypes
import ctypes.util

libc = ctypes.CDLL(ctypes.util.find_library("c"))
Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_long), ctypes.POINTER(ctypes.c_long))


class Pair(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


def sort_list(items):
    numbers = (ctypes.c_long * len(items))(*items)
    compare = Compare(lambda a, b: (a[0] > b[0]) - (a[0] < b[0]))
    libc.qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_long), compare)
    assert libc.strlen(b"four") == 4 and libc.getpid() > 0
    assert Pair(1, 2.0).y == 2.0
    return list(numbers)
