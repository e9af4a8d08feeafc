"""How the report writes numbers: fractions as percent, differences as points, seconds as durations."""

from __future__ import annotations

from collections.abc import Sequence

from codealign.report.data import Gain, Score

MINUS = "\N{MINUS SIGN}"
EN_DASH = "\N{EN DASH}"


def percent(fraction: float) -> str:
    """0.523 as `52.3%`."""
    return f"{100 * fraction:.1f}%"


def signed(value: float, digits: int) -> str:
    """A change with its sign, to so many digits after the point: `+0.03`, `0.00`."""
    rounded = round(value, digits)
    sign = "" if rounded == 0 else "+" if rounded > 0 else MINUS
    return f"{sign}{abs(rounded):.{digits}f}"


def points(difference: float) -> str:
    """A difference of two fractions in percentage points with its sign: 0.12 as `+12.0`."""
    return signed(100 * difference, 1)


def percent_interval(score: Score) -> str:
    """`48.1-56.4%` (with an en dash), or nothing when the interval is unknown."""
    if score.interval is None:
        return ""
    low, high = score.interval
    return f"{100 * low:.1f}{EN_DASH}{percent(high)}"


def points_interval(gain: Gain) -> str:
    """`+8.1 to +16.0`, or nothing when the interval is unknown."""
    if gain.interval is None:
        return ""
    low, high = gain.interval
    return f"{points(low)} to {points(high)}"


def p_value(p: float | None) -> str:
    """`p < 0.001`, `p = 0.012`, or nothing when no test was made."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `42 s`, `3 min 05 s` or `2 h 07 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int, noun: str) -> str:
    """`1 pair`, `1,200 pairs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
