# task: add
# tries: bytecode that no compiler would write
def add(a, b):
    pass


add.__code__ = add.__code__.replace(co_code=bytes([100, 255, 83, 0] * 4), co_stacksize=0)
