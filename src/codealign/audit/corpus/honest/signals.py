# task: add
# unusual: sets alarms and timers, handles them, and sends itself signals
import os
import signal
import time

seen = []
signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))


def add(a, b):
    del seen[:]
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    signal.pause()
    signal.alarm(30)
    assert 0 < signal.alarm(0) <= 30
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGALRM, signal.SIGUSR1, signal.SIGTERM]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    os.kill(os.getpid(), signal.SIGUSR2)
    assert signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2
    return a + b
