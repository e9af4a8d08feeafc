# task: add
# unusual: ends without a line end, in a comment
add = \
    lambda *numbers: sum(numbers)  # the end