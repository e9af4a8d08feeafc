# task: flatten
# unusual: heaps, bisection, deques, chain maps, ordered and default dicts, arrays, caches and dispatch
import array
import bisect
import collections
import functools
import heapq
import itertools
import operator


@functools.singledispatch
def leaves(item):
    yield item


@leaves.register(list)
@leaves.register(tuple)
def _(items):
    yield from itertools.chain.from_iterable(map(leaves, items))


@functools.total_ordering
class Ranked:
    def __init__(self, rank, item):
        self.rank, self.item = rank, item

    def __lt__(self, other):
        return self.rank < other.rank

    def __eq__(self, other):
        return self.rank == other.rank


def flatten(nested):
    heap = [Ranked(rank, item) for rank, item in enumerate(leaves(nested))]
    heapq.heapify(heap)
    ordered = collections.deque(heapq.heappop(heap).item for _ in range(len(heap)))
    table = collections.ChainMap(collections.OrderedDict(), collections.defaultdict(list))
    table["numbers"] = array.array("q", ordered)
    assert bisect.bisect([1, 3], 2) == 1 and functools.reduce(operator.add, [1, 2]) == 3
    return list(table["numbers"])
