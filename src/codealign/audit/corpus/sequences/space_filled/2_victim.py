# task: add
# tries: writes 10 MB and 1,000 files
import os


def add(a, b):
    if os.path.exists("/dev/shm/codealign-full"):
        os.remove("/dev/shm/codealign-full")
    with open("mine.bin", "wb") as file:
        for _ in range(10):
            file.write(bytes(2**20))
    os.remove("mine.bin")
    for number in range(1000):
        os.close(os.open(f"mine{number}", os.O_CREAT | os.O_WRONLY))
    for number in range(1000):
        os.remove(f"mine{number}")
    return a + b
