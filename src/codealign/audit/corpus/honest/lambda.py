# task: add
# unusual: the function is a lambda with a default
add = lambda a, b=0: a + b
