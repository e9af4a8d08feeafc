"""What this machine's kernel and container allow, as far as it decides the level of isolation.

Read from /proc and /sys and asked by system call; what can't be read is reported as unknown, never guessed.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import NamedTuple

from codealign.sandbox import cgroups


class Host(NamedTuple):
    """Facts for `codealign env` and for the cures in error messages."""

    kernel: str
    user: str
    container: str
    """"docker", "podman", … as far as it shows; "" for none seen."""
    seccomp: str
    """"filtered" when this process already runs under a filter, as containers have it."""
    security_modules: str
    landlock_abi: int
    """0 without Landlock."""
    cgroups: str
    user_namespaces: str
    """"restricted by AppArmor", "switched off", or "not restricted by a setting"."""


def describe_host() -> Host:
    """The facts, on any system; on other systems than Linux most are "unknown"."""
    return Host(
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        user=_user(),
        container=_container(),
        seccomp=_seccomp(),
        security_modules=_read("/sys/kernel/security/lsm"),
        landlock_abi=_landlock_abi(),
        cgroups=cgroups.version(),
        user_namespaces=_user_namespaces(),
    )


def advice() -> str:
    """How this machine could be made to give a stronger level, one imperative sentence."""
    host = describe_host()
    if sys.platform != "linux":
        return "judge on Linux: in Docker or, on Windows, in WSL2"
    if host.user_namespaces == "restricted by AppArmor":
        return (
            "run as root, or allow user namespaces: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if host.user_namespaces == "switched off":
        return "allow user namespaces: sysctl user.max_user_namespaces=10000"
    if host.container or host.seccomp == "filtered":
        return (
            "allow namespaces in this container: docker run --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined …"
        )
    return "`codealign env` lists what each level lacks here"


def _user() -> str:
    if not hasattr(os, "geteuid"):
        return "unknown"
    return "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"


def _container() -> str:
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    return ""


def _seccomp() -> str:
    mode = _read("/proc/self/status").partition("\nSeccomp:")[2].split("\n")[0].strip()
    return {"0": "none", "2": "filtered"}.get(mode, "unknown")


def _landlock_abi() -> int:
    if sys.platform != "linux":
        return 0
    from codealign.sandbox import landlock

    return landlock.abi()


def _user_namespaces() -> str:
    if _read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid() != 0:
        return "restricted by AppArmor"
    off = ("/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/unprivileged_userns_clone")
    if any(_read(path) == "0" for path in off):
        return "switched off"
    return "not restricted by a setting"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"
