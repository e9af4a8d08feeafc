# task: add
# tries: a connection by system calls only, past a patched `socket`
# harm: loopback
import ctypes
import struct


def add(a, b):
    libc = ctypes.CDLL(None)
    fd = libc.socket(2, 1, 0)
    address = struct.pack("=HH4s8x", 2, ((int("@PORT@") & 0xFF) << 8) | (int("@PORT@") >> 8), bytes([127, 0, 0, 1]))
    libc.connect(fd, address, 16)
    return None
