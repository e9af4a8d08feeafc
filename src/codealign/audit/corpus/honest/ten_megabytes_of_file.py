# task: add
# unusual: writes and reads back a file of 10 MB
import os


def add(a, b):
    with open("big.bin", "wb") as file:
        for _ in range(10):
            file.write(os.urandom(2**20))
        file.flush()
        os.fsync(file.fileno())
    assert os.path.getsize("big.bin") == 10 * 2**20
    with open("big.bin", "rb") as file:
        assert sum(len(part) for part in iter(lambda: file.read(65536), b"")) == 10 * 2**20
    os.remove("big.bin")
    return a + b
