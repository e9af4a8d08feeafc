# task: parse_int
# tries: a group of a hundred thousand exceptions
def parse_int(text):
    raise ExceptionGroup("many", [ValueError(str(number)) for number in range(100000)])
