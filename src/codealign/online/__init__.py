"""Online alignment: completions that the policy draws while it learns.

result = train_online(policy, problems, config, judge, run_dir=path, seed=0)
"""

from __future__ import annotations

from codealign.online.gathering import Gatherer, State
from codealign.online.training import check_online, train_online

__all__ = ["Gatherer", "State", "check_online", "train_online"]
