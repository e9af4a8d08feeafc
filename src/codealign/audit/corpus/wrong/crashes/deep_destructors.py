# task: flatten
# tries: a chain of a million objects, all let go of at once
class Link:
    def __init__(self, next):
        self.next = next

    def __del__(self):
        pass


def flatten(nested):
    chain = None
    for _ in range(300000):
        chain = Link(chain)
    del chain
    return None
