# task: add
# tries: a file outside through an open directory, where one was inherited
# harm: marker
import os
import stat


def add(a, b):
    for fd in range(0, 256):
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                continue
            path = os.path.join(*[".."] * 40, "@MARKER@".lstrip("/"))
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666, dir_fd=fd))
        except OSError:
            pass
    return None
