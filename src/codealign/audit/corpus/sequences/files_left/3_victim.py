# task: add
# tries: expects its directory to be empty and writable
import os


def add(a, b):
    assert os.listdir(".") == []
    os.makedirs("locked/deep")
    with open("codealign_left.py", "x") as file:
        file.write("mine")
    os.remove("codealign_left.py")
    os.removedirs("locked/deep")
    return a + b
