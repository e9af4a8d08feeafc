# task: nested
# unusual: returns lists nested fifty deep, of a list subclass
class Level(list):
    pass


def nested(depth):
    inner = Level()
    for _ in range(depth - 1):
        inner = Level([inner])
    return inner
