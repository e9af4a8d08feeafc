"""A whole run file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from codealign.config.models import ModelConfig
from codealign.config.objectives import TISDPO, objectives_in, several_references
from codealign.config.rollouts import Rollouts
from codealign.config.sections import Section
from codealign.config.stages import (
    EvalConfig,
    FilePairs,
    JudgeConfig,
    PairsConfig,
    ProblemsConfig,
    SampleConfig,
)
from codealign.config.token_weights import ExecutionWeights, NoTokenWeights, TokenWeights
from codealign.config.training import TrainConfig


class RunConfig(Section):
    """A run file."""

    name: str = "run"
    run_dir: str | None = None
    """Where artefacts go; None is runs/<name>."""
    seed: Annotated[int, Field(ge=0)] = 0
    model: ModelConfig = ModelConfig()
    problems: ProblemsConfig = ProblemsConfig()
    sample: SampleConfig = SampleConfig()
    judge: JudgeConfig = JudgeConfig()
    pairs: PairsConfig = PairsConfig()
    token_weights: TokenWeights = NoTokenWeights()
    """Written into the pairs before training, for objectives that weigh tokens (`tis_dpo`)."""
    train: TrainConfig = TrainConfig()
    eval: EvalConfig = EvalConfig()

    @property
    def annotates_pairs(self) -> bool:
        """Whether token weights or what other references say are written into the pairs before training."""
        is_weighed = not isinstance(self.token_weights, NoTokenWeights)
        return is_weighed or several_references(self.train.objective) is not None

    @model_validator(mode="after")
    def _rollouts_are_learnt_from_as_they_are(self) -> RunConfig:
        if not isinstance(self.train.experience, Rollouts):
            return self
        reason = ""
        if self.annotates_pairs:
            reason = "token weights and other references are written into pairs before training"
        if isinstance(self.pairs.strategy, FilePairs):
            reason = "pairs.strategy: file has pairs that are there before training"
        if reason:
            raise ValueError(
                f"train.experience.kind: rollouts draws its completions while it trains, and {reason}: choose "
                "one of the two"
            )
        return self

    @model_validator(mode="after")
    def _token_weights_are_read(self) -> RunConfig:
        readers = [each for each in objectives_in(self.train.objective) if isinstance(each, TISDPO)]
        if not isinstance(self.token_weights, NoTokenWeights) and not readers:
            raise ValueError(
                f"token_weights.kind: {self.token_weights.kind} would be ignored by "
                f"{self.train.objective.kind}: set train.objective.kind: tis_dpo around it"
            )
        return self

    @model_validator(mode="after")
    def _coverage_is_there(self) -> RunConfig:
        section = self.token_weights
        reads = isinstance(section, ExecutionWeights) and "coverage" in section.sources
        if reads and not self.judge.coverage:
            raise ValueError("token_weights.sources: coverage needs judge.coverage: true")
        return self

    @model_validator(mode="after")
    def _verdicts_are_there(self) -> RunConfig:
        from_file = isinstance(self.pairs.strategy, FilePairs)
        if from_file and isinstance(self.token_weights, ExecutionWeights):
            raise ValueError(
                "token_weights: execution reads verdicts, and pairs of a file (pairs.strategy) have none: "
                "choose other token weights, or sample the pairs"
            )
        return self
