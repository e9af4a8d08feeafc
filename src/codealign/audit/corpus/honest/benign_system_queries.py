# task: add
# unusual: asks the machine about itself: names, numbers, directories, clocks, limits
import getpass
import os
import pathlib
import platform
import resource
import socket
import sys
import sysconfig
import time

FACTS = {
    "cwd": os.getcwd(),
    "listing": os.listdir("."),
    "home": str(pathlib.Path.home()),
    "user": getpass.getuser(),
    "pid": (os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0)),
    "ids": (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups(), os.getresuid()),
    "cpus": (os.cpu_count(), len(os.sched_getaffinity(0))),
    "uname": (os.uname(), platform.platform(), platform.machine(), platform.python_version()),
    "libc": platform.libc_ver(),
    "host": (socket.gethostname(), platform.node()),
    "environment": (sorted(os.environ), os.environ.get("PATH"), os.getenv("HOME")),
    "python": (sys.version, sys.version_info, sys.executable, sys.path, sys.argv, sys.flags),
    "modules": len(sys.modules),
    "build": (sysconfig.get_platform(), sysconfig.get_paths()["stdlib"]),
    "disk": (os.statvfs("/tmp").f_bsize, os.stat(".").st_mode),
    "pages": os.sysconf("SC_PAGE_SIZE"),
    "usage": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrlimit(resource.RLIMIT_NOFILE)),
    "clocks": (time.time(), time.monotonic(), time.perf_counter(), time.process_time(), time.thread_time(), os.times()),
    "zone": (time.tzname, time.localtime(), time.strftime("%c")),
    "umask": os.umask(os.umask(0o022)),
    "nice": os.nice(0),
    "encodings": (sys.getdefaultencoding(), sys.getfilesystemencoding(), sys.stdout.encoding),
}


def add(a, b):
    assert FACTS["cwd"] == os.getcwd()
    assert FACTS["cpus"][0] >= 1
    return a + b
