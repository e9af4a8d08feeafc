# task: flatten
# tries: a range of 10**30 items where a list is expected
def flatten(nested):
    return range(10**30)
