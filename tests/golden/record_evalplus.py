"""Record EvalPlus 0.3.1's own decisions: `python record_evalplus.py` where evalplus, numpy and psutil are installed.

Each case is one call, judged by `evalplus.eval.untrusted_check` itself; values are kept as `codealign.sandbox.codec`
writes them. test_judge_compare.py holds ours against them.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from evalplus.eval import PASS, untrusted_check

from codealign.sandbox.codec import encode, plain_or

NUM_RANDOM = 900
SPECIAL = {
    "similar_elements": 2,
    "extract_singly": 140,
    "Diff": 769,
    "check_str": 124,
    "text_starta_endb": 734,
    "are_equivalent": 164,
    "sum_div": 295,
    "surface_Area": 581,
    "digit_distance_nums": 558,
}
NUMBERS = [
    0,
    1,
    -1,
    3,
    2**62,
    2**63,
    2**64,
    2**70,
    0.0,
    -0.0,
    1.0,
    1.0000005,
    1.00001,
    1e-7,
    3.0,
    1e300,
]
NUMBERS += [float("inf"), float("-inf"), float("nan"), True, False, 1 + 2j]
OTHERS = ["", "a", "1", b"a", None, {1}, {1: 1.0}, {"a": 1.0}]


def value(chooser: random.Random, depth: int = 0) -> Any:
    roll = chooser.random()
    if depth < 2 and roll < 0.45:
        items = [value(chooser, depth + 1) for _ in range(chooser.randrange(4))]
        return items if chooser.random() < 0.6 else tuple(items)
    return chooser.choice(NUMBERS if roll < 0.9 else OTHERS)


def nearly(chooser: random.Random, what: Any) -> Any:
    """The same value, or one a little beside it."""
    if isinstance(what, list | tuple):
        items = [nearly(chooser, item) for item in what]
        if items and chooser.random() < 0.1:
            items.pop()
        return type(what)(items) if chooser.random() < 0.9 else tuple(items)
    if isinstance(what, float | int) and not isinstance(what, bool) and chooser.random() < 0.6:
        return what + chooser.choice([0, 0.0, 5e-7, 2e-6, 1e-3, 1])
    return what


def cases() -> list[tuple[str, str, list[Any], Any, Any, float]]:
    chooser = random.Random(0)
    found: list[tuple[str, str, list[Any], Any, Any, float]] = []
    for _ in range(NUM_RANDOM):
        expected = value(chooser)
        actual = nearly(chooser, expected) if chooser.random() < 0.8 else value(chooser)
        found.append(("HumanEval/0", "f", [], actual, expected, chooser.choice([0, 0, 1e-6, 1e-3])))
    for entry, number in SPECIAL.items():
        for _ in range(25):
            inputs = [chooser.randrange(1, 200), chooser.randrange(1, 200)]
            expected = chooser.choice([True, False, None, 0, 33, (1, 2), [2, 1], [], 6])
            actual = chooser.choice(
                [expected, True, None, 0, 0.0, 33, (2, 1), [1, 2, 2], "text", [3]]
            )
            found.append(
                (f"Mbpp/{number}", entry, inputs, actual, expected, chooser.choice([0, 1e-6, 1]))
            )
    found += [
        (f"Mbpp/{SPECIAL[entry]}", entry, inputs, actual, -1, atol)
        for entry, inputs, right in (
            ("surface_Area", [3, 4], 35),
            ("digit_distance_nums", [123, 256], 7),
        )
        for actual in (right, right + 1, float(right))
        for atol in (0, 1e-6)
    ]
    return found


def decide(case: tuple[str, str, list[Any], Any, Any, float]) -> bool:
    task_id, entry, inputs, actual, expected, atol = case
    code = f"from math import inf, nan\ninfj = complex(0, inf)\ndef {entry}(*arguments): return {actual!r}\n"
    dataset = task_id.partition("/")[0].lower()
    stat, _ = untrusted_check(dataset, code, [inputs], entry, [expected], atol, [1.0])
    return stat == PASS


def main() -> None:
    def refuse(what: Any) -> Any:
        raise TypeError(f"a {type(what).__name__} in a golden value")

    rows = [encode([*case, decide(case)], plain_or(refuse)) for case in cases()]
    path = Path(__file__).with_name("evalplus_0_3_1.jsonl")
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    print(f"{len(rows)} decisions, {sum(row[-1] for row in rows)} of them right")


if __name__ == "__main__":
    main()
