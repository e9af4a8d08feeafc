# task: add
# tries: changes environment, time zone, locale, hash seed, umask and working directory for good
import ctypes
import locale
import os
import time

os.environ["CODEALIGN_LEFT"] = "a + b"
os.putenv("CODEALIGN_LEFT", "a + b")
os.environ["TZ"] = "XXX+11"
time.tzset()
os.umask(0o777)
os.environ.pop("HOME", None)
locale.setlocale(locale.LC_ALL, "C")
ctypes.CDLL(None).setenv(b"CODEALIGN_LEFT", b"a + b", 1)
os.chdir("/")


def add(a, b):
    return None
