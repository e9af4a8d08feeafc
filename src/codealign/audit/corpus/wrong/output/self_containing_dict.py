# task: word_counts
# tries: a dict that contains itself, twice at every level
def word_counts(text):
    counts = {}
    counts["a"] = counts["b"] = counts
    return counts
