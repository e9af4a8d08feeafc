# task: by_kind
# unusual: returns an OrderedDict subclass with keys of many types, in insertion order
import collections


class Ordered(collections.OrderedDict):
    def __missing__(self, key):
        return None


def by_kind(items):
    kinds = Ordered()
    for item in reversed(items):
        kinds[item] = item.__class__.__name__
    for item in reversed(list(kinds)):
        kinds.move_to_end(item)
    return kinds
