"""Sections about problems, sampling, judging, pairs and the proof."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from codealign.config.sections import Count, Fraction, Positive, Section

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
    """Completions that a process decodes together; no effect on which completions come out."""
    processes: Count | None = None
    """Processes that decode on CPUs, each on one thread, with keys and values of its own and the weights in common;
    Linux only. None: one for each of PyTorch's threads with up to 64 MiB of weights, else one in all. No effect
    on which completions come out."""
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
    """Processes that judge; None is one per CPU core, of which launched training processes each have a share."""


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
