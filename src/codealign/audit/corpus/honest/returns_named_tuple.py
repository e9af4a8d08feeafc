# task: split_even
# unusual: returns a named tuple of list subclasses
from collections import UserList, namedtuple

Split = namedtuple("Split", "even odd")


class Numbers(list):
    pass


def split_even(numbers):
    return Split(even=Numbers(n for n in numbers if n % 2 == 0), odd=Numbers(UserList(n for n in numbers if n % 2).data))
