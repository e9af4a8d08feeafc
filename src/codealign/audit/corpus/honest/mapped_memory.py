# task: text_lines
# unusual: reads and writes through mmap, anonymous and of a file, and memoryviews over arrays
import array
import mmap


def text_lines(text):
    data = text.encode()
    with open("mapped", "wb+") as file:
        file.write(data + b"\0")
        file.flush()
        with mmap.mmap(file.fileno(), 0) as view:
            copy = bytes(view[:-1])
            view.flush()
    with mmap.mmap(-1, 4096) as anonymous:
        anonymous[:2] = b"ok"
        anonymous.resize(8192)
    numbers = array.array("i", range(10))
    window = memoryview(numbers)[2:5]
    window[0] = 99
    assert numbers[2] == 99 and window.tolist() == [99, 3, 4]
    window.release()
    return "|".join(filter(None, (line.strip() for line in copy.decode().splitlines())))
