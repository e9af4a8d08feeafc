"""S1: what a program gives up where there are no namespaces (containers as they usually are).

The zygote stays outside of what is described here; each program, after the fork and before its source is
read, takes an own uid (when we are root), enters a Landlock domain, and adds a filter of its own. So it
can't reach the zygote either, which may clean and reap.

What S3 and S2 have and this has not is listed in `levels.GAPS`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from codealign.sandbox import landlock, linux, seccomp
from codealign.sandbox.root import DEVICES, library_dirs

LEAST_ABI_AS_USER = 3
"""Below it Landlock lets a program truncate files, and as an ordinary user those may be the user's own."""
NUM_SPARE_TASKS = 1024
"""Room for the user's own new processes: a limit per user counts them together with a program's."""
_ROOT_KEEPS = (
    linux.CAP_CHOWN,
    linux.CAP_DAC_OVERRIDE,
    linux.CAP_DAC_READ_SEARCH,
    linux.CAP_FOWNER,
    linux.CAP_KILL,
    linux.CAP_SETGID,
    linux.CAP_SETUID,
)
_NOT_SHOWN = ("python", "site-packages", "dist-packages")
"""Entries of library directories that are not shown: other Pythons, and packages with who knows what in them
(data sets with their answers, for instance)."""


def require_kernel(own_id: int) -> None:
    """Raise OSError where this level can't hold what it says."""
    version = landlock.abi()
    if version == 0:
        raise OSError(errno.EOPNOTSUPP, "Landlock is not in this kernel, or switched off")
    if version < LEAST_ABI_AS_USER and not own_id:
        message = f"as an ordinary user this needs Landlock ABI {LEAST_ABI_AS_USER} (Linux 6.2)"
        raise OSError(errno.EOPNOTSUPP, f"{message}; this kernel has ABI {version}")


class Restriction:
    """What each program of a cell goes through; made once, in the zygote.

    Args:
        scratch_dir: the only place that programs may write; theirs when there is an own id.
        packages_dir: links to packages, and `packages` the directories they lead to.
        own_id: the uid and gid of this cell's programs; 0 keeps the user's.

    Raises:
        OSError: the kernel refused a step.
    """

    def __init__(
        self, scratch_dir: str, packages_dir: str, packages: list[str], own_id: int
    ) -> None:
        require_kernel(own_id)
        self._own_id = own_id
        self._keeps = _rights_to_read(own_id)
        self._ruleset = landlock.Ruleset()
        self._ruleset.grant(scratch_dir, landlock.READ_WRITE)
        for path in (packages_dir, *packages, *_readable()):
            self._ruleset.grant(path, landlock.READ)
        self._ruleset.grant(_standard_library(), landlock.READ_DIR)
        for device in DEVICES:
            self._ruleset.grant(f"/dev/{device}", landlock.READ_FILE | landlock.WRITE_FILE)
        self._filter = seccomp.Filter(seccomp.program_filter(landlock.keeps_signals_in()))

    def enter(self) -> None:
        """In the program's process, which leads a session of its own: give everything up."""
        if self._own_id:
            self._become_own_user()
        linux.drop_capabilities(self._keeps)
        self._ruleset.enter()
        self._filter.install()

    def _become_own_user(self) -> None:
        if self._keeps:
            linux.prctl(linux.PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(self._own_id, self._own_id, self._own_id)
        os.setresuid(self._own_id, self._own_id, self._own_id)


def make_zygote(own_id: int) -> None:
    """Before the filter: what a program leaves running becomes the zygote's to end, and as root it keeps
    only the rights to make, end and clean after other users' processes."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    if own_id:
        kept = [capability for capability in _ROOT_KEEPS if linux.has_capabilities(capability)]
        linux.drop_capabilities(linux.capability_set(*kept))


def _rights_to_read(own_id: int) -> linux.CapabilitySet | None:
    """Where only root can look into the directories above Python's library (/root/.local/share/uv …), a
    program keeps a right to read past modes; Landlock then is what keeps it to the libraries."""
    if not own_id or _open_to_all(_standard_library()):
        return None
    if linux.has_capabilities(linux.CAP_DAC_READ_SEARCH):
        return linux.capability_set(linux.CAP_DAC_READ_SEARCH)
    if landlock.abi() >= LEAST_ABI_AS_USER:  # Docker gives root only the right to override modes
        return linux.capability_set(linux.CAP_DAC_OVERRIDE)
    raise OSError(errno.EACCES, f"{_standard_library()} lies where only root can look")


def _open_to_all(path: str) -> bool:
    path = os.path.realpath(path)
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def _standard_library() -> str:
    return os.path.dirname(os.path.realpath(os.__file__))


def _readable() -> Iterator[str]:
    """Shared libraries and the standard library, without installed packages."""
    places = {os.path.realpath(path) for path in library_dirs()}
    standard = _standard_library()
    for place in sorted(places | {standard}):
        for entry in os.scandir(place):
            # A link needs no grant of its own: what is opened is where it leads.
            if not entry.name.startswith(_NOT_SHOWN) and not entry.is_symlink():
                yield entry.path


def tasks_of_this_user() -> int:
    """Processes and threads of the real user, everywhere in this pid namespace."""
    num_tasks = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == os.getuid():
                    num_tasks += len(os.listdir(f"/proc/{entry.name}/task"))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it ended meanwhile, or is hidden
    return num_tasks
