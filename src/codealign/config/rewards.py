"""Sections about what a verdict is worth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codealign.config.sections import Positive, Section

Score = Annotated[float, Field(allow_inf_nan=False)]


class RewardSection(Section):
    """A rule from verdicts to rewards; docs/rewards.md."""

    unfinished: Score | None = None
    """Reward of a completion that the token limit cut, whether or not its program passes; None is the rule's lowest."""


class CodeRLReward(RewardSection):
    """Four levels by how far a program came; the numbers are CodeRL's (arXiv 2207.01780, section 3.2)."""

    kind: Literal["coderl"] = "coderl"
    passed: Score = 1.0
    failed: Score = -0.3
    """It ran, and a test failed."""
    runtime_error: Score = -0.6
    """It raised, left, or went over a limit."""
    syntax_error: Score = -1.0
    """It does not compile, or does not define what is asked for."""


class BinaryReward(RewardSection):
    """1 for a program that passes every test, else 0."""

    kind: Literal["binary"] = "binary"


class FractionReward(RewardSection):
    """The share of the tests that it passes. Partial credit can be earned by special cases: watch `passed` beside it."""

    kind: Literal["fraction"] = "fraction"


class FunctionReward(RewardSection):
    """Any Python function with the signature of TRL's `reward_funcs`."""

    kind: Literal["function"] = "function"
    target: Annotated[str, Field(pattern=r"^.+:[A-Za-z_][\w.]*$")]
    """`module:function`, imported as Python would from the working directory, or `path/to/file.py:function`."""
    messages: bool = False
    """True hands prompts and completions over as chat messages, as TRL does for conversational data sets."""
    unfinished: Score | None = 0.0
    """As elsewhere, but there is no lowest: None asks the function, which sees `finish_reason`."""


PlainReward = Annotated[
    CodeRLReward | BinaryReward | FractionReward | FunctionReward, Field(discriminator="kind")
]


class EfficiencyReward(Section):
    """Another rule, and a bonus for programs that pass with little CPU time."""

    kind: Literal["efficiency"] = "efficiency"
    rule: PlainReward = BinaryReward()
    """It also says what an unfinished completion gets."""
    bonus: Positive = 0.5
    """For the least CPU time of the problem's passing programs; half of it from twice that time on, a quarter from four
    times. Our choice: half of what passing is worth by itself."""
    floor_s: Positive = 0.05
    """CPU seconds below which all programs count as equally fast. Our choice: programs that take less differ by noise
    (measured: the same trivial program took 1.5 to 3 ms)."""


Reward = Annotated[
    CodeRLReward | BinaryReward | FractionReward | EfficiencyReward | FunctionReward,
    Field(discriminator="kind"),
]
