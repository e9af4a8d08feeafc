# task: add
# tries: open files sent along with the answer
import array
import os
import socket


def add(a, b):
    channel = socket.socket(fileno=os.dup(3))
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    for _ in range(50):
        channel.sendmsg([b"\0\0\0\2[]"], [rights])
    return None
