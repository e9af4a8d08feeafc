"""Which part of an iteration each process gathers, and what all of them have gathered.

A problem's completions stay with one process: their prompt is computed once, and a reward rule may compare them. Their random
streams don't depend on who draws them, so an iteration is the same however many processes share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from accelerate.utils import gather_object, wait_for_everyone

from codealign.online.gathering import Asked, Drawn, Gathered

T = TypeVar("T")


@dataclass(frozen=True)
class Sharing:
    """One of `num_processes`."""

    rank: int = 0
    num_processes: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """Every `num_processes`-th."""
        return items[self.rank :: self.num_processes]

    def of_all(self, mine: T) -> list[T]:
        """What every process hands in, by rank; each must call this."""
        return gather_object([mine]) if self.num_processes > 1 else [mine]

    def wait(self) -> None:
        """Until every process is here."""
        if self.num_processes > 1:
            wait_for_everyone()

    def share_of(self, asked: Sequence[Asked], rank: int) -> list[Asked]:
        """What a process draws of `asked`: whole problems."""
        problems = list(dict.fromkeys(each.task_id for each in asked))
        own = set(problems[rank :: self.num_processes])
        return [each for each in asked if each.task_id in own]

    def merged(self, parts: Sequence[Gathered], asked: Sequence[Asked]) -> Gathered:
        """What one process would have gathered of all that is asked for.

        Args:
            parts: what each rank gathered of its share, completions in the order of that share.
        """
        drawn: dict[Asked, Drawn] = {}
        for rank, part in enumerate(parts):
            drawn |= dict(zip(self.share_of(asked, rank), part.drawn, strict=True))
        returns = sorted(item for part in parts for item in part.returns.items())
        return Gathered(
            [drawn[each] for each in asked], dict(returns), sum(part.num_tokens for part in parts)
        )
