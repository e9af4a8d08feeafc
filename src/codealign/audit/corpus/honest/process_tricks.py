# task: add
# unusual: lowers its priority, pins itself to a core, changes umask, limits and its name, starts a session
import ctypes
import os
import resource
import sys
import time

os.nice(5)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.umask(0o077)
os.setpriority(os.PRIO_PROCESS, 0, 10)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_NOFILE, (32, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
os.environ["TZ"] = "Asia/Tokyo"
time.tzset()
os.environ["ADDED"] = "1"
os.putenv("PUT", "1")
try:
    os.setsid()
except PermissionError:
    pass
ctypes.CDLL(None).prctl(15, b"renamed", 0, 0, 0)
sys.setswitchinterval(0.001)
sys.setrecursionlimit(3000)


def add(a, b):
    assert os.environ["ADDED"] == "1"
    return a + b
