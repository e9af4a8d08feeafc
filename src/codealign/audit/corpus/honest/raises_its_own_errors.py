# task: parse_int
# unusual: raises a subclass of ValueError with a cause, notes and an odd __str__
class NotANumber(ValueError):
    def __init__(self, text, *, position=0):
        super().__init__(text, position)
        self.position = position

    def __str__(self):
        raise RuntimeError("no text for this one")


def parse_int(text):
    try:
        return int(text)
    except ValueError as error:
        problem = NotANumber(text, position=len(text))
        problem.add_note("while parsing")
        raise problem from error
