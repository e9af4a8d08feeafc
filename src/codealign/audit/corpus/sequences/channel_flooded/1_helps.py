# task: add
# tries: sends descriptors, frames and garbage over every socket it holds, and keeps them open in a child
import array
import os
import socket
import time

for fd in range(3, 64):
    try:
        door = socket.socket(fileno=os.dup(fd))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
        door.setblocking(False)
        for text in (b'{"job": 1, "cpu_s": 99}', b'{"ready": true}', b"\0\0\0\0", b""):
            door.sendmsg([text], rights)
    except OSError:
        pass
if os.fork() == 0:
    os.setsid()
    time.sleep(3)
    os._exit(0)


def add(a, b):
    return None
