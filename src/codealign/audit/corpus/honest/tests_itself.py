# task: add
# unusual: carries its own doctests and unit tests and runs them while it is imported
import doctest
import unittest
from unittest import mock


def add(a, b):
    """
    >>> add(1, 2)
    3
    >>> add(1, "x")
    Traceback (most recent call last):
    TypeError: unsupported operand type(s) for +: 'int' and 'str'
    """
    return a + b


class AddTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(2, 2), 4)
        with self.subTest("mocked"), mock.patch(f"{__name__}.add", return_value=7) as mocked:
            self.assertEqual(add(1, 1), 7)
            mocked.assert_called_once_with(1, 1)


results = doctest.testmod()
assert results.failed == 0 and results.attempted == 2, results
program = unittest.main(exit=False, verbosity=0)
assert program.result.wasSuccessful() and program.result.testsRun == 1
