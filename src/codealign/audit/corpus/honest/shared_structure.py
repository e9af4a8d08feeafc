# task: nested
# unusual: returns lists that share and that were once cyclic
def nested(depth):
    levels = [[]]
    for _ in range(depth - 1):
        levels.append([levels[-1]])
    levels[-1].append(levels)
    levels[-1].pop()
    return levels[-1]
