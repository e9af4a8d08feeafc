# task: add
# unusual: the entry point is a function of the library
from operator import add
