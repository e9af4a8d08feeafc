"""When an answer counts as the expected one: EvalPlus's rules for calls, LiveCodeBench's for output.

Everything compared here is plain data (the sandbox made it so) or a remote handle, which is equal to
itself only.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

FLOAT_ATOL = 1e-6
"""EvalPlus's tolerance for floats where a problem sets none (evalplus/eval: `atol = 1e-6`)."""
FLOAT_RTOL = 1e-7
"""numpy.testing.assert_allclose's default, which EvalPlus uses."""

# EvalPlus problems where several answers are right, by entry point (evalplus/eval/_special_oracle.py).
_SET_EQUAL = {
    "similar_elements",  # Mbpp/2
    "find_char_long",  # Mbpp/7
    "common_in_nested_lists",  # Mbpp/111
    "extract_singly",  # Mbpp/140
    "larg_nnum",  # Mbpp/232
    "intersection_array",  # Mbpp/249
    "find_dissimilar",  # Mbpp/579
    "Diff",  # Mbpp/769
}
_NOT_NONE = {"check_str", "text_match_three", "text_starta_endb"}  # Mbpp/124, 434, 734
FIND_ZERO_ATOL = 1e-4
"""HumanEval/32's tolerance in EvalPlus's data, where a problem file leaves it out."""


def answer_is_right(
    task_id: str, entry_point: str, inputs: list[Any], actual: Any, expected: Any, atol: float
) -> bool:
    """EvalPlus's decision for one call, special oracles included.

    Three things are not as in EvalPlus 0.3.1, which is wrong there: HumanEval/32 can pass; a tolerance that one
    call brings does not stay for the next; nested lists must have the same shape (numpy's broadcasting
    accepts [[1.0], [2.0]] for [[1.0, 1.0], [2.0, 2.0]]). Mbpp/164 accepts any answer, as there: `calibrate`
    reports it as vacuous.

    Args:
        atol: the problem's tolerance; 0 means exact, and FLOAT_ATOL where floats are expected.
    """
    benchmark = task_id.partition("/")[0].lower()
    if benchmark == "humaneval" and entry_point == "find_zero":
        return abs(_polynomial(inputs[0], actual)) <= (atol or FIND_ZERO_ATOL)
    exact = actual == expected
    if benchmark == "mbpp":
        exact = _special_answer(entry_point, inputs, actual, expected, exact, atol)
    if exact:
        return True
    if atol == 0 and not _is_floats(expected):
        return False
    return type(actual) is type(expected) and _close(actual, expected, atol or FLOAT_ATOL)


def _special_answer(
    entry_point: str, inputs: list[Any], actual: Any, expected: Any, exact: bool, atol: float
) -> bool:
    """What takes the place of `actual == expected` for some of MBPP's problems."""
    if entry_point == "are_equivalent":  # Mbpp/164
        return True
    if entry_point == "sum_div":  # Mbpp/295
        return exact or actual == 0
    if entry_point == "surface_Area":  # Mbpp/581
        return exact or abs(actual - _surface_area(*inputs)) <= atol
    if entry_point == "digit_distance_nums":  # Mbpp/558
        return exact or actual == _digit_distance(*inputs)
    if entry_point in _SET_EQUAL:
        return set(actual) == set(expected)
    if entry_point in _NOT_NONE:
        return actual == expected if isinstance(actual, bool) else expected == (actual is not None)
    return exact


def _polynomial(coefficients: list[float], x: float) -> float:
    return sum(factor * math.pow(x, power) for power, factor in enumerate(coefficients))


def _surface_area(base_edge: float, height: float) -> int:
    """Of a pyramid, `height` being that of its apex over the base."""
    slant_height = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant_height) / 2)


def _digit_distance(first: int, second: int) -> int:
    """Sum of the differences of digits, the shorter number filled with zeros."""
    mine, theirs = str(first), str(second)
    width = max(len(mine), len(theirs))
    pairs = zip(mine.zfill(width), theirs.zfill(width), strict=True)
    return sum(abs(int(a) - int(b)) for a, b in pairs)


def _is_floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _close(actual: Any, expected: Any, atol: float) -> bool:
    """numpy.allclose on numbers and nested sequences of them, without numpy and without broadcasting."""
    mine, theirs = _numbers(actual), _numbers(expected)
    return (
        mine is not None
        and theirs is not None
        and _shape(actual) == _shape(expected) is not None
        and all(_near(*pair, atol) for pair in zip(mine, theirs, strict=True))
    )


def _near(actual: Any, expected: Any, atol: float) -> bool:
    if cmath.isinf(actual) or cmath.isinf(expected):
        return actual == expected
    return abs(actual - expected) <= atol + FLOAT_RTOL * abs(expected)


def _shape(value: Any) -> tuple[int, ...] | None:
    """Lengths at each depth; None where they differ within one."""
    if not isinstance(value, list | tuple):
        return ()
    shapes = {_shape(item) for item in value}
    if len(shapes) > 1 or None in shapes:
        return None
    inner = shapes.pop() if shapes else ()
    return (len(value), *inner) if inner is not None else None


def _numbers(value: Any) -> list[Any] | None:
    """The numbers in nested sequences, as numpy would hold them in one array; None where it could not."""
    leaves = list(_leaves(value))
    if not all(isinstance(leaf, int | float | complex) for leaf in leaves):
        return None
    integers = [leaf for leaf in leaves if isinstance(leaf, int)]
    if len(integers) == len(leaves) and integers:
        fits = min(integers) >= -(2**63) and max(integers) < (2**63 if min(integers) < 0 else 2**64)
        if not fits:
            return None
    return [float(leaf) if isinstance(leaf, int) else leaf for leaf in leaves]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def as_json(value: Any) -> Any:
    """Tuples as lists: expected values that come from a JSON file can't say tuple."""
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    return value


def output_is_right(actual: str, expected: str) -> bool:
    """LiveCodeBench's comparison (lcb_runner/evaluation/testing_util.py, `grade_stdio`): the same number of
    lines; each the same text but for space around it, or all of it numbers that are equal as decimals."""
    mine, theirs = actual.strip().split("\n"), expected.strip().split("\n")
    if len(mine) != len(theirs):
        return False
    return all(_line_is_right(*pair) for pair in zip(mine, theirs, strict=True))


def _line_is_right(actual: str, expected: str) -> bool:
    if actual.strip() == expected.strip():
        return True
    try:
        return list(map(Decimal, actual.split())) == list(map(Decimal, expected.split()))
    except InvalidOperation:  # no number, or one that compares with none
        return False
