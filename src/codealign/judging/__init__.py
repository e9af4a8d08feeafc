"""Is this program right? Judging apart from the program, in a sandbox; docs/judge.md says what that means.

    from codealign.judging import Candidate, Judge, judge

`verdicts` is the face, `pool` its processes; `worker`, `referee`, `styles`, `rewrite`, `compare` and
`scorecard` are the judge process, which imports the standard library only.
"""

from codealign.judging.calibration import Calibration, calibrate
from codealign.judging.reward import reward_function
from codealign.judging.verdicts import (
    Candidate,
    Judge,
    check_references,
    judge,
)

__all__ = [
    "Calibration",
    "Candidate",
    "Judge",
    "calibrate",
    "check_references",
    "judge",
    "reward_function",
]
