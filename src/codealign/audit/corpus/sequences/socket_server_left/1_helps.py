# task: add
# tries: leaves a daemon that answers on an abstract socket and on a path socket
import os
import socket

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for address in ("\0codealign-left", "/tmp/codealign-left.sock"):
            if os.fork() == 0:
                with socket.socket(socket.AF_UNIX) as server:
                    server.bind(address)
                    server.listen()
                    server.settimeout(3)
                    while True:
                        connection, _ = server.accept()
                        with connection:
                            connection.sendall(b"a + b")
    os._exit(0)
os.wait()


def add(a, b):
    return None
