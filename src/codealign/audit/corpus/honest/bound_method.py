# task: flatten
# unusual: the entry point is a bound method, recursion goes through the instance
class Flattener:
    def __init__(self, kind):
        self.kind = kind

    def flatten(self, nested):
        return [leaf for item in nested for leaf in (self.flatten(item) if isinstance(item, self.kind) else (item,))]


flatten = Flattener(list).flatten
