"""Sections about the loop: updates, the reference, and everything that `train` says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from codealign.config.objectives import DPO, MRPO, SFT, Objective, objectives_in
from codealign.config.policy_gradients import is_policy_gradient
from codealign.config.rollouts import Rollouts
from codealign.config.sections import Count, Fraction, Positive, Section
from codealign.config.token_weights import SFTContrast, TrainedContrast

Tracker = Literal["tensorboard", "wandb", "trackio"]


class Backprop(Section):
    """AdamW on gradients."""

    kind: Literal["backprop"] = "backprop"
    optim: Literal["adamw_torch_fused", "adamw_bnb_8bit"] = "adamw_torch_fused"
    """8-bit moments (arXiv 2110.02861) take 2 bytes a weight instead of 8, and need bitsandbytes."""
    float32_masters: bool = True
    """Move narrower weights through float32 copies. Without, 4 bytes a weight less, and a step of 1e-6 is
    rounded away in bfloat16: learning rates below about 1e-4 then move almost nothing."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Evaluate and keep an exponential moving average of the weights, 4 bytes a weight more; 0.99 follows 100
    steps. None is off."""
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    max_grad_norm: Positive = 1.0


class ZerothOrder(Section):
    """SPSA with one seed per step (MeZO, arXiv 2305.17333): two forwards, no backward."""

    kind: Literal["zeroth_order"] = "zeroth_order"
    epsilon: Positive = 1e-3
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """As in `backprop`."""


Update = Annotated[Backprop | ZerothOrder, Field(discriminator="kind")]


class StoredPairs(Section):
    """Recorded pairs, shuffled by epoch."""

    kind: Literal["pairs"] = "pairs"


Experience = Annotated[StoredPairs | Rollouts, Field(discriminator="kind")]


class EarlyStopping(Section):
    """Stop when validation greedy pass@1 has not improved for `patience` evaluations; keep the best."""

    patience: Count = 2
    min_delta: Fraction = 0.0


class FollowingReference(Section):
    """A reference that follows the policy (TR-DPO, arXiv 2404.09656)."""

    every: Count = 512
    """Optimiser steps between its moves; TRL's default, as the share below."""
    mixup: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Share of the policy's weights in it after a move; 1 is the paper's hard update."""


class TrainConfig(Section):
    """The loop: an experience gives batches, an objective a loss, an update moves weights."""

    objective: Objective = DPO()
    update: Update = Backprop()
    experience: Experience = StoredPairs()
    learning_rate: Annotated[float, Field(ge=0.0)] = 1e-6
    """5e-7 to 1e-6 for a full 7B, 1e-5 to 5e-5 for LoRA, 2e-5 for kata. Ten times too much collapses
    DPO silently: the loss falls, accuracy rises, pass@1 goes."""
    lr_scheduler_type: Literal["constant", "linear", "cosine"] = "linear"
    warmup_ratio: Fraction = 0.1
    max_seconds: Positive | None = None
    """Take no step after so many seconds of training, gathering and validation included: for comparisons at equal time. What
    comes out then depends on the machine."""
    num_train_epochs: Count = 1
    per_device_train_batch_size: Count = 8
    """Pairs a microbatch."""
    gradient_accumulation_steps: Count = 1
    pairs_per_step: Count | None = None
    """Of all processes together. None: the product of the two above and the number of processes. With a number,
    a run may go on with another number of processes; pairs a microbatch are layout then."""
    max_tokens_per_microbatch: Count | None = None
    """Share a step's pairs out by tokens instead: a microbatch holds as many as fit, each prompt and each
    completion counted once. This bounds memory; the step's pairs stay as many as the two settings above make."""
    max_length: Count | None = 1024
    """Tokens of prompt + completion; a longer pair is left out and counted, never cut."""
    logging_steps: Count = 1
    following_reference: FollowingReference | None = None
    """Move the reference toward the policy now and then; None keeps it at the first weights."""
    reference_cache: str | None = None
    """Directory of the reference's log-probs, shared by all runs; None is the user's cache,
    ~/.cache/codealign/reference. No effect on what is learnt."""
    save_steps: Count = 50
    """Optimiser steps between checkpoints."""
    save_total_limit: Count = 2
    eval_steps: Count | None = None
    """Optimiser steps between evaluations on validation problems; None evaluates at the end only."""
    early_stopping: EarlyStopping | None = None
    collapse_log_ratio: float = -10.0
    """Mean chosen log-ratio (nats) below which the log and the report warn of collapse."""
    report_to: list[Tracker] = Field(default_factory=list[Tracker])

    @model_validator(mode="after")
    def _one_set_of_references(self) -> TrainConfig:
        if sum(isinstance(each, MRPO) for each in objectives_in(self.objective)) > 1:
            raise ValueError("objective: mrpo once, a pair has one set of references")
        return self

    @model_validator(mode="after")
    def _objective_and_experience_fit(self) -> TrainConfig:
        online = isinstance(self.experience, Rollouts)
        if is_policy_gradient(self.objective) and not online:
            raise ValueError(
                f"objective {self.objective.kind} learns from completions that the policy draws while it trains: "
                "set train.experience.kind: rollouts"
            )
        if not online:
            return self
        ignored = ("num_train_epochs", "gradient_accumulation_steps", "pairs_per_step")
        fields = type(self).model_fields
        changed = [name for name in ignored if getattr(self, name) != fields[name].default]
        if changed or self.following_reference is not None:
            raise ValueError(
                f"{', '.join(changed) or 'following_reference'} would be ignored by experience rollouts: it has "
                "num_iterations, num_epochs, steps_per_epoch and reference of its own"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_say_how_many(self) -> TrainConfig:
        if self.pairs_per_step is not None and self.gradient_accumulation_steps != 1:
            raise ValueError(
                "pairs_per_step and gradient_accumulation_steps both say how many pairs a step has: "
                "leave one of them out"
            )
        return self


def contrast_training(section: TrainedContrast, settings: TrainConfig) -> TrainConfig:
    """How the good and the bad model of a contrast are trained: as the policy, but for what it says itself."""
    return settings.model_copy(
        update={
            "objective": SFT() if isinstance(section, SFTContrast) else DPO(beta=section.beta),
            "learning_rate": section.learning_rate,
            "num_train_epochs": section.num_train_epochs,
            "eval_steps": None,
            "early_stopping": None,
            "report_to": [],
        }
    )
