"""codealign: unit tests in, a better code model out.

    from codealign import Candidate, Judge, build_pairs, judge, load_problems, pass_at_k, train

Every public name is here and imported when it is first used, so judging never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codealign.config import (
        JudgeConfig,
        ModelConfig,
        PairsConfig,
        RunConfig,
        TrainConfig,
        load_run_config,
    )
    from codealign.errors import CodealignError, InfrastructureError, InputError
    from codealign.evaluation import evaluate
    from codealign.judging import Candidate, Judge, check_references, judge, reward_function
    from codealign.online import train_online
    from codealign.pairs import build_pairs
    from codealign.passk import estimate_pass_at_k, paired_gain, pass_at_k, summarise
    from codealign.policy import Policy, load_policy
    from codealign.problems import check_splits, load_problems
    from codealign.programs import extract_program, read_completions
    from codealign.records import Completion, Pair, Problem, TestResult, Verdict
    from codealign.report import ReportData, write_report
    from codealign.rewards import build_reward
    from codealign.sampling import SamplingParams, open_engine, requests_for
    from codealign.training import train
    from codealign.verdicts import judge_completions


__all__ = [
    "Candidate",
    "CodealignError",
    "Completion",
    "InfrastructureError",
    "InputError",
    "Judge",
    "JudgeConfig",
    "ModelConfig",
    "Pair",
    "PairsConfig",
    "Policy",
    "Problem",
    "ReportData",
    "RunConfig",
    "SamplingParams",
    "TestResult",
    "TrainConfig",
    "Verdict",
    "build_pairs",
    "build_reward",
    "check_references",
    "check_splits",
    "estimate_pass_at_k",
    "evaluate",
    "extract_program",
    "judge",
    "judge_completions",
    "load_policy",
    "load_problems",
    "load_run_config",
    "open_engine",
    "paired_gain",
    "pass_at_k",
    "read_completions",
    "requests_for",
    "reward_function",
    "summarise",
    "train",
    "train_online",
    "write_report",
]

_HOMES = {
    "records": ("Completion", "Pair", "Problem", "TestResult", "Verdict"),
    "errors": ("CodealignError", "InfrastructureError", "InputError"),
    "config": (
        "JudgeConfig",
        "ModelConfig",
        "PairsConfig",
        "RunConfig",
        "TrainConfig",
        "load_run_config",
    ),
    "problems": ("check_splits", "load_problems"),
    "programs": ("extract_program", "read_completions"),
    "judging": ("Candidate", "Judge", "check_references", "judge", "reward_function"),
    "verdicts": ("judge_completions",),
    "pairs": ("build_pairs",),
    "passk": ("estimate_pass_at_k", "paired_gain", "pass_at_k", "summarise"),
    "policy": ("Policy", "load_policy"),
    "sampling": ("SamplingParams", "open_engine", "requests_for"),
    "online": ("train_online",),
    "rewards": ("build_reward",),
    "training": ("train",),
    "evaluation": ("evaluate",),
    "report": ("ReportData", "write_report"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'codealign' has no attribute {name!r}")
    return getattr(importlib.import_module(f"codealign.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
