"""What one program may use. Plain data, so that the lean processes can import it.

Not promised: that a limit holds at every level. `max_processes` and the sum of memory over child
processes are held only where namespaces and cgroups are (levels S2 and S3); see docs/judge.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WALL_PER_CPU = 10.0
"""Wall seconds granted for each CPU second used: a tenth of a core is enough to never hit the wall."""


class Limits(NamedTuple):
    """Limits of one program; seconds and bytes.

    CPU time decides. Wall time is a backstop against a program that sleeps or waits.
    """

    cpu_s: float = 5.0
    wall_s: float = 17.0
    memory_bytes: int = 256 * 2**20
    max_processes: int = 64
    output_bytes: int = 10 * 2**20
    file_bytes: int = 16 * 2**20

    @property
    def longest_s(self) -> float:
        """Wall seconds after which no program runs any more, however busy the machine."""
        return self.wall_s + WALL_PER_CPU * self.cpu_s

    @classmethod
    def from_config(cls, config: Any) -> Limits:
        """From a `config.LimitsConfig`; a missing `wall_s` is 3 x cpu_s + 2."""
        wall_s = config.wall_s if config.wall_s is not None else 3 * config.cpu_s + 2
        return cls(
            cpu_s=config.cpu_s,
            wall_s=wall_s,
            memory_bytes=config.memory_bytes,
            max_processes=config.max_processes,
            output_bytes=config.output_bytes,
            file_bytes=config.file_bytes,
        )
