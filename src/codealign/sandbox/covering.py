"""Inside the cell, on request: which lines of the program run.

`sys.monitoring` on Python 3.12 and later, where a line costs once a test; `sys.settrace` before that, where it costs
each time. Not promised: lines that run in threads of the program, or after it has set a tracer of its own. And it
is the program's word: it could change what is gathered here.
"""

from __future__ import annotations

import builtins
import sys
from types import CodeType, FrameType
from typing import Any

# A program that redefines builtins redefines its own; see `guest`.
__builtins__ = dict(vars(builtins))


class Coverage:
    """Gathers the line numbers of the code that comes from `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: set[int] = set()

    def start(self) -> None:
        if sys.version_info >= (3, 12):
            self._monitor()
        else:
            sys.settrace(self._trace)

    def take(self) -> list[int]:
        """Lines that ran since this was last asked."""
        lines = sorted(self._lines)
        self._lines.clear()
        if sys.version_info >= (3, 12):
            sys.monitoring.restart_events()
        return lines

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != self._path:
            return None
        if event == "line":
            self._lines.add(frame.f_lineno)
        return self._trace

    def _monitor(self) -> None:
        monitoring = sys.monitoring  # type: ignore[attr-defined]
        monitoring.use_tool_id(monitoring.COVERAGE_ID, "codealign")

        def line(code: CodeType, number: int) -> Any:
            if code.co_filename == self._path:
                self._lines.add(number)
            return monitoring.DISABLE

        monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, line)
        monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE)
