"""Sections about how much each token of a pair counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from codealign.config.sections import Count, Positive, Section


class NoTokenWeights(Section):
    """Every token counts as much; or the pairs came with weights."""

    kind: Literal["none"] = "none"


class ExpOfContrast(Section):
    """w = k·exp(±μ·clamp(log π⁺/π⁻, L, U)), + for a chosen side's tokens (arXiv 2410.04350, equation 19)."""

    kind: Literal["exp"] = "exp"
    lower: float = -0.5
    upper: float = 1.5
    """L and U, in nats; the paper's, as are the two below."""
    mu: Positive = 1.0
    scale: Positive = 1.0
    """k. Weights of k for all tokens are an objective with k·β."""

    @model_validator(mode="after")
    def _room_between(self) -> ExpOfContrast:
        if self.lower >= self.upper:
            raise ValueError(f"lower {self.lower} must be below upper {self.upper}")
        return self


class RanksOfContrast(Section):
    """Ranks of ±log π⁺/π⁻ within a side, from `lowest` to `highest`: the milder weights of TIS-DPO's code."""

    kind: Literal["ranks"] = "ranks"
    lowest: float = 0.7
    highest: float = 1.3
    """Weights of the side's worst and best token; the code's, with a mean of 1."""

    @model_validator(mode="after")
    def _room_between(self) -> RanksOfContrast:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest {self.lowest} must be below highest {self.highest}")
        return self


class ContrastSection(Section):
    """Tokens count by how much better a good model likes them than a bad one (TIS-DPO, arXiv 2410.04350)."""

    transform: Annotated[ExpOfContrast | RanksOfContrast, Field(discriminator="kind")] = (
        ExpOfContrast()
    )
    shuffle: bool = False
    """A control: each side's own weights in random order, which keeps their mean and their spread."""


class PromptContrast(ContrastSection):
    """Good and bad are the policy itself under a good and a bad instruction: TIS-DPO(P)."""

    kind: Literal["prompt"] = "prompt"
    good: str = "You are a careful expert programmer. Your code is correct and passes every test."
    bad: str = "You are a careless novice programmer. Your code has bugs and fails its tests."
    """For a chat model the system prompt in place of `model.system_prompt`; else a comment above the prompt."""


class SFTContrast(ContrastSection):
    """Good and bad are fine-tuned on the chosen and on the rejected sides: TIS-DPO(S)."""

    kind: Literal["sft"] = "sft"
    learning_rate: Positive = 5e-5
    num_train_epochs: Count = 3
    """The paper's, both. Whatever else `train` says holds for these two as well."""


class DPOContrast(ContrastSection):
    """Good and bad are aligned with the pairs and with the pairs swapped: TIS-DPO(D)."""

    kind: Literal["dpo"] = "dpo"
    learning_rate: Positive = 1e-5
    num_train_epochs: Count = 1
    beta: Positive = 0.1
    """The paper's, all three. Whatever else `train` says holds for these two as well."""


class RandomWeights(Section):
    """A control: each token's weight drawn between two bounds (arXiv 2410.04350, its ablation)."""

    kind: Literal["random"] = "random"
    lower: float = -0.5
    upper: float = 1.5
    """The paper's: its L and U, so that weights may be negative."""

    @model_validator(mode="after")
    def _room_between(self) -> RandomWeights:
        if self.lower >= self.upper:
            raise ValueError(f"lower {self.lower} must be below upper {self.upper}")
        return self


ExecutionSource = Literal["edits", "divergence", "coverage", "traceback"]


class ExecutionWeights(Section):
    """Token weights for `tis_dpo` from what happened when the programs ran; docs/token_weights.md."""

    kind: Literal["execution"] = "execution"
    sources: Annotated[list[ExecutionSource], Field(min_length=1)] = Field(
        default_factory=lambda: list[ExecutionSource](["edits"])
    )
    """Where a side goes wrong. `edits`: what an alignment with the nearest passing program replaces; `divergence`: all
    from where it leaves that program; `coverage`: lines that only failing tests ran (needs judge.coverage);
    `traceback`: the line of the exception. Several mean any of them."""
    outside: Positive = 0.2
    """Weight of the tokens that no source suspects; suspects weigh 1. Above 0: EOS may be among them, and a model must
    learn to stop. 1 is the objective without weights; the default is our choice."""
    normalise: bool = True
    """Divide a pair's weights by their mean, which would otherwise scale beta."""
    shuffle: bool = False
    """The control: each side's weights in random order."""


TokenWeights = Annotated[
    NoTokenWeights | PromptContrast | SFTContrast | DPOContrast | ExecutionWeights | RandomWeights,
    Field(discriminator="kind"),
]
TrainedContrast = SFTContrast | DPOContrast
