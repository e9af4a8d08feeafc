# task: add
# tries: relies on signals being as Python sets them
import os
import signal


def add(a, b):
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    seen = []
    signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    signal.pause()
    reader, writer = os.pipe()
    os.close(reader)
    try:
        os.write(writer, b"x")
    except BrokenPipeError:
        seen.append("pipe")
    os.close(writer)
    assert seen == [signal.SIGALRM, "pipe"]
    return a + b
