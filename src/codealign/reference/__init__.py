"""What the reference says of each program: computed once, remembered per token on disk, shared by all runs.

cache = ReferenceCache(policy, reference_dir() / policy.reference_hash())
cache.fill(batches)                              # before the first update
logps_NT = cache.token_logps(batch)

other = other_reference(ModelConfig(model_name_or_path="…"), policy, batches, reference_dir())
logps_NTK = reference_columns([cache, other], batch)
"""

from __future__ import annotations

from codealign.reference.cache import ReferenceCache, reference_columns, reference_dir
from codealign.reference.others import other_reference

__all__ = ["ReferenceCache", "other_reference", "reference_columns", "reference_dir"]
