"""How much each token of a pair counts, from what is known about it; docs/token_weights.md.

`execution` weighs a pair, by what `sources` know from running the programs; `places` and `spans` lead from lines of a
program to tokens of a completion; `controls` are weights that know nothing, to compare with.

Not promised: that weighing helps. Compare with the controls, and with `dpo`.
"""

from codealign.token_weights.controls import random_weights, shuffled
from codealign.token_weights.execution import WeighedPairs, weigh_by_execution
from codealign.token_weights.spans import Decode, Span, spans_in, token_spans

__all__ = [
    "Decode",
    "Span",
    "WeighedPairs",
    "random_weights",
    "shuffled",
    "spans_in",
    "token_spans",
    "weigh_by_execution",
]
