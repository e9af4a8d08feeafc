# task: add
# tries: a service on this machine by its mapped address
# harm: loopback
import socket


def add(a, b):
    with socket.socket(socket.AF_INET6) as door:
        door.settimeout(1)
        door.connect(("::ffff:127.0.0.1", int("@PORT@")))
    return None
