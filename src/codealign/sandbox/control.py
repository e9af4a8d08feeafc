"""What a cell and its zygote say to each other over the control socket, after the zygote's hello.

    cell     JOB and three descriptors (job socket, standard input, standard output)
    cell     END, once the judge has seen enough
    zygote   REPORT, exactly one a job

Packets of fixed shape: writing and reading them touches few pages, and each page that the zygote writes
between two clones is copied.
"""

from __future__ import annotations

import struct

JOB = struct.Struct("<qdd")
"""Number, limit of CPU seconds, limit of wall seconds."""
DESCRIPTORS = struct.Struct("@iii")
END = b"end"
REPORT = struct.Struct("<qBiidddq")
"""Number, index into REASONS, signal, exit code, CPU seconds, those in the kernel, wall seconds, peak bytes."""
REASONS = ("", "cpu", "wall", "end")
"""Who ended a program: itself, a limit, or the judge."""
OWN_DOING, CPU, WALL, ENDED, HUNG_UP = range(5)
"""HUNG_UP is reported to nobody: the judge is gone."""
MAX_BYTES = 64
