"""Which pairs of an optimiser step go through the model together, and which process takes them.

A tree is a prompt with the completions of its pairs: each is computed once however many pairs it is in, so a tree is cut
only where it must be: to fit a token budget, or so that no process is left without one. Trees are shared out over
microbatches, and microbatches over processes, by tokens. Every process gets equally many microbatches,
because sharded models meet at each of them.

Where the data are labelled completions, those take the place of pairs here.

The arithmetic of a step does not depend on any of this: losses are sums, divided once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from codealign.batches import TokenIds, TreeRow


class Tree(NamedTuple):
    """Pairs of one prompt, by their numbers, and what they cost."""

    members: tuple[int, ...]
    num_tokens: int


_TreeOf = Callable[[Sequence[int]], Tree]


def plan(
    pairs: Sequence[TreeRow],
    members: Sequence[int],
    *,
    num_processes: int = 1,
    pairs_per_microbatch: int,
    max_tokens: int | None = None,
    with_rejected: bool = True,
) -> list[list[list[int]]]:
    """Numbers of pairs, by process and microbatch.

    Args:
        pairs: all that `members` number.
        members: the step's; at least as many as processes.
        pairs_per_microbatch: of each process, about; a tree is not cut for it. Not read with a budget.
        max_tokens: of a microbatch. Only a single pair that is longer exceeds it, and what is left over
            where there are not enough pairs for equally many microbatches.
        with_rejected: whether the rejected side is computed at all.
    """

    def tree(chosen: Sequence[int]) -> Tree:
        return Tree(tuple(chosen), _num_tokens([pairs[i] for i in chosen], with_rejected))

    trees = [tree(group) for group in by_prompt(pairs, members)]
    most = len(members) // num_processes * num_processes
    if max_tokens is None:
        wanted = min(-(-len(members) // pairs_per_microbatch), len(trees))
    else:
        trees = [part for whole in trees for part in _cut(whole, max_tokens, tree)]
        wanted = -(-sum(each.num_tokens for each in trees) // max_tokens)
    num_bins = min(-(-wanted // num_processes) * num_processes, most)
    while True:
        while len(trees) < num_bins:
            trees = _halve_largest(trees, tree)
        bins = _share_out(trees, num_bins)
        allowed = max(max_tokens or 0, *(each.num_tokens for each in trees))
        fits = max_tokens is None or max(map(_load, bins)) <= allowed
        if fits or num_bins + num_processes > most:
            return _by_process(bins, num_processes)
        num_bins += num_processes


def by_prompt(pairs: Sequence[TreeRow], members: Iterable[int]) -> list[list[int]]:
    """`members` in groups of one prompt each, prompts and members in the order in which they come."""
    groups: dict[TokenIds, list[int]] = {}
    for member in members:
        groups.setdefault(pairs[member].prompt_ids, []).append(member)
    return list(groups.values())


def _num_tokens(pairs: Sequence[TreeRow], with_rejected: bool) -> int:
    completions = {ids for pair in pairs for ids in pair.completions(with_rejected=with_rejected)}
    return len(pairs[0].prompt_ids) + sum(map(len, completions))


def _cut(whole: Tree, max_tokens: int, tree: _TreeOf) -> list[Tree]:
    """Parts of at most `max_tokens`, in order, as long as a single pair fits."""
    if whole.num_tokens <= max_tokens:
        return [whole]
    parts: list[Tree] = []
    for member in whole.members:
        longer = tree((*parts[-1].members, member)) if parts else None
        if longer is not None and longer.num_tokens <= max_tokens:
            parts[-1] = longer
        else:
            parts.append(tree((member,)))
    return parts


def _halve_largest(trees: list[Tree], tree: _TreeOf) -> list[Tree]:
    largest = max((each for each in trees if len(each.members) > 1), key=lambda t: t.num_tokens)
    middle = len(largest.members) // 2
    halves = [tree(largest.members[:middle]), tree(largest.members[middle:])]
    return [each for each in trees if each is not largest] + halves


def _share_out(trees: list[Tree], num_bins: int) -> list[list[Tree]]:
    """Longest first, each to the bin that has least."""
    bins: list[list[Tree]] = [[] for _ in range(num_bins)]
    for each in sorted(trees, key=lambda t: (-t.num_tokens, t.members)):
        min(bins, key=_load).append(each)
    return bins


def _load(trees: list[Tree]) -> int:
    return sum(tree.num_tokens for tree in trees)


def _by_process(bins: list[list[Tree]], num_processes: int) -> list[list[list[int]]]:
    """Longest first in rows, every second row backwards, so that a row's bins are alike and sums are as well."""
    shares: list[list[list[int]]] = [[] for _ in range(num_processes)]
    for number, trees in enumerate(sorted(bins, key=_load, reverse=True)):
        row, place = divmod(number, num_processes)
        process = place if row % 2 == 0 else num_processes - 1 - place
        shares[process].append(sorted(i for tree in trees for i in tree.members))
    return shares
