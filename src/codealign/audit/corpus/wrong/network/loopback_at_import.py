# task: add
# tries: a service on this machine, before the first call
# harm: loopback
import socket

try:
    socket.create_connection(("localhost", int("@PORT@")), timeout=1)
except OSError:
    pass


def add(a, b):
    return None
