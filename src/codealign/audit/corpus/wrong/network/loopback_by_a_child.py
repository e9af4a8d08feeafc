# task: add
# tries: a service on this machine, reached by a process in a session of its own
# harm: loopback
import os
import socket
import time


def add(a, b):
    if os.fork() == 0:
        os.setsid()
        socket.create_connection(("127.0.0.1", int("@PORT@")), timeout=1)
        os._exit(0)
    time.sleep(0.1)
    return None
