# task: flatten
# tries: a list that holds one list twice, fifty levels deep: 2**50 items once written out
def flatten(nested):
    items = [1]
    for _ in range(50):
        items = [items, items]
    return items
