# task: add
# tries: writes a file, waits, and reads it again while a child works
import os
import time


def add(a, b):
    pid = os.fork()
    if pid == 0:
        time.sleep(0.05)
        os._exit(0)
    name = f"{os.getcwd()}/codealign-victim.txt"
    with open(name, "w") as file:
        file.write(f"{a} {b}")
    time.sleep(0.05)
    assert os.waitpid(pid, 0)[1] == 0
    with open(name) as file:
        text = file.read()
    os.remove(name)
    return sum(map(int, text.split()))
