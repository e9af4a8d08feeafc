# task: text_lines
# unusual: carriage returns at its line ends, and inside a text
SEPARATOR = """|
"""

def text_lines(text):
    lines = text.split(chr(10))
    return SEPARATOR[0].join(\
        line.strip() for line in lines if line.strip())
