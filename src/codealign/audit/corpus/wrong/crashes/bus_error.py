# task: add
# tries: a mapping of a file that has become shorter
import mmap
import tempfile


def add(a, b):
    with tempfile.TemporaryFile() as file:
        file.write(bytes(8192))
        file.flush()
        page = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        return page[5000]
