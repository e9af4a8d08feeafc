# task: word_counts
# unusual: dataclasses with string annotations, slots, defaults and ordering; typing at run time; protocols
from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Iterable
from typing import ClassVar, Generic, NamedTuple, Optional, Protocol, TypedDict, TypeVar, get_type_hints

T = TypeVar("T")


class Kind(enum.Flag):
    WORD = enum.auto()
    OTHER = enum.auto()


@dataclasses.dataclass(order=True, frozen=True, slots=True, kw_only=True)
class Word:
    text: str
    kind: Kind = dataclasses.field(default=Kind.WORD | Kind.OTHER, compare=False)
    count: ClassVar[int] = 0
    later: Optional[Undefined] = None


class Undefined: ...


class Row(TypedDict, total=False):
    word: str


class Pair(NamedTuple):
    word: str
    count: int = 1


class Countable(Protocol):
    def count(self, item: str) -> int: ...


class Bag(Generic[T]):
    def __init__(self, items: Iterable[T]) -> None:
        self.items = list(items)


def word_counts(text: str) -> dict[str, int]:
    assert get_type_hints(Word)["kind"] is Kind and get_type_hints(word_counts)["return"] == dict[str, int]
    assert typing.get_args(Bag[Word]) == (Word,)
    words = Bag[Word](Word(text=part) for part in text.split())
    counts: dict[str, int] = {}
    for word in words.items:
        pair = Pair(dataclasses.asdict(word)["text"])
        counts[pair.word] = counts.get(pair.word, 0) + pair.count
    assert sorted(words.items) == sorted(words.items, key=lambda word: word.text)
    return counts
