"""Sections about language models: the policy, and other references."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from codealign.config.sections import Count, Fraction, Section

KATA_POLICY = Path(__file__).parents[1] / "kata_policy"
"""Where the embedded policy's weights are: what `model_name_or_path: kata` means."""


class LanguageModel(Section):
    """Which weights, in which precision, and how they are given text."""

    model_name_or_path: str
    """A directory, a Hub id, or `kata`: the small policy shipped with the package."""
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Weights' type. `auto`: bfloat16 where the accelerator has it, float32 on a CPU."""
    trust_remote_code: bool = False
    chat_template: Literal["auto", "always", "never"] = "auto"
    """`auto`: a tokenizer that has a chat template gets its prompts as one user message."""
    system_prompt: str | None = None


class ReferenceConfig(LanguageModel):
    """A model that the policy is held near to, beside its own first weights."""


class ModelConfig(LanguageModel):
    """Which policy, in which precision, with or without an adapter."""

    model_name_or_path: str = "kata"
    """A directory, a Hub id, or `kata`: the small policy shipped with the package."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    attn_implementation: str | None = None
    """Passed to transformers; None lets it choose."""
    gradient_checkpointing: bool = False
    use_peft: bool = False
    """Train a LoRA adapter; the reference is the base with the adapter off."""
    lora_r: Count = 16
    lora_alpha: Count = 32
    lora_dropout: Fraction = 0.0
    """Zero by default: dropout would make the policy differ from the reference at step 0."""
    lora_target_modules: str | list[str] = "all-linear"

    @model_validator(mode="after")
    def _lora_needs_peft(self) -> ModelConfig:
        # Compared with the defaults, not asked who wrote it: config.json writes every field.
        changed = [
            name
            for name, field in type(self).model_fields.items()
            if name.startswith("lora_") and getattr(self, name) != field.default
        ]
        if changed and not self.use_peft:
            raise ValueError(
                f"{', '.join(changed)} would be ignored without use_peft: set use_peft: true"
            )
        return self
