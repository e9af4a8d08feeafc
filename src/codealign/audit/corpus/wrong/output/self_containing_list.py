# task: flatten
# tries: a list that contains itself
def flatten(nested):
    items = []
    items.append(items)
    return items
