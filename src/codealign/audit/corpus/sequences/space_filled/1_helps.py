# task: add
# tries: fills its scratch space with data, and with files until there is no inode left
import os

for place in ("/dev/shm", os.getcwd()):
    try:
        with open(os.path.join(place, "codealign-full"), "wb") as file:
            for _ in range(40):
                file.write(bytes(2**20))
    except OSError:
        pass
try:
    os.makedirs("many")
    for number in range(20_000):
        os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY))
except OSError:
    pass


def add(a, b):
    return None
