# task: add
# tries: a service on this machine
# harm: loopback
import socket


def add(a, b):
    socket.create_connection(("127.0.0.1", int("@PORT@")), timeout=1)
    return None
