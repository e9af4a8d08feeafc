"""Sections of the objectives, and what an objective is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from codealign.config.models import ReferenceConfig
from codealign.config.policy_gradients import PolicyGradient
from codealign.config.sections import FlipRate, Fraction, Positive, Section


class LogRatioSection(Section):
    """What every objective on log-ratios to the reference reads. The published defaults of β differ: see each."""

    beta: Positive = 0.1
    """Scales log-ratios (nats), 0.01-0.5; smaller lets the policy go further. 0.1 is the field's habit."""


class DPO(LogRatioSection):
    """Direct preference optimisation (arXiv 2305.18290), the objective of arXiv 2410.18585."""

    kind: Literal["dpo"] = "dpo"


class CDPO(LogRatioSection):
    """DPO with smoothed labels: conservative DPO (arXiv 2305.18290's authors' note)."""

    kind: Literal["cdpo"] = "cdpo"
    label_smoothing: FlipRate = 0.1
    """Share of pairs whose label is believed to be wrong; the note's example."""


class RobustDPO(LogRatioSection):
    """DPO whose expected loss under flipped labels is DPO's under true ones (arXiv 2403.00409)."""

    kind: Literal["robust"] = "robust"
    beta: Positive = 0.01
    """The paper's, appendix B."""
    label_smoothing: FlipRate = 0.1
    """Share of pairs whose label is flipped; section 6 of the paper."""


class Hinge(LogRatioSection):
    """A hinge on DPO's margin (SLiC, arXiv 2305.10425, on log-ratios as in arXiv 2309.06657)."""

    kind: Literal["hinge"] = "hinge"


class IPO(LogRatioSection):
    """Squared distance of the margin from 1/2β, on sums of log-probs (arXiv 2310.12036, equation 17)."""

    kind: Literal["ipo"] = "ipo"


class IPONorm(LogRatioSection):
    """IPO on means over tokens, as TRL computes it and the paper's authors told TRL that they did."""

    kind: Literal["ipo_norm"] = "ipo_norm"


class DPONorm(LogRatioSection):
    """DPO on means over tokens (Tülu 3, arXiv 2411.15124)."""

    kind: Literal["dpo_norm"] = "dpo_norm"
    beta: Positive = 5.0
    """Per nat and token, so far above the 0.1 of whole completions; the paper's."""


class EXO(LogRatioSection):
    """KL from the policy's preference to the labels' (arXiv 2402.00856)."""

    kind: Literal["exo"] = "exo"
    label_smoothing: Annotated[float, Field(gt=0.0, lt=0.5)] = 1e-3
    """ε of the paper; above 0, or the loss is infinite."""


class DiscoPOP(LogRatioSection):
    """The logistic and exponential losses blended by the margin (arXiv 2406.08414)."""

    kind: Literal["discopop"] = "discopop"
    beta: Positive = 0.05
    """The paper's, appendix B.1."""
    tau: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Temperature of the blend, the paper's; below 1, or the loss has no bound on wrong pairs."""


class FDPO(LogRatioSection):
    """DPO under another divergence than the reverse KL (arXiv 2309.16240)."""

    kind: Literal["f_dpo"] = "f_dpo"
    divergence: Literal["forward_kl", "js", "alpha"] = "js"
    """Reverse KL is `dpo`. `js` lies between the two KLs and bounds what a chosen side can gain."""
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Of the `alpha` divergence: near 0 the reverse, near 1 the forward KL."""

    @model_validator(mode="after")
    def _alpha_with_its_divergence(self) -> FDPO:
        if (self.divergence == "alpha") != (self.alpha is not None):
            raise ValueError(
                "alpha belongs to divergence: alpha, and to no other: set both or neither"
            )
        return self


class NCA(LogRatioSection):
    """Noise-contrastive alignment of a pair (arXiv 2402.05369)."""

    kind: Literal["nca"] = "nca"
    beta: Positive = 0.01
    """The paper's α, appendix C."""


class APOZero(LogRatioSection):
    """Chosen up, rejected down (arXiv 2408.06266): for chosen programs better than the policy's own."""

    kind: Literal["apo_zero"] = "apo_zero"


class APODown(LogRatioSection):
    """Both down, rejected further (arXiv 2408.06266): for chosen programs worse than the policy's own."""

    kind: Literal["apo_down"] = "apo_down"


class SPPOHard(LogRatioSection):
    """Self-play preference optimisation with certain labels (arXiv 2405.00675)."""

    kind: Literal["sppo_hard"] = "sppo_hard"
    beta: Positive = 0.001
    """1/η; the paper's η is 1000."""


class BCO(LogRatioSection):
    """Binary classification of chosen and rejected with a reward shift (arXiv 2404.04656)."""

    kind: Literal["bco"] = "bco"
    beta: Positive = 0.01
    """The paper's, appendix C."""
    shift_decay: Annotated[float, Field(ge=0.0, lt=1.0)] | None = 0.9
    """Of the reward shift's moving average over steps; None holds the shift at 0, as TRL's `bco_pair` does."""


class DPOP(LogRatioSection):
    """DPO-positive (Smaug, arXiv 2402.13228): DPO that pays for an unlearnt chosen side."""

    kind: Literal["dpop"] = "dpop"
    beta: Positive = 0.3
    """The paper's."""
    penalty: Positive = 50.0
    """λ of the paper."""


class MinorDPO(LogRatioSection):
    """DPO that stops pushing a rejected side below the reference (arXiv 2408.09834)."""

    kind: Literal["minor_dpo"] = "minor_dpo"


class KTO(LogRatioSection):
    """Kahneman-Tversky optimisation (arXiv 2402.01306), each side of a pair by itself."""

    kind: Literal["kto"] = "kto"
    desirable_weight: Positive = 1.0
    undesirable_weight: Positive = 1.0
    """Of the sides, λ_D and λ_U of the paper, which are 1 for as many of the one as of the other."""


class RPO(LogRatioSection):
    """DPO plus the chosen side's likelihood per token (arXiv 2404.19733)."""

    kind: Literal["rpo"] = "rpo"
    nll_weight: Positive = 1.0
    """α of the paper."""


class AOT(LogRatioSection):
    """Alignment by optimal transport: sorted margins of the policy over sorted margins of the reference
    (arXiv 2406.05882)."""

    kind: Literal["aot"] = "aot"


class AOTUnpaired(LogRatioSection):
    """Sorted chosen over sorted rejected log-ratios (arXiv 2406.05882)."""

    kind: Literal["aot_unpaired"] = "aot_unpaired"


class AdaptiveClipping(Section):
    """ε⁺ + ε⁻ = `epsilon`, shared out by how unlikely the sides are (the paper's)."""

    kind: Literal["adaptive"] = "adaptive"
    epsilon: Positive = 0.1
    """ε_max of the paper's code: a share of the own reference's log-prob."""


class FixedClipping(Section):
    """ε⁺ = ε⁻ = `epsilon`."""

    kind: Literal["fixed"] = "fixed"
    epsilon: Positive = 0.1
    """A share of the own reference's log-prob."""


class NoClipping(Section):
    """References as they are: the least likely one then nearly decides the harmonic mean."""

    kind: Literal["none"] = "none"


Clipping = Annotated[AdaptiveClipping | FixedClipping | NoClipping, Field(discriminator="kind")]


class PerPairWeights(Section):
    """By how clearly a reference tells the sides of the very pair apart (ARWC, the paper's)."""

    kind: Literal["per_pair"] = "per_pair"
    length_normalised: bool = False
    """Of log-probs per token, as arXiv 2512.10040's weights are; the paper's are of whole completions."""
    swap_alpha: bool = False
    """Give each of two references the other one's weight, as the released code does."""


class ValidationWeights(Section):
    """By how clearly a reference tells sides apart on pairs that are not trained on (arXiv 2512.10040)."""

    kind: Literal["validation"] = "validation"
    share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Of the prompts, set aside with all their pairs; a tenth is our choice."""


class FixedWeights(Section):
    """The same for every pair."""

    kind: Literal["fixed"] = "fixed"
    alphas: Annotated[list[Annotated[float, Field(ge=0.0)]], Field(min_length=2)]
    """The own reference's, then one for each of `references`; they sum to 1."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> FixedWeights:
        if abs(sum(self.alphas) - 1) > 1e-6:
            raise ValueError(f"alphas sum to {sum(self.alphas):g}: give numbers that sum to 1")
        return self


ReferenceWeights = Annotated[
    PerPairWeights | ValidationWeights | FixedWeights, Field(discriminator="kind")
]


class MRPO(LogRatioSection):
    """DPO against several references as one (arXiv 2405.16388)."""

    kind: Literal["mrpo"] = "mrpo"
    references: Annotated[list[ReferenceConfig], Field(min_length=1)]
    """Besides the policy's own first weights, which come first everywhere."""
    combine: Literal["harmonic", "geometric", "multi_dpo"] = "harmonic"
    """`harmonic` is the paper's, `geometric` exact for a weighted sum of KLs, `multi_dpo` a weighted sum of losses."""
    clipping: Clipping = AdaptiveClipping()
    """Of the other references to a neighbourhood of the own one (CTRO)."""
    weights: ReferenceWeights = PerPairWeights()

    @model_validator(mode="after")
    def _a_weight_for_each_reference(self) -> MRPO:
        num_references = 1 + len(self.references)
        if isinstance(self.weights, FixedWeights) and len(self.weights.alphas) != num_references:
            raise ValueError(
                f"weights.alphas has {len(self.weights.alphas)} numbers and there are {num_references} "
                "references, the policy's own first: give one for each"
            )
        return self

    @model_validator(mode="after")
    def _swapped_as_released(self) -> MRPO:
        swapped = isinstance(self.weights, PerPairWeights) and self.weights.swap_alpha
        if swapped and (len(self.references) != 1 or self.combine != "harmonic"):
            raise ValueError(
                "weights.swap_alpha is the released code's, which has one more reference and swaps for "
                "combine: harmonic alone: give that, or leave swap_alpha out"
            )
        return self


class SimPO(Section):
    """The margin of log-probs per token, without a reference (arXiv 2405.14734)."""

    kind: Literal["simpo"] = "simpo"
    beta: Positive = 2.0
    """Per nat and token; 2.0-2.5 in the paper, up to 10 in its later recipes."""
    gamma: Annotated[float, Field(ge=0.0)] = 1.0
    """Target margin, 0.3-1.6 in the paper."""


class ORPO(Section):
    """Likelihood of the chosen side plus an odds ratio, without a reference (arXiv 2403.07691)."""

    kind: Literal["orpo"] = "orpo"
    odds_weight: Positive = 0.1
    """λ of the paper; TRL calls it beta."""


class SFT(Section):
    """Likelihood of the chosen side, once for every pair: the baseline of arXiv 2410.18585."""

    kind: Literal["sft"] = "sft"
    mean_over: Literal["tokens", "completions"] = "tokens"
    """`completions` gives each one the same weight however long, and counts as pairs do: for `sum`."""


class RFT(Section):
    """Rejection-sampling fine-tuning (arXiv 2308.01825): `sft` on each distinct chosen program once."""

    kind: Literal["rft"] = "rft"
    mean_over: Literal["tokens", "completions"] = "tokens"
    """As in `sft`."""


class MinorSFT(LogRatioSection):
    """SFT that fades as a completion leaves the reference (arXiv 2408.10642)."""

    kind: Literal["minor_sft"] = "minor_sft"


OfLogRatios = (
    DPO
    | CDPO
    | RobustDPO
    | Hinge
    | IPO
    | IPONorm
    | DPONorm
    | EXO
    | DiscoPOP
    | FDPO
    | NCA
    | APOZero
    | APODown
    | SPPOHard
    | BCO
    | DPOP
    | MinorDPO
    | AOT
    | AOTUnpaired
)
"""Objectives that read nothing of a pair but the log-ratios of its sides."""


class LDDPO(Section):
    """Length desensitisation (arXiv 2409.06411): tokens beyond the shorter side's length count less."""

    kind: Literal["ld"] = "ld"
    objective: Annotated[OfLogRatios, Field(discriminator="kind")] = DPO()
    """What reads the log-ratios; `dpo` is the paper's."""
    alpha: Fraction = 0.5
    """Weight of the tokens beyond: 1 changes nothing, 0 leaves them out; the middle is our choice."""


class TISDPO(Section):
    """Token-level importance sampling (TIS-DPO, arXiv 2410.04350): tokens count by their weights in the pairs."""

    kind: Literal["tis_dpo"] = "tis_dpo"
    objective: Annotated[
        OfLogRatios | KTO | RPO | SimPO | SFT | MinorSFT, Field(discriminator="kind")
    ] = DPO()
    """What reads the weighted log-probs; `dpo` is the paper's. Not `orpo`: weighted log-probs have no odds."""
    kl_weight: Annotated[float, Field(ge=0.0)] = 0.0
    """Of the KL to the reference, token by token: 1 in the paper, 0 by default in its code. Above 0 it needs an
    adapter (use_peft) and a forward of the reference."""


OfPairs = OfLogRatios | LDDPO | TISDPO | KTO | RPO | MRPO | SimPO | ORPO
"""Objectives that read pairs and weigh them by `weight`."""


class WPO(Section):
    """Weighted preference optimisation (arXiv 2406.11827): pairs count as they are likely under the policy."""

    kind: Literal["wpo"] = "wpo"
    objective: Annotated[OfPairs, Field(discriminator="kind")] = DPO()
    """What is weighted; `dpo` is the paper's."""


class Term(Section):
    """A loss in a sum."""

    weight: Positive = 1.0
    objective: Annotated[OfPairs | WPO | SFT | MinorSFT, Field(discriminator="kind")]


class Sum(Section):
    """A weighted sum of losses, as MPO (arXiv 2411.10442), which is the default."""

    kind: Literal["sum"] = "sum"
    terms: Annotated[list[Term], Field(min_length=2)] = Field(
        default_factory=lambda: [
            Term(weight=0.8, objective=DPO()),
            Term(weight=0.2, objective=BCO(beta=0.1)),
            Term(weight=1.0, objective=SFT(mean_over="completions")),
        ]
    )

    @model_validator(mode="after")
    def _terms_that_can_be_added(self) -> Sum:
        kinds = [term.objective.kind for term in self.terms]
        if len(set(kinds)) < len(kinds):
            raise ValueError(
                f"terms: {', '.join(kinds)}: each kind once, its loss is logged by name"
            )
        if any(
            isinstance(t.objective, SFT) and t.objective.mean_over == "tokens" for t in self.terms
        ):
            raise ValueError(
                "terms: sft counts tokens and the others pairs: set mean_over: completions for sft"
            )
        return self


Objective = Annotated[
    OfPairs | WPO | Sum | SFT | RFT | MinorSFT | PolicyGradient, Field(discriminator="kind")
]


def objectives_in(objective: Section) -> Iterator[Section]:
    """An objective, and those that it is made of."""
    yield objective
    inner = [objective.objective] if isinstance(objective, LDDPO | TISDPO | WPO) else []
    if isinstance(objective, Sum):
        inner = [term.objective for term in objective.terms]
    for each in inner:
        yield from objectives_in(each)


def several_references(objective: Section) -> MRPO | None:
    """The part of an objective that reads several references, where there is one."""
    return next((each for each in objectives_in(objective) if isinstance(each, MRPO)), None)
