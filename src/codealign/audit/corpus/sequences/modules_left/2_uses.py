# task: add
# tries: imports the module that the program before wrote
try:
    from left_module import add
except ImportError:

    def add(a, b):
        return None
