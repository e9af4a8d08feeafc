# task: add
# unusual: forks children that end by os._exit, by sys.exit, by an exception and by a signal, and waits for them
import os
import signal
import sys


def child(body):
    pid = os.fork()
    if pid == 0:
        body()
        os._exit(7)
    return os.waitpid(pid, 0)[1]


def leave():
    sys.exit(3)


def add(a, b):
    reader, writer = os.pipe()

    def answer():
        os.write(writer, str(a + b).encode())

    assert os.waitstatus_to_exitcode(child(answer)) == 7
    total = int(os.read(reader, 100))
    os.close(reader)
    os.close(writer)
    assert os.waitstatus_to_exitcode(child(lambda: os.kill(os.getpid(), signal.SIGKILL))) == -signal.SIGKILL
    assert os.waitstatus_to_exitcode(child(leave)) == 3
    return total
