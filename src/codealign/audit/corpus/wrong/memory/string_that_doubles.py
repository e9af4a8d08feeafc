# task: text_lines
# tries: a text twice as long with every step
def text_lines(text):
    text = "x"
    while True:
        text += text
