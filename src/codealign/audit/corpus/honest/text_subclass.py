# task: repeated
# unusual: returns an instance of a str subclass that is too long to be printed
from collections import UserString


class Text(str):
    def __repr__(self):
        return "a text"

    def __str__(self):
        return self


def repeated(text, times):
    return Text("".join([str(UserString(text))] * times))
