# task: add
# unusual: holds 50 files open at once, and makes 3,000 small ones
import os


def add(a, b):
    files = [open(f"open{n}", "w+") for n in range(50)]
    for number, file in enumerate(files):
        file.write(str(number))
        file.seek(0)
    assert sum(int(file.read()) for file in files) == 1225
    for file in files:
        file.close()
    for number in range(3000):
        os.close(os.open(f"small{number}", os.O_CREAT | os.O_WRONLY))
    assert len(os.listdir(".")) >= 3050
    for name in os.listdir("."):
        os.unlink(name)
    return a + b
