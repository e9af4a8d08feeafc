"""Deep, shared and cyclic containers as a flat list of nodes, where nesting would be too deep for `codec`.

A node is a leaf (an encoded value) or a container of other nodes by number:

    [0, leaf]   ["l", [numbers]]   ["t", …]   ["s", …]   ["S", …]   ["d", [[key, value], …]]

Here structure survives: what was one list is one list again, and a list that holds itself does.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from codealign.sandbox.codec import hashing_apart

# A program that redefines builtins redefines its own; see `guest`.
__builtins__ = dict(vars(builtins))

MAX_SIZE = 10**6
"""Parts of a tuple or frozenset, one that it holds twice counted twice: so long its hash takes, in C."""
_TAGS: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "S", dict: "d"}
_KINDS = {tag: kind for kind, tag in _TAGS.items()}


def write(roots: list[Any], leaf: Callable[[Any], Any]) -> list[Any]:
    """The nodes of `roots` (distinct objects), themselves the first; what is no exact container goes
    through `leaf`."""
    objects, numbers = list(roots), {id(root): number for number, root in enumerate(roots)}

    def number_of(item: Any) -> int:
        if id(item) not in numbers:
            numbers[id(item)] = len(objects)
            objects.append(item)  # keeps it alive, so that its id stays its own
        return numbers[id(item)]

    nodes: list[Any] = []
    for item in objects:  # grows while it is walked
        kind = type(item)
        if kind is dict:
            nodes.append(["d", [[number_of(k), number_of(v)] for k, v in item.items()]])
        elif kind in _TAGS:
            nodes.append([_TAGS[kind], [number_of(part) for part in item]])
        else:
            nodes.append([0, leaf(item)])
    return nodes


def read(nodes: Any, leaf: Callable[[Any], Any], into: Sequence[Any] = ()) -> dict[int, Any]:
    """The nodes' values by number. Those of `into` are filled in place: node i is the new state of `into[i]`.

    Raises:
        ValueError, TypeError, LookupError: nodes that `write` can't have written.
    """
    built: dict[int, Any] = {}
    for number, (tag, payload) in enumerate(nodes):
        if number < len(into):
            built[number] = into[number]
        elif tag == 0:
            built[number] = leaf(payload)
        elif tag in ("l", "d"):  # filled last: they may be part of what they hold
            built[number] = _KINDS[tag]()
    sizes: dict[int, int] = {}
    for number in range(len(nodes)):
        _build(number, nodes, built, sizes)
    for number, (tag, payload) in enumerate(nodes):
        if number < len(into) or tag in ("l", "d"):
            _fill(built[number], tag, payload, built, leaf)
    return built


def _fill(value: Any, tag: Any, payload: Any, built: dict[int, Any], leaf: Any) -> None:
    """Give a container its items. What it is now must be what the node says."""
    if _TAGS.get(type(value), 0) != tag:
        raise TypeError("a container that has become another type")
    if tag == "d":
        keys = hashing_apart([built[key] for key, _ in payload])
        items: Any = dict(zip(keys, [built[item] for _, item in payload], strict=True))
        value.clear()
        value.update(items)
    elif tag == "s":
        items = hashing_apart([built[part] for part in payload])
        value.clear()
        value.update(items)
    elif tag == "l":
        value[:] = [built[part] for part in payload]
    else:  # a bytearray or a deque
        new = leaf(payload)
        if type(new) is not type(value):
            raise TypeError("a container that has become another type")
        value.clear()
        value.extend(new)


def _build(number: int, nodes: Any, built: dict[int, Any], sizes: dict[int, int]) -> None:
    """Build the tuple or set `number` after the tuples and sets inside it, without recursion."""
    waiting: list[tuple[int, Iterator[int]]] = [(number, _parts(nodes, number))]
    entered = {number}
    while waiting:
        current, parts = waiting[-1]
        part = next((part for part in parts if part not in built), None)
        if part is None:
            waiting.pop()
            if current not in built:
                tag, payload = nodes[current]
                sizes[current] = 1 + sum(sizes.get(item, 1) for item in payload)
                if sizes[current] > MAX_SIZE:
                    raise ValueError("to hash it would take for ever")
                items = [built[item] for item in payload]
                built[current] = _KINDS[tag](items if tag == "t" else hashing_apart(items))
        elif part in entered:
            raise ValueError("a tuple that holds itself")
        else:
            entered.add(part)
            waiting.append((part, _parts(nodes, part)))


def _parts(nodes: Any, number: int) -> Iterator[int]:
    tag, payload = nodes[number]
    return iter(payload if tag in ("t", "s", "S") else ())
