"""Can a wrong program get past a judge, or harm the machine behind it? A shipped corpus, and who fell to what.

    from codealign.audit import audit, load_corpus, make_target

    report = audit(make_target("judge"), load_corpus())
    print(report.is_clean, report.findings)

A target is our judge at a level, a peer, or any Python reward function. docs/audit.md tells how to read a
report. No torch.

Not promised: that a judge which stops all of these stops everything.
"""

from codealign.audit.answers import Answer, Result, SequenceResult
from codealign.audit.corpus import CATEGORIES, Corpus, Sequence, Specimen, load_corpus
from codealign.audit.report import Finding, Report
from codealign.audit.running import audit
from codealign.audit.targets import Target, make_target
from codealign.audit.tasks import TASKS, Task

__all__ = [
    "CATEGORIES",
    "TASKS",
    "Answer",
    "Corpus",
    "Finding",
    "Report",
    "Result",
    "Sequence",
    "SequenceResult",
    "Specimen",
    "Target",
    "Task",
    "audit",
    "load_corpus",
    "make_target",
]
