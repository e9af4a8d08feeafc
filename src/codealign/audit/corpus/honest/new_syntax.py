# task: flatten
# unusual: structural pattern matching, walrus, positional-only parameters, exception groups, nested f-strings
from collections.abc import Iterator


class Odd(Exception): ...


def walk(nested, /, *, depth: int = 0) -> Iterator[int]:
    match nested:
        case []:
            return
        case [list() as head, *rest]:
            yield from walk(head, depth=depth + 1)
            yield from walk(rest, depth=depth)
        case [int(head) | head, *rest]:
            yield head
            yield from walk(rest, depth=depth)


def flatten(nested):
    if (count := len(nested)) < 0:
        raise Odd(f"{count!r:>{10}} {f'{count}'}")
    try:
        raise ExceptionGroup("two", [ValueError(1), Odd(2), ExceptionGroup("inner", [KeyError(3)])])
    except* ValueError as group:
        assert len(group.exceptions) == 1
    except* (Odd, KeyError) as group:
        group.add_note("noted")
    return [*walk(nested)]
