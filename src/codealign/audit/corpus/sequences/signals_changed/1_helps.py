# task: add
# tries: blocks and ignores every signal, stops and hangs up its group, and asks for the parent's death
import ctypes
import os
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
    for target in (0, os.getppid() or 0):
        try:
            os.kill(target, number)
        except OSError:
            pass
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def add(a, b):
    return None
