"""Can a wrong program get past a judge, or harm the machine behind it? A shipped corpus, and who fell to what.

`load_corpus` reads the programs, `audit` runs them against a target: our judge at a level, a peer, or any
Python reward function. docs/audit.md tells how to read the result. No torch.

Not promised: that a judge which stops all of these stops everything.
"""

from codealign.audit.corpus import CATEGORIES, Corpus, Sequence, Specimen, load_corpus
from codealign.audit.tasks import TASKS, Task

__all__ = [
    "CATEGORIES",
    "TASKS",
    "Corpus",
    "Sequence",
    "Specimen",
    "Task",
    "load_corpus",
]
