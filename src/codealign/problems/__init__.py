"""Problems from wherever they are: benchmarks by name, files, the Hub, the generator."""

from codealign.problems.leakage import check_prompts, check_splits
from codealign.problems.sources import ProblemSet, join_completions, load_problems

__all__ = ["ProblemSet", "check_prompts", "check_splits", "join_completions", "load_problems"]
