"""What references say of each program: computed once, remembered per token on disk, shared by all runs.

cache = ReferenceCache(policy, reference_dir() / policy.reference_hash())
cache.fill(batches)                              # before the first update
logps_NT = cache.token_logps(batch)

other = ReferenceConfig(model_name_or_path="…")  # with a tokenizer of its own
chosen, rejected = other_reference_logps(other, [PairText(prompt, y1, y2)], policy, reference_dir())[0]
"""

from __future__ import annotations

from codealign.reference.cache import ReferenceCache, reference_dir
from codealign.reference.following import Follower
from codealign.reference.frozen import FrozenReference
from codealign.reference.others import PairText, other_reference_logps
from codealign.reference.sums import PairLogps, summed_logps

__all__ = [
    "Follower",
    "FrozenReference",
    "PairLogps",
    "PairText",
    "ReferenceCache",
    "other_reference_logps",
    "reference_dir",
    "summed_logps",
]
