# task: add
# tries: a connection made by sending, without connect
# harm: loopback
import socket


def add(a, b):
    with socket.socket() as door:
        door.settimeout(1)
        door.sendto(b"x", 0x20000000, ("127.0.0.1", int("@PORT@")))
    return None
