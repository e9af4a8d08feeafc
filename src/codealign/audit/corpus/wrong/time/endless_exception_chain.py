# task: parse_int
# tries: an exception whose causes go round in a circle
def parse_int(text):
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    first.__context__, second.__context__ = second, first
    while True:
        try:
            raise first
        except ValueError:
            continue
