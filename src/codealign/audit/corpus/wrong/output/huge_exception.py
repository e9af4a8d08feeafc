# task: parse_int
# tries: an exception with a text of 100 MB
def parse_int(text):
    raise ValueError("x" * 100_000_000)
