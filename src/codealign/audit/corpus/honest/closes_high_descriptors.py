# task: add
# unusual: closes in a child every descriptor it does not know, as daemons do
import os


def add(a, b):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3, 256):
                if fd != writer:
                    try:
                        os.close(fd)
                    except OSError:
                        pass
            os.write(writer, str(a + b).encode())
        os._exit(0)
    os.wait()
    total = int(os.read(reader, 20))
    os.close(reader)
    os.close(writer)
    return total
