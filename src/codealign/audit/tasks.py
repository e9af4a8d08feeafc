"""The small problems that the corpus answers, each testable in every style.

A task keeps its tests once, as plain statements that name the entry point; what a judge wants is made from
them: HumanEval's `check`, MBPP's asserts, or EvalPlus's calls (where arguments and answers are plain data).

To add one: `_task(prompt, solution, *statements)` in the table below. The prompt ends with the docstring, the solution
is its continuation, as in HumanEval; the last function or class of the prompt is the entry point.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from codealign.records import AssertTests, CallTests, CheckTests, Problem


class Task(NamedTuple):
    """A problem, its reference solution and its tests."""

    name: str
    """Also the entry point."""
    prompt: str
    solution: str
    """Continues the prompt."""
    statements: tuple[str, ...]
    helpers: str
    """Source that the statements use; may name the entry point."""
    inputs: list[list[Any]] | None
    """Argument lists whose answers are plain data; None where calls alone can't test it."""

    @property
    def reference(self) -> str:
        """The reference solution as a whole program."""
        return self.prompt + self.solution

    @property
    def stub(self) -> str:
        """A program that defines what is asked for and does nothing."""
        signature = re.findall(rf"^(?:def|class) {self.name}\b.*$", self.prompt, re.MULTILINE)[-1]
        return f"{signature}\n    pass\n"

    @property
    def check_source(self) -> str:
        """HumanEval's form of the tests."""
        lines = [*self.helpers.splitlines(), *self.statements]
        body = "\n".join("    " + self._named_candidate(line) for line in lines)
        return f"def check(candidate):\n{body}\n"

    def _named_candidate(self, line: str) -> str:
        return re.sub(rf"\b{self.name}\b", "candidate", line)

    @property
    def problem(self) -> Problem:
        return self._problem(CheckTests(source=self.check_source))

    @property
    def assert_problem(self) -> Problem:
        return self._problem(AssertTests(asserts=list(self.statements), setup=self.helpers))

    @property
    def call_problem(self) -> Problem | None:
        return None if self.inputs is None else self._problem(CallTests(inputs=self.inputs))

    def _problem(self, tests: Any) -> Problem:
        return Problem(
            task_id=f"audit/{self.name}",
            prompt=self.prompt,
            entry_point=self.name,
            tests=tests,
            canonical_solution=self.solution,
        )


def _task(
    prompt: str,
    solution: str,
    *statements: str,
    helpers: str = "",
    inputs: list[list[Any]] | None = None,
) -> Task:
    name = re.findall(r"^(?:def|class) (\w+)", prompt, re.MULTILINE)[-1]
    return Task(name, prompt, solution, statements, helpers, inputs)


_ALL = [
    _task(
        'def add(a, b):\n    """The sum of two integers."""\n',
        "    return a + b\n",
        "assert add(1, 2) == 3",
        "assert add(-1, 1) == 0",
        "assert add(100, 23) == 123",
        "assert add(-7, -8) == -15",
        inputs=[[1, 2], [-1, 1], [100, 23], [-7, -8]],
    ),
    _task(
        'def sort_list(items):\n    """A new list of the same items in ascending order."""\n',
        "    return sorted(items)\n",
        "assert sort_list([3, 1, 2]) == [1, 2, 3]",
        "assert sort_list([]) == []",
        "assert sort_list([5, -5, 5]) == [-5, 5, 5]",
        inputs=[[[3, 1, 2]], [[]], [[5, -5, 5]]],
    ),
    _task(
        'def running_mean(values):\n    """The mean of the first 1, 2, … values, as floats."""\n',
        "    total, means = 0.0, []\n"
        "    for count, value in enumerate(values, 1):\n"
        "        total += value\n"
        "        means.append(total / count)\n"
        "    return means\n",
        "assert running_mean([1.0, 2.0, 3.0]) == [1.0, 1.5, 2.0]",
        "assert running_mean([]) == []",
        "assert all(abs(a - b) < 1e-6 for a, b in zip(running_mean([1, 0, 0]), [1, 0.5, 1 / 3], strict=True))",
        inputs=[[[1.0, 2.0, 3.0]], [[]], [[1, 0, 0]]],
    ),
    _task(
        'def mean(values):\n    """The arithmetic mean of numbers, as a float; 0.0 of none."""\n',
        "    return sum(values) / len(values) if values else 0.0\n",
        "assert abs(mean([1, 2]) - 1.5) < 1e-6",
        "assert abs(mean([0.1, 0.2, 0.3]) - 0.2) < 1e-6",
        "assert mean([]) == 0.0",
        inputs=[[[1, 2]], [[0.1, 0.2, 0.3]], [[]]],
    ),
    _task(
        'def word_counts(text):\n    """How often each word of a text occurs, words split at white space."""\n',
        "    counts = {}\n"
        "    for word in text.split():\n"
        "        counts[word] = counts.get(word, 0) + 1\n"
        "    return counts\n",
        "assert word_counts('a b a') == {'a': 2, 'b': 1}",
        "assert word_counts('') == {}",
        "assert word_counts('one\\ntwo  one one') == {'one': 3, 'two': 1}",
        inputs=[["a b a"], [""], ["one\ntwo  one one"]],
    ),
    _task(
        'def big_power(base, exponent):\n    """base ** exponent for integers, exponent >= 0, exactly."""\n',
        "    return base ** exponent\n",
        "assert big_power(2, 10) == 1024",
        "assert big_power(7, 0) == 1",
        "assert big_power(3, 500) == pow(3, 500)",
        "assert big_power(-10, 99) == -(10 ** 99)",
        inputs=[[2, 10], [7, 0], [3, 500], [-10, 99]],
    ),
    _task(
        'def primes_below(limit):\n    """The primes below a number, ascending."""\n',
        "    return [n for n in range(2, limit) if all(n % d for d in range(2, n))]\n",
        "assert primes_below(10) == [2, 3, 5, 7]",
        "assert primes_below(2) == []",
        "assert primes_below(20)[-1] == 19",
        "assert len(primes_below(100)) == 25",
        inputs=[[10], [2], [20], [100]],
    ),
    _task(
        'def parse_int(text):\n    """The integer that a text spells; ValueError when it spells none."""\n',
        "    return int(text)\n",
        "assert parse_int(' 42 ') == 42",
        "assert parse_int('-7') == -7",
        "assert refuses('four')",
        "assert refuses('')",
        helpers="def refuses(text):\n"
        "    try:\n"
        "        parse_int(text)\n"
        "    except ValueError:\n"
        "        return True\n"
        "    return False\n",
    ),
    _task(
        'def text_lines(text):\n    """The lines of a text, trimmed, without the empty ones, joined by `|`."""\n',
        "    return '|'.join(line.strip() for line in text.splitlines() if line.strip())\n",
        "assert text_lines('a\\n\\n b ') == 'a|b'",
        "assert text_lines('') == ''",
        "assert text_lines('één\\r\\n二\\n🐍') == 'één|二|🐍'",
        inputs=[["a\n\n b "], [""], ["één\r\n二\n🐍"]],
    ),
    _task(
        'def flatten(nested):\n    """The numbers of arbitrarily nested lists, left to right, in one list."""\n',
        "    flat = []\n"
        "    for item in nested:\n"
        "        flat.extend(flatten(item) if isinstance(item, list) else [item])\n"
        "    return flat\n",
        "assert flatten([1, [2, [3, [4]]], 5]) == [1, 2, 3, 4, 5]",
        "assert flatten([]) == []",
        "assert flatten([[], [[]], [[[0]]]]) == [0]",
        inputs=[[[1, [2, [3, [4]]], 5]], [[]], [[[], [[]], [[[0]]]]]],
    ),
    _task(
        "def split_even(numbers):\n"
        '    """A tuple of two lists: the even numbers and the odd ones, in their order."""\n',
        "    return [n for n in numbers if n % 2 == 0], [n for n in numbers if n % 2]\n",
        "assert split_even([1, 2, 3, 4]) == ([2, 4], [1, 3])",
        "assert split_even([]) == ([], [])",
        "assert split_even([-3, 0]) == ([0], [-3])",
        inputs=[[[1, 2, 3, 4]], [[]], [[-3, 0]]],
    ),
    _task(
        'def reverse_list(items):\n    """A new list of the same items in opposite order."""\n',
        "    return items[::-1]\n",
        "assert reverse_list([1, 2, 3]) == [3, 2, 1]",
        "assert is_reversed([1, 2, 3])",
        "assert is_reversed(list(range(50)))",
        # Computes what it expects after the call, as many a published test does.
        helpers="def is_reversed(items):\n    return reverse_list(items) == items[::-1]\n",
        inputs=[[[1, 2, 3]], [list(range(50))]],
    ),
    _task(
        'def is_sorted(items):\n    """Whether a list is in ascending order."""\n',
        "    return all(a <= b for a, b in zip(items, items[1:]))\n",
        "assert is_sorted([1, 2, 2]) is True",
        "assert is_sorted([2, 1]) is False",
        "assert is_sorted([]) is True",
        "assert is_sorted([3, 3, 1]) is False",
        inputs=[[[1, 2, 2]], [[2, 1]], [[]], [[3, 3, 1]]],
    ),
    _task(
        "def make_counter(start):\n"
        '    """A function that gives start, start + 1, … one by one at each call."""\n',
        "    state = [start - 1]\n"
        "    def count():\n"
        "        state[0] += 1\n"
        "        return state[0]\n"
        "    return count\n",
        "assert taken(make_counter(5)) == [5, 6, 7]",
        "assert taken(make_counter(-1)) == [-1, 0, 1]",
        helpers="def taken(counter):\n    return [counter(), counter(), counter()]\n",
    ),
    _task(
        "class Stack:\n"
        '    """Last in, first out: push(item), pop() with IndexError when empty, size()."""\n',
        "    def __init__(self):\n"
        "        self.items = []\n"
        "    def push(self, item):\n"
        "        self.items.append(item)\n"
        "    def pop(self):\n"
        "        return self.items.pop()\n"
        "    def size(self):\n"
        "        return len(self.items)\n",
        "assert pushed_and_popped([1, 2, 3]) == [3, 2, 1]",
        "assert Stack().size() == 0",
        "assert refuses_to_pop(Stack())",
        helpers="def pushed_and_popped(items):\n"
        "    stack = Stack()\n"
        "    for item in items:\n"
        "        stack.push(item)\n"
        "    return [stack.pop() for _ in range(stack.size())]\n"
        "def refuses_to_pop(stack):\n"
        "    try:\n"
        "        stack.pop()\n"
        "    except IndexError:\n"
        "        return True\n"
        "    return False\n",
    ),
    _task(
        'def countdown(start):\n    """A generator of start, start - 1, …, 1."""\n',
        "    while start > 0:\n        yield start\n        start -= 1\n",
        "assert list(countdown(3)) == [3, 2, 1]",
        "assert list(countdown(0)) == []",
        "assert sum(countdown(100)) == 5050",
    ),
    _task(
        'def repeated(text, times):\n    """A text, so many times over."""\n',
        "    return text * times\n",
        "assert repeated('ab', 3) == 'ababab'",
        "assert repeated('x', 0) == ''",
        "assert len(repeated('long ', 1_000_000)) == 5_000_000",
        inputs=[["ab", 3], ["x", 0]],
    ),
    _task(
        'def nested(depth):\n    """Empty lists in lists, so many levels of them."""\n',
        "    return [] if depth == 1 else [nested(depth - 1)]\n",
        "assert nested(1) == []",
        "assert nested(3) == [[[]]]",
        "assert str(nested(50)) == '[' * 50 + ']' * 50",
        inputs=[[1], [3], [50]],
    ),
    _task(
        'def extremes():\n    """Not a number, infinity, its negative, and negative zero: four floats in a list."""\n',
        "    return [float('nan'), float('inf'), -float('inf'), -0.0]\n",
        "assert [repr(number) for number in extremes()] == ['nan', 'inf', '-inf', '-0.0']",
        "assert extremes()[0] != extremes()[0]",
    ),
    _task(
        'def by_kind(items):\n    """A dict from each item (numbers, texts, tuples, None) to the name of its type."""\n',
        "    return {item: type(item).__name__ for item in items}\n",
        "assert by_kind([1, 'a', None, (1, 'b')]) == {1: 'int', 'a': 'str', None: 'NoneType', (1, 'b'): 'tuple'}",
        "assert list(by_kind(['z', 2.5, 'a'])) == ['z', 2.5, 'a']",
        "assert by_kind([]) == {}",
    ),
    _task(
        'def total_price(prices):\n    """The exact sum of prices given as texts, as a Decimal."""\n',
        "    from decimal import Decimal\n    return sum(map(Decimal, prices), Decimal(0))\n",
        "assert total_price(['1.10', '2.20']) == Decimal('3.30')",
        "assert str(total_price(['0.10', '0.20'])) == '0.30'",
        "assert total_price([]) == 0",
        helpers="from decimal import Decimal\n",
    ),
    _task(
        'def encoded(text):\n    """The UTF-8 bytes of a text."""\n',
        "    return text.encode('utf-8')\n",
        "assert encoded('a\u00e9') == b'a\\xc3\\xa9'",
        "assert encoded('') == b''",
        "assert bytes(range(3)) == encoded('\\x00\\x01\\x02')",
    ),
]

TASKS = {task.name: task for task in _ALL}
