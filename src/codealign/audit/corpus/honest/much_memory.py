# task: add
# unusual: holds 200 MB of lists for a moment
def add(a, b):
    rows = [[n] * 1_000_000 for n in range(25)]
    assert len(rows) * len(rows[0]) == 25_000_000
    del rows
    return a + b
