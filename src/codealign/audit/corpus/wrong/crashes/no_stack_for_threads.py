# task: add
# tries: a stack limit that a thread can't live with
import resource
import threading


def add(a, b):
    threading.stack_size(32768)
    resource.setrlimit(resource.RLIMIT_STACK, (65536, 65536))
    threading.Thread(target=lambda: repr([[[[[]]]]] * 1000)).start()
    return [[[]]].__repr__() and None
