"""The objectives, by the `kind` that a run file names.

A new one is one file here (or a class in the file of its family), one line in the table, one class in
`config`, one section in docs/objectives.md and one block of tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codealign import config
from codealign.objectives.aot import AOTObjective, AOTUnpairedObjective
from codealign.objectives.around import LDObjective, TISDPOObjective, WPOObjective
from codealign.objectives.contract import Loss, Objective
from codealign.objectives.dpo import DPOObjective
from codealign.objectives.dpop import DPOPObjective
from codealign.objectives.f_dpo import FDPOObjective
from codealign.objectives.kto import KTOObjective
from codealign.objectives.margins import (
    CDPOObjective,
    DiscoPOPObjective,
    EXOObjective,
    HingeObjective,
    IPOObjective,
    RobustDPOObjective,
)
from codealign.objectives.minor import MinorDPOObjective, MinorSFTObjective
from codealign.objectives.mrpo import MRPOObjective
from codealign.objectives.per_token import (
    DPONormObjective,
    IPONormObjective,
    ORPOObjective,
    SimPOObjective,
)
from codealign.objectives.pointwise import (
    APODownObjective,
    APOZeroObjective,
    BCOObjective,
    NCAObjective,
    SPPOHardObjective,
)
from codealign.objectives.policy_gradient import PolicyGradientObjective
from codealign.objectives.ppo import PPOObjective
from codealign.objectives.rpo import RPOObjective
from codealign.objectives.sft import RFTObjective, SFTObjective
from codealign.objectives.weighted_sum import SumObjective

OBJECTIVES: dict[type[config.Section], Callable[[Any], Objective]] = {
    config.DPO: DPOObjective,
    config.CDPO: CDPOObjective,
    config.RobustDPO: RobustDPOObjective,
    config.Hinge: HingeObjective,
    config.IPO: IPOObjective,
    config.IPONorm: IPONormObjective,
    config.DPONorm: DPONormObjective,
    config.EXO: EXOObjective,
    config.DiscoPOP: DiscoPOPObjective,
    config.FDPO: FDPOObjective,
    config.NCA: NCAObjective,
    config.APOZero: APOZeroObjective,
    config.APODown: APODownObjective,
    config.SPPOHard: SPPOHardObjective,
    config.BCO: BCOObjective,
    config.DPOP: DPOPObjective,
    config.MinorDPO: MinorDPOObjective,
    config.KTO: KTOObjective,
    config.RPO: RPOObjective,
    config.MRPO: MRPOObjective,
    config.AOT: AOTObjective,
    config.AOTUnpaired: AOTUnpairedObjective,
    config.SimPO: SimPOObjective,
    config.ORPO: ORPOObjective,
    config.SFT: SFTObjective,
    config.RFT: RFTObjective,
    config.MinorSFT: MinorSFTObjective,
    config.LDDPO: lambda section: LDObjective(section, build_objective(section.objective)),
    config.TISDPO: lambda section: TISDPOObjective(section, build_objective(section.objective)),
    config.WPO: lambda section: WPOObjective(section, build_objective(section.objective)),
    config.PPO: PPOObjective,
    config.VinePPO: PolicyGradientObjective,
    config.GRPO: PolicyGradientObjective,
    config.DrGRPO: PolicyGradientObjective,
    config.DAPO: PolicyGradientObjective,
    config.RLOO: PolicyGradientObjective,
    config.Sum: lambda section: SumObjective(
        section, [build_objective(term.objective) for term in section.terms]
    ),
}


def build_objective(section: config.Objective) -> Objective:
    """The objective that a run file's `train.objective` asks for."""
    return OBJECTIVES[type(section)](section)


def kinds_that_read_labels() -> list[str]:
    """The kinds of objectives that learn from labelled completions."""
    return [
        section.model_fields["kind"].default
        for section, make in OBJECTIVES.items()
        if getattr(make, "reads_labels", False)
    ]


__all__ = ["OBJECTIVES", "Loss", "Objective", "build_objective", "kinds_that_read_labels"]
