"""What the probes try from inside a cell: the source of this file is sent there as a program.

Each function tries one thing that a cell must stop, and returns what it got if nothing stopped it. An
exception, or the death of the process, is the stop. Nothing here does harm where it succeeds: what is
changed is a file that the probe planted, or is set to what it was.
"""

import os


def run_as_usual():
    """The control: what every honest program may do must work, or the stops below prove nothing."""
    import decimal  # from the library, not in memory yet

    with open("own", "w") as file:
        file.write(str(decimal.Decimal(1)))
    with open("own") as file:
        own = file.read()
    os.unlink("own")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return own, os.waitpid(pid, 0)[1]


# --- files --------------------------------------------------------------------------------------


def write_outside(path):
    with open(path, "w") as file:
        file.write("written from inside a cell")
    return path


def read_planted(path):
    with open(path) as file:
        return file.read()


def change_planted(path):
    """Its mode and times: no file needs to be opened for that."""
    before = os.stat(path)
    os.chmod(path, 0o600)
    os.utime(path, (0, 0))
    after = os.stat(path)
    if (before.st_mode, before.st_mtime) == (after.st_mode, after.st_mtime):
        raise PermissionError("nothing changed")
    return oct(after.st_mode)


def cut_planted(path):
    os.truncate(path, 0)
    return path


def link_planted(path):
    os.link(path, "linked")
    return read_planted("linked")


def list_outside(path):
    return os.listdir(path)


def write_into_the_library():
    with open(os.__file__, "r+"):
        return os.__file__


def read_of_process(pid):
    """Secrets are kept in environments."""
    return read_planted(f"/proc/{pid}/environ")


def find_open_descriptors():
    """0, 1, 2 and the judge's socket are ours."""
    found = []
    for fd in range(4, 1024):
        try:
            found.append((fd, os.fstat(fd).st_mode))
        except OSError:
            continue
    if not found:
        raise OSError("none")
    return found


# --- sockets ------------------------------------------------------------------------------------


def connect_loopback(port):
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return port


def listen_on_a_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


def open_raw_socket():
    import socket

    for family in (socket.AF_PACKET, socket.AF_NETLINK, socket.AF_INET):
        try:
            socket.socket(family, socket.SOCK_RAW).close()
            return family
        except OSError as error:
            refusal = error
    raise refusal


def connect_abstract(name):
    return connect_named("\0" + name)


def connect_named(path):
    import socket

    with socket.socket(socket.AF_UNIX) as door:
        door.connect(path)
        return path


# --- other processes ----------------------------------------------------------------------------


def signal_outside(pid):
    os.kill(pid, 0)
    return pid


def signal_parent():
    if os.getppid() == 0:
        raise ProcessLookupError("no process outside has a number here")
    return signal_outside(os.getppid())


def limit_outside(pid):
    import resource

    limits = resource.prlimit(pid, resource.RLIMIT_CORE)
    return resource.prlimit(pid, resource.RLIMIT_CORE, limits)


def slow_down_outside(pid):
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
    return pid


def leave_the_group():
    """Where one kill of a process group ends a program, none of it may leave the group."""
    group = os.getpgrp()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(os.getpgrp() == group)
    if os.waitpid(pid, 0)[1]:
        raise PermissionError("still in its group")
    return pid


def run_a_shell():
    return os.posix_spawn("/bin/sh", ["sh", "-c", "exit 0"], {})


def fork_past(limit):
    import signal
    import time

    children = []
    try:
        while len(children) <= limit:
            pid = os.fork()
            if pid == 0:
                time.sleep(10)
                os._exit(0)
            children.append(pid)
        time.sleep(1)  # where they are counted from outside
        return len(children)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def allocate_past(num_bytes):
    return len(bytearray(num_bytes))


# --- the kernel ---------------------------------------------------------------------------------


def _call(name, *arguments):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def share_memory():
    number = _call("shmget", 0x636F6465, 4096, 0o1600)
    return _call("shmctl", number, 0, None)  # removed again


def share_messages():
    number = _call("msgget", 0x636F6465, 0o1600)
    return _call("msgctl", number, 0, None)


def become_root():
    os.setuid(0)
    return os.getuid()


def mount_here():
    """On a directory of our own: anywhere else a success would hide what others need."""
    os.mkdir("mounted")
    try:
        _call("mount", b"tmpfs", b"mounted", b"tmpfs", 0, None)
        return _call("umount2", b"mounted", 2)
    finally:
        os.rmdir("mounted")


def _in_a_child(name, *arguments):
    """A call that is answered with the end of the process: a child makes it, so that its parent can go on."""
    pid = os.fork()
    if pid == 0:
        try:
            _call(name, *arguments)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status < 0:
        raise PermissionError(f"{name}: ended by signal {-status}")
    if status > 0:
        raise OSError(status, name)
    return name


def trace_a_process():
    return _in_a_child("ptrace", 0, 0, 0, 0)


def make_a_namespace():
    return _in_a_child("unshare", 0x10000000)


def keep_a_key(number):
    """The C library has no name for this call and the next two: the number comes from outside."""
    return _in_a_child("syscall", number, 0, -3, 1)


def set_up_a_ring(number):
    return _in_a_child("syscall", number, 1, 0)


def load_into_the_kernel(number):
    return _in_a_child("syscall", number, 0, 0, 0)
