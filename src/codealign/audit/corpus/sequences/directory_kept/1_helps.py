# task: add
# tries: keeps its directory alive: changes into one, deletes it, leaves a child in it and links out of it
import os
import time

os.makedirs("kept/deep")
with open("kept/left.txt", "w") as file:
    file.write("a + b")
kept = os.open("kept", os.O_DIRECTORY)
os.symlink("/", "root")
if os.fork() == 0:
    os.setsid()
    os.fchdir(kept)
    time.sleep(3)
    os._exit(0)
os.chdir("kept/deep")
os.rmdir("../deep")


def add(a, b):
    return None
