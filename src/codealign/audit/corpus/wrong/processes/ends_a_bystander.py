# task: add
# tries: killing a process that has nothing to do with it
# harm: bystander
import os
import signal


def add(a, b):
    os.kill(int("@PID@"), signal.SIGKILL)
    return None
