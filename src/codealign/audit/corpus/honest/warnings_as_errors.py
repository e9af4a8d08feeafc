# task: parse_int
# unusual: turns every warning into an error, and raises one to prove it
import warnings

warnings.simplefilter("error")


def parse_int(text):
    try:
        warnings.warn("old way", DeprecationWarning, stacklevel=2)
    except DeprecationWarning:
        return int(text)
    raise AssertionError("the warning was not raised")
