# task: text_lines
# tries: a text of 9 MB
def text_lines(text):
    return "x" * (9 << 20)
