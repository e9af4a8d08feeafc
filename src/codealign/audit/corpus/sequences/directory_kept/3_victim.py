# task: add
# tries: uses relative and absolute names of the same place
import os


def add(a, b):
    with open("here.txt", "w") as file:
        file.write(f"{a} {b}")
    with open(os.path.join(os.getcwd(), "here.txt")) as file:
        text = file.read()
    os.remove("here.txt")
    assert not os.path.exists("kept")
    return sum(map(int, text.split()))
