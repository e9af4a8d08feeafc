# task: repeated
# unusual: builds and returns a text of 5 MB, piece by piece
import io


def repeated(text, times):
    buffer = io.StringIO()
    for _ in range(times):
        buffer.write(text)
    return buffer.getvalue()
