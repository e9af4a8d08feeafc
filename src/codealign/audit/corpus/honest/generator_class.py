# task: countdown
# unusual: an iterator written as a class, with __length_hint__ and __reversed__
class countdown:
    def __init__(self, start):
        self.now = start

    def __iter__(self):
        return self

    def __next__(self):
        if self.now <= 0:
            raise StopIteration
        self.now -= 1
        return self.now + 1

    def __length_hint__(self):
        return self.now

    def __reversed__(self):
        return iter(range(1, self.now + 1))
