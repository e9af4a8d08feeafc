"""Turns a fresh interpreter into a cell: namespaces, own uid, root, filter, and at last the zygote.

Started by `cell.Cell` through `boot.command`, as root or as an ordinary user. It talks over the control
socket only: `{"pid"}` of the zygote and later the zygote's own `{"ready"}`, or `{"error"}` with the step
that was refused. It does not step down by itself: which level to try is the caller's decision.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from codealign.sandbox import folder, linux, seccomp, zygote
from codealign.sandbox.limits import Limits
from codealign.sandbox.root import INNER_ID, PACKAGES, enter_root

_NAMESPACES = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)
HOST_NAME = "cell"
NAMESPACED = ("S3", "S2")


def main(arguments: list[str]) -> None:
    plan = json.loads(arguments[0])
    control_fd = int(plan["control_fd"])
    control = socket.socket(fileno=control_fd)
    try:
        linux.require_pidfds()
        guest = importlib.import_module(plan["guest"])  # its files are out of sight in the cell
        base_bytes = own_address_space()
        if plan["level"] in NAMESPACED:
            enter_cell(plan)
        pid = os.fork()
    except OSError as error:
        control.send(json.dumps({"error": str(error)}).encode())
        os._exit(1)
    if pid:
        control.send(json.dumps({"pid": pid}).encode())
        os._exit(0)
    become_zygote(control, plan, base_bytes, guest)


def own_address_space() -> int:
    """Bytes of address space of this process; 0 where /proc does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


def enter_cell(plan: dict[str, Any]) -> None:
    """Cgroups, own uid, every namespace, minimal root. The order matters; see the comments."""
    join_cgroups(plan["cgroup_procs"])
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)  # pivoting hides it, the maps need it
    try:
        root_first = plan["own_id"] != 0
        if root_first:
            # As root the tree is built first: Python may live where the cell's uid can't look.
            linux.unshare(linux.CLONE_NEWNS)
            enter_root(plan["packages"])
            drop_to(plan["own_id"])
        uid, gid = os.getuid(), os.getgid()  # not known any more once the namespace is new
        linux.unshare(_NAMESPACES)
        map_ids(proc, uid, gid)
        socket.sethostname(HOST_NAME)  # a new namespace starts with the machine's own
        if not root_first:
            enter_root(plan["packages"])
    finally:
        os.close(proc)


def join_cgroups(procs_files: list[str]) -> None:
    for path in procs_files:
        with open(path, "w") as file:
            file.write(str(os.getpid()))


def drop_to(own_id: int) -> None:
    """Stop being root, before the user namespace: a limit on processes does not bind root."""
    os.setgroups([])
    os.setresgid(own_id, own_id, own_id)
    os.setresuid(own_id, own_id, own_id)
    # Changing ids makes a process undumpable, and its own uid_map then belongs to root.
    linux.prctl(linux.PR_SET_DUMPABLE, 1)


def map_ids(proc: int, uid: int, gid: int) -> None:
    """Show our outer ids as INNER_ID inside; no other id exists there."""
    _write_at(proc, "self/setgroups", "deny")
    _write_at(proc, "self/uid_map", f"{INNER_ID} {uid} 1")
    _write_at(proc, "self/gid_map", f"{INNER_ID} {gid} 1")


def _write_at(directory: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def become_zygote(
    control: socket.socket, plan: dict[str, Any], base_bytes: int, guest: ModuleType
) -> None:
    """Process 1 of the cell from here on. Never returns."""
    level = plan["level"]
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        sys.path.append(PACKAGES if level in NAMESPACED else plan["packages_dir"])
        limits = Limits(**plan["limits"])
        settings = zygote.Settings(
            namespaces=level in NAMESPACED,
            scratch_dir=zygote.SCRATCH[0] if level in NAMESPACED else plan["scratch_dir"],
            base_bytes=base_bytes,
            limits=limits,
            guest=guest,
            max_tasks=limits.max_processes + plan["num_other_tasks"],
            give_up_rights=restrict(plan) if level == "S1" else None,
        )
        if level != "S0":
            seccomp.forbid_new_privileges()
            seccomp.Filter(seccomp.cell_filter(level)).install()
        zygote.serve(control.detach(), settings)
        if level not in NAMESPACED:  # the judge may have been killed, and leave it to us
            folder.remove(os.path.dirname(plan["scratch_dir"]))
        os._exit(0)
    except BaseException as error:
        os.write(control.fileno(), json.dumps({"error": repr(error)[:500]}).encode())
        os._exit(1)


def restrict(plan: dict[str, Any]) -> Callable[[], None]:
    """Prepare S1: what each program will call in its own process to give up its rights."""
    from codealign.sandbox import restricted

    os.environ["TMPDIR"] = os.environ["HOME"] = plan["scratch_dir"]
    restriction = restricted.Restriction(
        plan["scratch_dir"], plan["packages_dir"], plan["packages"], plan["own_id"]
    )
    restricted.make_zygote(plan["own_id"])
    return restriction.enter
