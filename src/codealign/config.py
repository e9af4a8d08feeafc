"""What a run file may say: frozen sections, unknown keys refused, one tagged union per choice.

A knob that would be ignored can't be written: options belong to the `kind` that reads them. Each field
says its unit and useful range; each default says where it comes from. Names are the ones users know
from transformers, TRL and vLLM.

Not promised: that a value suits your model. `codealign check` looks at that, before GPU hours go.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from codealign.errors import ConfigError

KATA_POLICY = Path(__file__).with_name("kata_policy")
"""Where the embedded policy's weights are: what `model_name_or_path: kata` means."""

Tracker = Literal["tensorboard", "wandb", "trackio"]
PreferenceFormat = Literal[
    "auto",
    "trl",
    "trl-conversational",
    "ultrafeedback",
    "llama-factory",
    "llama-factory-sharegpt",
    "kto",
    "kto-conversational",
    "llama-factory-kto",
    "llama-factory-kto-sharegpt",
]
"""The names of `interop.FORMATS`."""
IsolationKind = Literal["auto", "S3", "S2", "S1", "S0"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
FlipRate = Annotated[float, Field(ge=0.0, lt=0.5)]
"""Share of labels that are wrong; at one half they would say nothing."""


class Section(BaseModel):
    """A frozen part of a run file in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


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


class ProblemsConfig(Section):
    """Which problems train, which steer, and which prove. The three never share a problem."""

    train: str = "kata:train"
    """A source (`kata`, `humaneval`, `mbpp`, `humaneval+`, `mbpp+`, `livecodebench`, `apps`, a path,
    `hub:owner/name`), with a split or subset after a colon."""
    validation: str | None = None
    """Problems for validation pass@1 during training (early stopping, the collapse warning)."""
    heldout: str | None = None
    """Problems for the final proof."""
    num_train: Count | None = None
    """Take the first so many; None takes all (a generator such as kata needs a number)."""
    num_validation: Count | None = None
    num_heldout: Count | None = None


class TransformersEngine(Section):
    kind: Literal["transformers"] = "transformers"
    batch_size: Count = 64
    """Completions decoded together; no effect on which completions come out."""
    max_cached_tokens: Count | None = None
    """Tokens whose keys and values are held at most: completions x `max_new_tokens`, and each prompt. A limit of
    memory, and no effect on which completions come out. None: `batch_size` alone limits."""


class VllmEngine(Section):
    kind: Literal["vllm"] = "vllm"
    tensor_parallel_size: Count = 1
    gpu_memory_utilization: Fraction = 0.85


class OpenAIEngine(Section):
    kind: Literal["openai"] = "openai"
    base_url: str
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key; the key itself is never written down."""
    model: str | None = None
    """The name the server knows the model by; None takes the one it serves."""
    api: Literal["completions", "chat"] = "completions"
    """`completions` continues the prompt, `chat` sends it as a user message for the server's template."""
    concurrency: Count = 16
    timeout_s: Positive = 600.0
    """Of one request; the slowest completion must fit."""


Engine = Annotated[TransformersEngine | VllmEngine | OpenAIEngine, Field(discriminator="kind")]


class SampleConfig(Section):
    """How completions are drawn for training pairs."""

    engine: Engine = TransformersEngine()
    num_samples: Count = 8
    """Completions a problem; 8-16 (P(a pair) = 1 - p^n - (1-p)^n for pass rate p)."""
    temperature: Annotated[float, Field(ge=0.0)] = 1.0
    """1.0 samples the policy itself, which is what on-policy pairs mean (arXiv 2410.18585)."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    """0 is off."""
    min_p: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Drops tokens less likely than this share of the most likely one (arXiv 2407.01082); 0 is off."""
    max_new_tokens: Count = 512
    stop: list[str] = Field(default_factory=list)


class LocalJudge(Section):
    kind: Literal["local"] = "local"
    workers: Count | None = None
    """Processes that judge; None is one per CPU core."""


class RayJudge(Section):
    """Actors over a Ray cluster, each with a cell of its own."""

    kind: Literal["ray"] = "ray"
    address: str = "auto"
    """Of the cluster (host:port); `auto` is $RAY_ADDRESS, else the one on this machine; `local` starts one here."""
    num_actors: Count | None = None
    """None is one per CPU of the cluster; each takes one."""
    max_in_flight: Count = 8
    """Programs an actor has at a time: one runs, the others wait there and hide the network's delay."""


JudgeEngine = Annotated[LocalJudge | RayJudge, Field(discriminator="kind")]


class LimitsConfig(Section):
    """Limits of one program. CPU time decides, not wall time: a busy machine changes no verdict."""

    cpu_s: Positive = 5.0
    """CPU seconds over all tests of a problem."""
    wall_s: Positive | None = None
    """Wall-clock backstop; None is 3 x cpu_s + 2."""
    memory_bytes: Annotated[int, Field(ge=32 * 2**20)] = 256 * 2**20
    max_processes: Count = 64
    output_bytes: Annotated[int, Field(ge=1024)] = 10 * 2**20
    """More than this on standard output ends the program with `output_limit`."""
    file_bytes: Annotated[int, Field(ge=0)] = 16 * 2**20


class JudgeConfig(Section):
    """Where and how strictly programs run."""

    engine: JudgeEngine = LocalJudge()
    isolation: IsolationKind = "auto"
    """`auto` takes the strongest level the machine proves; a named level is that or an error."""
    accept_weak_isolation: bool = False
    """Without it S0 (no protection of this machine) is refused."""
    limits: LimitsConfig = LimitsConfig()
    trust_tests: bool = True
    """False runs every problem's test code in a sandbox of its own, as a problem's `trusted: false` column
    does for that problem; for tests that a model wrote."""
    coverage: bool = False
    """Each test of a verdict says which lines of the program ran (`lines`); docs/judge.md has the cost."""
    extract: Literal["auto", "raw", "stop_words", "syntax_tree", "chat"] = "auto"
    """How a completion is cut to its program; see codealign.programs."""
    cache: bool = True
    """Judge identical programs once: within a call, and from one command to the next through the user's cache
    directory, where expected outputs computed from reference solutions are kept too."""
    max_not_judged: Fraction = 0.05
    """Above this share of `not_judged` the run stops with exit code 3."""


class RandomPairs(Section):
    """One random passing over one random failing completion (arXiv 2410.18585)."""

    kind: Literal["random"] = "random"


class NearestPairs(Section):
    """The passing and failing programs that are nearest in edit distance."""

    kind: Literal["nearest"] = "nearest"


class LengthMatchedPairs(Section):
    """Passing and failing programs of similar length, so that length is not what is learnt."""

    kind: Literal["length_matched"] = "length_matched"
    max_ratio: Annotated[float, Field(ge=1.0)] = 1.5
    """Longest over shortest, in tokens (in characters where there are no ids)."""


class AllPairs(Section):
    """Every passing over every failing completion, up to the cap."""

    kind: Literal["all"] = "all"


class PassRatePairs(Section):
    """Chosen passes a share of the tests higher by a margin: uses partial credit."""

    kind: Literal["pass_rate"] = "pass_rate"
    min_margin: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5


class LabelledCompletions(Section):
    """No pairs: every judged completion by itself, passed or failed, for `kto` and `bco`; problems that all samples
    pass or fail teach as well."""

    kind: Literal["labelled"] = "labelled"
    max_per_side: Count | None = None
    """Completions of a problem that passed, and as many that failed, drawn at random; None takes all."""


class FilePairs(Section):
    """Preference data made elsewhere: nothing is sampled or judged for training."""

    kind: Literal["file"] = "file"
    path: str
    """JSON lines, a JSON list, or Parquet."""
    format: PreferenceFormat = "auto"
    """`auto` goes by the columns; docs/pairs.md has them."""


PairStrategy = Annotated[
    RandomPairs
    | NearestPairs
    | LengthMatchedPairs
    | AllPairs
    | PassRatePairs
    | LabelledCompletions
    | FilePairs,
    Field(discriminator="kind"),
]


class PairsConfig(Section):
    """How verdicts become preference pairs, or where there are some."""

    strategy: PairStrategy = RandomPairs()
    max_pairs_per_problem: Count = 1
    """1 is the paper's; more uses more of each problem, less evenly. Not for `labelled` and `file`."""
    deduplicate: bool = True
    """Programs with the same syntax tree count once."""

    @model_validator(mode="after")
    def _nothing_would_be_ignored(self) -> PairsConfig:
        unread, cure = [], ""
        if isinstance(self.strategy, FilePairs):
            unread, cure = ["max_pairs_per_problem", "deduplicate"], "a file is taken whole"
        if isinstance(self.strategy, LabelledCompletions):
            unread, cure = ["max_pairs_per_problem"], "strategy.max_per_side caps completions"
        # Compared with the defaults, as in ModelConfig.
        fields = type(self).model_fields
        changed = [name for name in unread if getattr(self, name) != fields[name].default]
        if changed:
            raise ValueError(
                f"{', '.join(changed)} would be ignored with strategy {self.strategy.kind}: {cure}, leave "
                "them out"
            )
        return self


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


Objective = Annotated[OfPairs | WPO | Sum | SFT | RFT | MinorSFT, Field(discriminator="kind")]


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


Experience = StoredPairs


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


class EvalConfig(Section):
    """The proof: greedy and sampled pass@k on held-out problems, before and after."""

    num_samples: Count = 8
    temperature: Positive = 0.8
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    max_new_tokens: Count = 512
    k: Annotated[list[Count], Field(min_length=1)] = Field(default_factory=lambda: [1, 8])
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95

    @model_validator(mode="after")
    def _k_within_samples(self) -> EvalConfig:
        if max(self.k) > self.num_samples:
            raise ValueError(
                f"k: {max(self.k)} needs at least as many samples, num_samples is {self.num_samples}: "
                "raise num_samples or drop that k"
            )
        return self


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


SectionT = TypeVar("SectionT", bound=Section)

MAX_REASONS = 5
"""What is wrong with a run file, said at once; a file that is none has hundreds of reasons."""


def load_run_config(path: Path | None, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run file (None: the embedded kata run) and apply `key=value` overrides.

    Raises:
        ConfigError: with file, key, and the nearest known name for an unknown one.
    """
    # The embedded run is in order: what is wrong with it, the command line made wrong.
    where = "command line" if path is None else str(path)
    path = path or Path(__file__).with_name("kata.yaml")
    return parse_config(RunConfig, read_yaml(path), overrides, where=where)


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a YAML file; an empty file is an empty mapping."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such run file", where=str(path), cure="check the path") from None
    except OSError as error:
        raise ConfigError(
            f"can't be read: {error.strerror}", where=str(path), cure="give a file you may read"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not text: {error}", where=str(path), cure="give a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"not YAML: {what}", where=place, cure="mend the syntax") from None
    if not isinstance(data or {}, dict):
        raise ConfigError(
            f"a run file is a mapping of sections, this is a {type(data).__name__}",
            where=str(path),
            cure="docs/run.md shows one",
        )
    return data or {}


def parse_config(
    kind: type[SectionT],
    data: Mapping[str, Any],
    overrides: Iterable[str] = (),
    where: str = "config",
) -> SectionT:
    """Validate `data` with `key=value` overrides (dotted keys, YAML values) as a section."""
    merged = _copy_mapping(data)
    overridden = [_apply_override(kind, merged, override) for override in overrides]
    _fill_kinds(kind, merged)
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        keys = [_follow(kind, item["loc"])[1] for item in error.errors()]
        if all(any(_is_under(key, given) for given in overridden) for key in keys):
            where = "command line"
        raise ConfigError(_explain(kind, error), where=where, cure=_cure(error)) from None


def overlaid(data: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with the settings of `more` in the place of its own; another `kind` takes no option along."""
    result = _copy_mapping(data)
    for name, value in more.items():
        old, new = _mapping(result.get(name)), _mapping(value)
        if old is None or new is None or new.get("kind", old.get("kind")) != old.get("kind"):
            result[name] = copy.deepcopy(value)
        else:
            result[name] = overlaid(old, new)
    return result


def _mapping(value: Any) -> dict[str, Any] | None:
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _is_under(key: str, given: str) -> bool:
    """Whether `given` wrote the key, or chose the kind that it belongs to."""
    section = given.removesuffix(".kind")
    return key == given or key.startswith(f"{section}.")


def _copy_mapping(data: Mapping[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(dict(data))


def _apply_override(kind: type[Section], data: dict[str, Any], override: str) -> str:
    """Write `key=value` into `data`; returns the key in full."""
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise ConfigError(
            f"{override!r} is not key=value",
            where="command line",
            cure="write e.g. train.learning_rate=1e-5",
        )
    key = _full_key(kind, key.strip())
    *parents, last = key.split(".")
    target = data
    for part in parents:
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    value = _yaml_value(text)
    if last == "kind" and target.get("kind") != value:
        target.clear()  # another choice: the old choice's options don't belong to it
    target[last] = value
    return key


def _fill_kinds(kind: type[Section], data: dict[str, Any]) -> None:
    """A choice written without its `kind` is the default one: `objective: {beta: 0.2}` is DPO's."""
    for name, field in kind.model_fields.items():
        options = _sections_in(field.annotation)
        if not options or not isinstance(data.get(name), dict):
            continue
        value: dict[str, Any] = data[name]
        default: Any = field.get_default(call_default_factory=True)
        if hasattr(default, "kind"):
            value.setdefault("kind", default.kind)
        for option in options:
            if len(options) == 1 or option.model_fields["kind"].default == value["kind"]:
                _fill_kinds(option, value)


def _yaml_value(text: str) -> Any:
    """YAML 1.1 reads 1e-5 as text; numbers are tried first."""
    try:
        return float(text) if any(c in text for c in "eE.") else int(text)
    except ValueError:
        return yaml.safe_load(text)


def _full_key(kind: type[Section], key: str) -> str:
    """`learning_rate` for `train.learning_rate`, `objective.beta` for `train.objective.beta`, where the
    short name is unambiguous."""
    first = key.partition(".")[0]
    if first in kind.model_fields:
        return key
    owners = [
        section
        for section, field in kind.model_fields.items()
        if isinstance(field.annotation, type)
        and issubclass(field.annotation, Section)
        and first in field.annotation.model_fields
    ]
    if len(owners) > 1:
        raise ConfigError(
            f"{first!r} is in several sections",
            where="command line",
            cure="write " + " or ".join(f"{owner}.{key}=…" for owner in owners),
        )
    return f"{owners[0]}.{key}" if owners else key


def _explain(kind: type[Section], error: ValidationError) -> str:
    reasons = [_explain_one(kind, item) for item in error.errors()]
    more = [f"and {len(reasons) - MAX_REASONS} more"] if len(reasons) > MAX_REASONS else []
    return "; ".join(reasons[:MAX_REASONS] + more)


def _explain_one(kind: type[Section], item: Any) -> str:
    section, key = _follow(kind, item["loc"])
    if item["type"] == "extra_forbidden":
        nearest = _nearest_name(section, str(item["loc"][-1]))
        hint = f", did you mean {nearest!r}?" if nearest else ""
        return f"unknown key {key!r}{hint}"
    if item["type"] == "union_tag_invalid":
        return _explain_kind(key, str(item["ctx"]["tag"]), item["ctx"]["expected_tags"])
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "model_type":
        message = f"a section with settings is expected, this is {item['input']!r}"
    return f"{key}: {message}" if key else message


def _explain_kind(key: str, tag: str, expected: str) -> str:
    """A choice that does not exist; pydantic gives the known ones as \"'dpo', 'sft'\"."""
    kinds = expected.replace("'", "").split(", ")
    nearest = difflib.get_close_matches(tag, kinds, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there is {', '.join(kinds)}"
    return f"{key}: no kind {tag!r}, {hint}"


def _nearest_name(section: type[Section], name: str) -> str | None:
    """The likeliest meant field of a section, or of the sections in it, written in full."""
    names = {field: field for field in section.model_fields}
    for field, inner in section.model_fields.items():
        for option in _sections_in(inner.annotation)[:1]:
            names.update(
                {below: f"{field}.{below}" for below in option.model_fields if below not in names}
            )
    nearest = difflib.get_close_matches(name, names, n=1)
    return names[nearest[0]] if nearest else None


def _follow(kind: type[Section], loc: tuple[Any, ...]) -> tuple[type[Section], str]:
    """The section that the last part of `loc` is in, and `loc` as a user writes it.

    pydantic puts a union's tag into the path (`objective.dpo.beta`); nobody writes it there.
    """
    section = kind
    written: list[str] = []
    parts = list(loc)
    while parts:
        part = parts.pop(0)
        written.append(str(part))
        field = section.model_fields.get(part) if parts else None
        options = _sections_in(field.annotation) if field else []
        if len(options) > 1:
            tag = parts.pop(0)
            options = [option for option in options if option.model_fields["kind"].default == tag]
        section = options[0] if options else section
    return section, ".".join(written)


def _cure(error: ValidationError) -> str:
    if any(item["type"] == "extra_forbidden" for item in error.errors()):
        return "remove or rename it; `codealign run --help` lists the sections"
    return "correct the value"


def _sections_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]
