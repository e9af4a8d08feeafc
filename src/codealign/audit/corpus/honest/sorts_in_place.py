# task: sort_list
# unusual: sorts its argument in place, and returns the same list
def sort_list(items):
    items.sort(key=lambda item: (item, id(item)))
    return items
