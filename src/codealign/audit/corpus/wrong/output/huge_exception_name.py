# task: parse_int
# tries: an exception class whose name is 4 MB long
def parse_int(text):
    raise type("E" * (4 << 20), (ValueError,), {"__module__": "builtins"})("x")
