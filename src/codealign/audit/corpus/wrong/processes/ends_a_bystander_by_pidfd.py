# task: add
# tries: killing a stranger by a descriptor instead of a number
# harm: bystander
import os
import signal


def add(a, b):
    signal.pidfd_send_signal(os.pidfd_open(int("@PID@")), signal.SIGKILL)
    return None
