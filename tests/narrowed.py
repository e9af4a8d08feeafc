"""Runs Python code as a process with fewer rights: what containers and other kernels give, emulated here.

    python narrowed.py PLAN CODE

PLAN is JSON: {"uid"?: a uid to become, "capabilities"?: names' numbers to keep, "refused": {system call: errno},
"clone_flags"?: flags of clone that are refused with EPERM}. CODE is run after that. The filter is inherited by
everything that CODE starts, as Docker's is.
"""

import json
import os
import sys

from codealign.sandbox import linux, seccomp
from codealign.sandbox.syscalls import NUMBERS, SPECIAL

MORE_NUMBERS = {"landlock_create_ruleset": 444, "fsmount": 432}


def narrowing(refused: dict[str, int], clone_flags: int, clone_errno: int) -> list:
    """A filter that refuses the named calls, and clone with any of the flags; all else is allowed."""
    lines = [(seccomp._LOAD, 0, 0, seccomp._NUMBER)]
    for name, number in refused.items():
        call = (NUMBERS | MORE_NUMBERS)[name]
        lines += seccomp._answer(call, seccomp._ERRNO | number)
    lines += [
        (seccomp._EQUAL, 0, 4, SPECIAL["clone"]),
        (seccomp._LOAD, 0, 0, seccomp._ARG0),
        (seccomp._ANY_BIT, 0, 1, clone_flags),
        (seccomp._RETURN, 0, 0, seccomp._ERRNO | clone_errno),
        (seccomp._RETURN, 0, 0, seccomp._ALLOW),
        (seccomp._RETURN, 0, 0, seccomp._ALLOW),
    ]
    return lines


def main() -> None:
    plan, code = json.loads(sys.argv[1]), sys.argv[2]
    # Root's filter is installed with its rights, not with no-new-privileges, as a container runtime does.
    if "capabilities" in plan:
        linux.drop_capabilities(linux.capability_set(*plan["capabilities"]))
    if "uid" in plan:
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    seccomp.forbid_new_privileges()
    flags, number = plan.get("clone_flags", 0), plan.get("clone_errno", 1)
    seccomp.Filter(narrowing(plan.get("refused", {}), flags, number)).install()
    exec(compile(code, "<narrowed>", "exec"), {"__name__": "__main__"})


main()
