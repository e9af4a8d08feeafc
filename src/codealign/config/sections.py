"""What every section of a run file is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
FlipRate = Annotated[float, Field(ge=0.0, lt=0.5)]
"""Share of labels that are wrong; at one half they would say nothing."""


class Section(BaseModel):
    """A frozen part of a run file in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
