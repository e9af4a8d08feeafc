"""The file system of a cell: a small tree of read-only bind mounts, built and entered by `pivot`.

    /lib* /usr/lib*        shared libraries
    <prefix>/lib           Python's standard library, site-packages hidden
    /packages/numpy        numpy, where the judge's own Python has it
    /dev                   null zero full random urandom
    /usr/share/zoneinfo    time zones
    /etc /proc             a few files with made-up contents, see FILES
    /tmp /dev/shm          left empty here; the zygote mounts fresh scratch space on them

Nothing of this machine's /proc, /sys, /etc, /home, no executable file but libraries. Needs CAP_SYS_ADMIN over the mount
namespace it is called in, which it changes for good.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from codealign.sandbox.linux import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
    unmount,
)

DEVICES = ("null", "zero", "full", "random", "urandom")
PACKAGES = "/packages"
INNER_ID = 1000
"""User and group inside."""
FILES = {
    "/etc/passwd": f"program:x:{INNER_ID}:{INNER_ID}::/tmp:/bin/sh\n",
    "/etc/group": f"program:x:{INNER_ID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/proc/loadavg": "0.00 0.00 0.00 1/1 1\n",
    "/proc/cpuinfo": "processor\t: 0\n\nprocessor\t: 1\n\n",
    "/proc/meminfo": "MemTotal: 1048576 kB\nMemFree: 1048576 kB\nMemAvailable: 1048576 kB\n",
}
"""What `pwd`, `os.getloadavg` and honest programs that look around read, the same on every machine."""
_OLD = "/.old"
_DATA = ("/usr/share/zoneinfo",)
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64", "/lib32")
# A remount inside a user namespace must keep the flags the mount was given outside: what statvfs(3) calls them,
# by Linux's numbers, since other systems' Python has no names for all.
_KEPT_FLAGS = {
    2: MS_NOSUID,
    4: MS_NODEV,
    8: MS_NOEXEC,
    1024: 1024,  # noatime
    2048: 2048,  # nodiratime
    4096: 1 << 21,  # relatime
}


class Bind(NamedTuple):
    """A file or directory of the old root (links resolved) and where the cell sees it."""

    source: str
    target: str


def enter_root(packages: list[str]) -> None:
    """Build the tree and make it this process's root. `packages` are directories for /packages."""
    links = _library_links()
    binds = _plan(links, packages)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    os.makedirs("/tmp" + _OLD)
    pivot_root("/tmp", "/tmp" + _OLD)
    os.chdir("/")
    for path, aim in links.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(aim, path)
    for bind in binds:
        _show(bind)
    _hide(_site_dirs())
    _write_files()
    for path in ("/tmp", "/dev/shm", PACKAGES):
        os.makedirs(path, exist_ok=True)
    unmount(_OLD)
    os.rmdir(_OLD)
    mount("none", "/", None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_BIND)


def _write_files() -> None:
    for path, text in FILES.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)


def _library_links() -> dict[str, str]:
    """Library directories that are links (a merged /usr), and where they lead."""
    return {path: os.readlink(path) for path in _LIBRARIES if os.path.islink(path)}


def _plan(links: dict[str, str], packages: list[str]) -> list[Bind]:
    """What to show, resolved while the old root is still the root."""
    binds = [Bind(os.path.realpath(path), path) for path in library_dirs() if path not in links]
    binds += [
        Bind(os.path.realpath(path), f"{PACKAGES}/{os.path.basename(path)}") for path in packages
    ]
    return binds + [Bind(f"/dev/{device}", f"/dev/{device}") for device in DEVICES]


def library_dirs() -> list[str]:
    """Where shared libraries, time zones and Python's own library live, links not resolved."""
    loader_paths = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    shown = [*_LIBRARIES, *_DATA, os.path.join(sys.base_prefix, "lib"), *loader_paths]
    return [path for path in dict.fromkeys(shown) if path.startswith("/") and os.path.isdir(path)]


def _show(bind: Bind) -> None:
    """Bind read-only; nothing to do where an earlier bind already shows the place."""
    source, target = _OLD + bind.source, bind.target
    if os.path.exists(target):
        return
    if os.path.isdir(source):
        os.makedirs(target)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    mount(source, target, None, MS_BIND)
    given = os.statvfs(target).f_flag
    kept = sum(flag for seen, flag in _KEPT_FLAGS.items() if given & seen)
    nodev = 0 if target.startswith("/dev/") else MS_NODEV
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | nodev | kept)


def _site_dirs() -> list[str]:
    base = f"{sys.base_prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    places = (f"{base}/site-packages", "/usr/lib/python3/dist-packages")
    return [place for place in places if os.path.isdir(place)]


def _hide(paths: list[str]) -> None:
    for path in paths:
        mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k,mode=755")
