"""The stages of a run, in order, each skipped when what it would make is there already.

    sample → judge → pairs → (contrast/good → contrast/bad →) (annotate →) eval/base → train → eval/aligned → report

Those in brackets are there where the configuration asks for them, and a run on preference data made elsewhere begins
with its pairs: `Run.keys` has a run's own.

A stage's key hashes everything that can change what it makes: the stage before it, its own settings,
the seed, the problems, the model. Work is appended as it is finished, so a killed run continues where it
was and ends where it would have ended. torch is imported only by the stages that need it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codealign.config import (
    KATA_POLICY,
    MRPO,
    ContrastSection,
    ExecutionWeights,
    FilePairs,
    LabelledCompletions,
    ModelConfig,
    NoTokenWeights,
    PromptContrast,
    RandomWeights,
    RunConfig,
    TrainedContrast,
    TransformersEngine,
    contrast_training,
    several_references,
)
from codealign.errors import InputError
from codealign.interop import Preferences, read_preferences
from codealign.judging import Judge
from codealign.judging.cache import user_cache_dir
from codealign.pairs import build_labelled, build_pairs
from codealign.problems import check_prompts, check_splits, load_problems
from codealign.processes import first_decides
from codealign.progress import Advance, Progress
from codealign.records import (
    Completion,
    Labelled,
    Message,
    Pair,
    Problem,
    Record,
    Verdict,
    content_hash,
    open_bytes,
    read_records,
    write_records,
)
from codealign.rundir import ARTEFACTS, RunDir, Shards, Stage, read_json, stage_record
from codealign.verdicts import judge_completions, refuse_too_many_unjudged

if TYPE_CHECKING:
    from codealign.policy import Policy
    from codealign.sampling import Engine
    from codealign.training import StepReport, TrainResult

APPEND_EVERY = 32
"""Rows written at once: a kill loses at most so many."""

FORMAT = 1
"""Part of every key; raised when a stage's output changes its meaning."""

T = TypeVar("T")


class PairReason(Record):
    """Why a training problem gave no pair, or how many it gave."""

    task_id: str
    reason: str


class Run:
    """What the stages of one run share; heavy parts are made when first needed."""

    def __init__(self, config: RunConfig, rundir: RunDir, progress: Progress) -> None:
        self.config, self.rundir, self.progress = config, rundir, progress

    @property
    def path(self) -> Path:
        return self.rundir.path

    @property
    def pairs_file(self) -> FilePairs | None:
        """Where the preference data is, for a run that neither samples nor judges for it."""
        strategy = self.config.pairs.strategy
        return strategy if isinstance(strategy, FilePairs) else None

    @cached_property
    def preferences(self) -> Preferences:
        """What `pairs_file` holds."""
        assert self.pairs_file is not None
        found = read_preferences(Path(self.pairs_file.path), self.pairs_file.format)
        self.progress.bad_rows(found.bad)
        return found

    @property
    def has_labels(self) -> bool:
        """Whether training reads labelled completions, and not pairs."""
        if self.pairs_file:
            return bool(self.preferences.labelled)
        return isinstance(self.config.pairs.strategy, LabelledCompletions)

    @cached_property
    def train_problems(self) -> dict[str, Problem]:
        """The problems that are sampled for pairs; none where the pairs come from a file."""
        return {} if self.pairs_file else self._load("train")

    @cached_property
    def validation_problems(self) -> dict[str, Problem]:
        return self._load("validation")

    @cached_property
    def heldout_problems(self) -> dict[str, Problem]:
        return self._load("heldout")

    def _load(self, split: str) -> dict[str, Problem]:
        source = getattr(self.config.problems, split)
        if source is None:
            return {}
        loaded = load_problems(source, limit=getattr(self.config.problems, f"num_{split}"))
        self.progress.bad_rows(loaded.bad)
        return {problem.task_id: problem for problem in loaded.problems}

    def check_leakage(self) -> None:
        """Refuse problems that are in two of the three splits, or whose prompt is in the file of pairs."""
        splits = {
            "train": list(self.train_problems.values()),
            "validation": list(self.validation_problems.values()),
            "heldout": list(self.heldout_problems.values()),
        }
        check_splits(**splits)
        if self.pairs_file:
            prompts = [row.prompt for row in self.preferences.rows]
            check_prompts(prompts, splits, where=self.pairs_file.path)

    def check_training(self) -> None:
        """Refuse now what training would refuse after hours of sampling.

        Raises:
            ConfigError: settings of `train` that contradict each other, the rest, or the machine.
        """
        from codealign.training import check_settings

        has_validation = self.config.problems.validation is not None
        check_settings(
            self.config.train,
            self.config.model,
            has_validation=has_validation,
            has_labels=self.has_labels,
        )

    @cached_property
    def judge(self) -> Judge:
        return Judge(self.config.judge, cache_dir=user_cache_dir())

    @cached_property
    def policy(self) -> Policy:
        """The base policy. Training changes this object in place."""
        from codealign.policy import load_policy

        self.progress.note(f"loading {self.config.model.model_name_or_path}")
        return load_policy(self.config.model)

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key of every stage that this run has, in order, from the configuration and its files alone."""
        config = self.config.model_dump(mode="json")
        model = {"config": config["model"], "weights": weights_fingerprint(self.config)}
        sample = {key: value for key, value in config["sample"].items() if key != "engine"}
        engine = {k: v for k, v in config["sample"]["engine"].items() if k not in SPEED_ONLY}
        judge = {key: config["judge"][key] for key in ("isolation", "limits", "extract")}
        train = {key: value for key, value in config["train"].items() if key not in SPEED_ONLY}
        if train["pairs_per_step"] is not None:
            del train["per_device_train_batch_size"]  # layout only
        seed = self.config.seed
        keys: dict[str, str] = {}
        if self.pairs_file:
            keys["pairs"] = _key(file_hash(Path(self.pairs_file.path)), self.pairs_file.format)
        else:
            keys["sample"] = _key(model, sample, engine, seed, _problems_hash(self.train_problems))
            lines = ["coverage"] if self.config.judge.coverage else []
            keys["judge"] = _key(keys["sample"], judge, *lines)
            keys["pairs"] = _key(keys["judge"], config["pairs"], seed)
        keys |= self._annotation_keys(keys["pairs"], model)
        drawn = [engine["kind"], config["sample"]["stop"]]
        heldout = _problems_hash(self.heldout_problems)
        proof = [config["eval"], drawn, judge, seed, heldout]
        keys["eval/base"] = _key(model, proof)
        keys["train"] = _key(
            keys.get("annotate", keys["pairs"]),
            model,
            train,
            seed,
            judge,
            _problems_hash(self.validation_problems),
        )
        keys["eval/aligned"] = _key(keys["train"], proof)
        return keys

    def _annotation_keys(self, pairs: str, model: Any) -> dict[str, str]:
        """Keys of the stages between pairs and training; none where the objective reads pairs as they are."""
        if not self.config.annotates_pairs:
            return {}
        section, train = self.config.token_weights, self.config.train
        mrpo = several_references(train.objective)
        keys: dict[str, str] = {}
        asked = section.model_dump(mode="json")
        if isinstance(section, TrainedContrast):
            settings = contrast_training(section, train).model_dump(mode="json", exclude=SPEED_ONLY)
            for side in ("good", "bad"):
                keys[f"contrast/{side}"] = _key(pairs, model, settings, self.config.seed, side)
            asked = {name: asked[name] for name in ContrastSection.model_fields}
        parts = [pairs, *keys.values(), model, asked, train.max_length, self.config.seed]
        if mrpo is not None:
            for each in mrpo.references:
                weights = fingerprint_of(each.model_name_or_path, each.revision)
                parts += [each.model_dump(mode="json"), weights]
            parts.append(mrpo.weights.model_dump(mode="json"))
        return keys | {"annotate": _key(*parts)}

    @property
    def last_pairs_stage(self) -> str:
        """The stage whose pairs are trained on."""
        return "annotate" if "annotate" in self.keys else "pairs"

    def own_policy(self) -> Policy:
        """Another policy at the first weights, to be trained and let go; `policy` is let go before."""
        from codealign.policy import load_policy

        self.__dict__.pop("policy", None)
        return load_policy(self.config.model)

    def load_aligned(self) -> Policy:
        """The trained policy from model/; the base policy is let go first."""
        from codealign.policy import load_policy

        self.__dict__.pop("policy", None)
        loaded_as = {"model_name_or_path": str(self.path / "model"), "use_peft": False}
        kept = self.config.model.model_dump()
        kept = {name: value for name, value in kept.items() if not name.startswith("lora_")}
        return load_policy(ModelConfig.model_validate(kept | loaded_as))

    def stage(self, name: str) -> Stage:
        return self.rundir.stage(name, self.key_of(name))

    def key_of(self, name: str) -> str:
        """The key of a stage.

        Raises:
            InputError: this run has no such stage.
        """
        if name not in self.keys:
            why = ": its pairs come from a file" if self.pairs_file else ""
            raise InputError(
                f"this run has no stage {name!r}" + why,
                where=str(self.path),
                cure=f"its stages are {', '.join(self.keys)}",
            )
        return self.keys[name]

    def require(self, name: str) -> Stage:
        """A stage that must have been done before.

        Raises:
            InputError: it was not, or with other settings.
        """
        stage = self.stage(name)
        if not stage.done:
            raise InputError(
                f"the stage {name!r} is not done with these settings",
                where=str(self.path),
                cure=f"run `codealign {name.split('/')[0]} {self.path}` or `codealign run` first",
            )
        return stage

    def close(self) -> None:
        if "judge" in self.__dict__:
            self.judge.close()


SPEED_ONLY = {
    "batch_size",
    "max_tokens_per_microbatch",
    "max_cached_tokens",
    "processes",
    "concurrency",
    "timeout_s",
    "api_key_env",
    "tensor_parallel_size",
    "gpu_memory_utilization",
    "logging_steps",
    "save_steps",
    "save_total_limit",
    "report_to",
    "reference_cache",
}
"""Settings that change how fast or how visibly a stage works, never what it makes."""


def _key(*parts: Any) -> str:
    return content_hash([FORMAT, *parts])


def _problems_hash(problems: Mapping[str, Problem]) -> str:
    return content_hash([[task_id, problem.hash] for task_id, problem in problems.items()])


MODEL_FILES = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".py"}
"""Suffixes of what decides a model's completions: weights, configuration, tokenizer, chat template, code."""


def weights_fingerprint(config: RunConfig) -> str:
    """Which model a run starts from: names, sizes and both ends of its files, and of its adapter's base.

    A Hub id is fingerprinted by name and revision: pin `model.revision` to be sure of the bits.
    """
    return fingerprint_of(config.model.model_name_or_path, config.model.revision)


def fingerprint_of(name: str, revision: str | None) -> str:
    """The same of any model."""
    directory = KATA_POLICY if name == "kata" else Path(name)
    if not directory.is_dir():
        return content_hash([name, revision])
    return content_hash(_file_facts(directory))


def _file_facts(directory: Path) -> list[Any]:
    files = sorted(path for path in directory.iterdir() if path.suffix in MODEL_FILES)
    facts: list[Any] = [[p.name, p.stat().st_size, _ends_of(p)] for p in files if p.is_file()]
    adapter = read_json(directory / "adapter_config.json") or {}
    base = Path(adapter.get("base_model_name_or_path") or "")
    return facts + (_file_facts(base) if adapter and base.is_dir() else [])


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits.

    Raises:
        DataError: it is not there, or may not be read.
    """
    digest = hashlib.sha256()
    with open_bytes(path, unpacked=False) as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _ends_of(path: Path, size: int = 1 << 20) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(size))
        file.seek(max(0, path.stat().st_size - size))
        digest.update(file.read(size))
    return digest.hexdigest()


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def sample_stage(run: Run) -> None:
    """Draw completions of the training problems from the base policy."""
    if not run.stage("sample").done:
        for _ in _sampled(run):
            pass


def sample_and_judge(run: Run) -> None:
    """Draw completions and judge them as they come: the one is the accelerator's work, the other the cores'.

    Does nothing once sampling is done. `judge_stage` comes after it, for what is left, and says that all is judged.
    """
    if run.stage("sample").done:
        return
    stage = run.stage("judge")
    before = _unjudged(run.stage("sample").shards.read(Completion), stage)
    with stage:
        verdicts = judge_completions(
            run.train_problems,
            itertools.chain(before, _sampled(run)),
            run.judge,
            run.config.judge.extract,
        )
        for chunk in in_chunks(verdicts, APPEND_EVERY):
            stage.shards.append(chunk)
            stage.tick()


def _sampled(run: Run) -> Iterator[Completion]:
    """Draw what is missing; each completion is in its file before it is handed on."""
    stage = run.stage("sample")
    from codealign.sampling import Request, SamplingParams, open_engine

    rows = stage.shards.read(Completion)
    have = {(row.task_id, row.sample_index) for row in rows}
    wanted = [
        Request(problem.task_id, problem.prompt, index)
        for problem in run.train_problems.values()
        for index in range(run.config.sample.num_samples)
        if (problem.task_id, index) not in have
    ]
    num_tokens = sum(len(row.completion_ids or ()) for row in rows)
    engine = open_engine(run.config.sample.engine, run.policy)
    params = SamplingParams.from_config(run.config.sample, seed=run.config.seed)
    total = len(have) + len(wanted)
    with stage, run.progress.stage("sample", total, "completions", len(have)) as advance:
        for chunk in in_chunks(engine.sample(wanted, params), APPEND_EVERY):
            stage.shards.append(chunk)
            num_tokens += sum(len(row.completion_ids or ()) for row in chunk)
            stage.tick(num_tokens=num_tokens)
            advance(len(chunk))
            yield from chunk
        stage.finish(num_completions=total, num_tokens=num_tokens)


def judge_stage(run: Run) -> None:
    """Judge every completion of the training problems; what could not be judged is tried again."""
    stage = run.stage("judge")
    if stage.done:
        return
    completions = run.require("sample").shards.read(Completion)
    waiting = _unjudged(completions, stage)
    total = len(completions)
    with stage, run.progress.stage("judge", total, "programs", total - len(waiting)) as advance:
        verdicts = judge_completions(
            run.train_problems, waiting, run.judge, run.config.judge.extract
        )
        for chunk in in_chunks(verdicts, APPEND_EVERY):
            stage.shards.append(chunk)
            advance(len(chunk))
            stage.tick()
        everything = stage.shards.read(Verdict)
        refuse_too_many_unjudged(everything, run.config.judge.max_not_judged)
        stage.finish(num_programs=total, isolation=everything[0].isolation if everything else "")


def pairs_stage(run: Run) -> None:
    """Rank the judged completions into preference pairs, or label them, or read a file of either.

    Raises:
        InputError: no problem gave one; again each time, so that a run never goes on without pairs.
    """
    stage = run.stage("pairs")
    if not stage.done:
        (_read_pairs if run.pairs_file else _make_pairs)(run, stage)
    if not (stage.record.get("num_pairs") or stage.record.get("num_labelled")):
        raise InputError(
            f"no problem gave a pair ({_counted(stage.record['reasons'])})",
            where=str(run.path),
            cure="sample more completions a problem, or choose problems the model solves sometimes",
        )


def _make_pairs(run: Run, stage: Stage) -> None:
    verdicts = run.require("judge").shards.read(Verdict)
    with stage:
        build = build_labelled if run.has_labels else build_pairs
        result = build(
            run.train_problems.values(),
            run.require("sample").shards.read(Completion),
            verdicts,
            run.config.pairs,
            seed=run.config.seed,
        )
        reasons = [PairReason(task_id=t, reason=r) for t, r in result.reasons.items()]
        # Small and quick: written anew as a whole, so an interrupted attempt leaves nothing behind.
        write_records(run.path / "pairs" / "reasons.jsonl", reasons)
        facts = _write_preferences(run.path / "pairs", result[0])
        stage.finish(**facts, reasons=dict(result.counts))
    run.progress.note(f"pairs: {_counted(facts)} from {len(run.train_problems)} problems")


def _write_preferences(
    directory: Path, rows: Sequence[Pair] | Sequence[Labelled]
) -> dict[str, int]:
    """Pairs into the directory itself, labelled completions into one of their own; how many there are."""
    labelled = [row for row in rows if isinstance(row, Labelled)]
    if labelled:
        write_records(directory / "labelled" / "part-00000.jsonl", labelled)
        return {"num_labelled": len(labelled), "num_desirable": sum(row.label for row in labelled)}
    write_records(directory / "part-00000.jsonl", rows)
    return {"num_pairs": len(rows)}


def read_preferences_of(directory: Path) -> list[Pair] | list[Labelled]:
    """What a stage that makes pairs has left: labelled completions, or pairs."""
    return Shards(directory / "labelled").read(Labelled) or Shards(directory).read(Pair)


def _read_pairs(run: Run, stage: Stage) -> None:
    found = run.preferences
    with stage:
        facts = _write_preferences(run.path / "pairs", found.rows)
        stage.finish(**facts, format=found.format.name, left_out=found.left_out)
    run.progress.note(f"pairs: {_counted(facts)} of the format {found.format.name}")


def contrast_good_stage(run: Run) -> None:
    """Train the good model of token weights, and note what it says of the pairs."""
    _contrast_stage(run, "good")


def contrast_bad_stage(run: Run) -> None:
    """The same of the bad one."""
    _contrast_stage(run, "bad")


def _contrast_stage(run: Run, side: str) -> None:
    stage = run.stage(f"contrast/{side}")
    section = run.config.token_weights
    if stage.done or not isinstance(section, TrainedContrast):
        return
    from codealign.contrast import encode_for_weights, pair_logps, train_contrast

    pairs = run.require("pairs").shards.read(Pair)
    settings = contrast_training(section, run.config.train)
    directory = run.path / stage.name
    policy = run.own_policy()
    with stage, _shown_training(run, stage.name) as on_step:
        result = train_contrast(
            policy,
            pairs,
            settings,
            good=side == "good",
            run_dir=directory,
            seed=run.config.seed,
            on_step=on_step,
        )
        policy.save(directory / "model")
        encoded = encode_for_weights(policy, pairs, settings)
        write_records(directory / "logps.jsonl", pair_logps(policy, encoded, settings))
        stage.finish(num_steps=result.steps, num_tokens=result.num_tokens)


def annotate_stage(run: Run) -> None:
    """Write into the pairs what the objective asked for: a weight for each token, what other references say."""
    stage = run.stage("annotate")
    if stage.done:
        return
    pairs = run.require("pairs").shards.read(Pair)
    with stage:
        pairs, facts = _weighed(run, pairs)
        mrpo = several_references(run.config.train.objective)
        if mrpo is not None:
            pairs, more = _with_references(run, pairs, mrpo)
            facts |= more
        write_records(run.path / "annotated" / "part-00000.jsonl", pairs)
        stage.finish(num_pairs=len(pairs), **facts)


def _with_references(
    run: Run, pairs: list[Pair], section: MRPO
) -> tuple[list[Pair], dict[str, Any]]:
    from codealign.reference import reference_dir
    from codealign.reference_logps import annotate_with_references

    names = ", ".join(each.model_name_or_path for each in section.references)
    run.progress.note(f"asking {names} about {len(pairs)} pairs")
    prompts = [_own_prompt(run, pair) for pair in pairs]
    root = reference_dir(run.config.train.reference_cache)
    found = annotate_with_references(run.policy, pairs, prompts, section, root, run.config.seed)
    facts: dict[str, Any] = {"left_out": dict(found.left_out)} if found.left_out else {}
    if found.reference_weights is not None:
        facts["reference_weights"] = [round(alpha, 6) for alpha in found.reference_weights]
    return found.pairs, facts


def _weighed(run: Run, pairs: list[Pair]) -> tuple[list[Pair], dict[str, Any]]:
    section = run.config.token_weights
    if isinstance(section, NoTokenWeights):
        return pairs, {}
    if isinstance(section, ExecutionWeights):
        weighed, unknown = _weighed_by_execution(run, pairs, section)
        return weighed, _facts_of_weights(weighed) | ({"unknown": unknown} if unknown else {})
    weighed = _weighed_by_models(run, pairs)
    return weighed, _facts_of_weights(weighed)


def _weighed_by_execution(
    run: Run, pairs: list[Pair], section: ExecutionWeights
) -> tuple[list[Pair], dict[str, int]]:
    from codealign.token_weights import weigh_by_execution

    weighed = weigh_by_execution(
        pairs,
        run.require("sample").shards.read(Completion),
        run.require("judge").shards.read(Verdict),
        section,
        run.policy.decode,
        run.config.seed,
    )
    return weighed.pairs, dict(weighed.unknown)


def _weighed_by_models(run: Run, pairs: list[Pair]) -> list[Pair]:
    from codealign.contrast import (
        SideLogps,
        encode_for_weights,
        instructed_logps,
        weigh_at_random,
        weigh_by_contrast,
    )

    section, seed = run.config.token_weights, run.config.seed
    encoded = encode_for_weights(run.policy, pairs, run.config.train)
    if isinstance(section, RandomWeights):
        return weigh_at_random(pairs, encoded, section, seed)
    assert isinstance(section, ContrastSection)
    if isinstance(section, PromptContrast):
        prompts = [_own_prompt(run, pair) for pair in pairs]
        good, bad = instructed_logps(run.policy, encoded, prompts, section, run.config.train)
    else:
        good, bad = (
            list(read_records(SideLogps, run.path / "contrast" / side / "logps.jsonl"))
            for side in ("good", "bad")
        )
    return weigh_by_contrast(pairs, encoded, good, bad, section, seed)


def _own_prompt(run: Run, pair: Pair) -> str | list[Message]:
    """The problem's text: a pair's own may have gone through a chat template. Of a file's pair what it says."""
    problem = run.train_problems.get(pair.task_id or "")
    return problem.prompt if problem else pair.prompt_messages or pair.prompt


def _facts_of_weights(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The mean weight of each side's tokens, and of how many pairs nothing is known."""
    facts: dict[str, Any] = {}
    for side in ("chosen", "rejected"):
        weights = [w for pair in pairs for w in getattr(pair, f"{side}_weights") or ()]
        if weights:
            facts[f"mean_{side}_weight"] = round(sum(weights) / len(weights), 4)
    num_unweighed = sum(pair.chosen_weights is None for pair in pairs)
    return facts | ({"num_unweighed": num_unweighed} if num_unweighed else {})


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def train_stage(run: Run) -> None:
    """Align the policy on the pairs; the result is in model/."""
    stage = run.stage("train")
    pairs: list[Pair] | list[Labelled] = []
    if not stage.done:
        pairs = read_preferences_of(run.require(run.last_pairs_stage).shards.directory)
    if not first_decides(not stage.done, run.config.model):
        return
    with stage, _shown_training(run, stage.name) as on_step:
        result = _train(run, pairs, on_step)
        # The base policy's held-out scores are of these very weights; the aligned ones come later.
        run.policy.save(run.path / "model")
        stage.finish(
            num_steps=result.steps,
            **{"num_labelled" if run.has_labels else "num_pairs": result.num_pairs},
            num_tokens=result.num_tokens,
            best_step=result.best_step,
            left_out=result.left_out,
            warnings=list(result.warnings),
        )


def join_training(run: Run) -> None:
    """What every launched process but the first does while the first is in `train_stage`.

    It takes its share of each step and writes nothing.
    """
    if first_decides(False, run.config.model):
        directory = run.path / ARTEFACTS[run.last_pairs_stage][0]
        _train(run, read_preferences_of(directory), on_step=None)


def _train(
    run: Run, pairs: list[Pair] | list[Labelled], on_step: Callable[[StepReport], None] | None
) -> TrainResult:
    from codealign.evaluation import greedy_pass_at_1
    from codealign.training import train

    config = run.config

    def validate(policy: Policy) -> float:
        return greedy_pass_at_1(
            policy,
            list(run.validation_problems.values()),
            run.judge,
            max_new_tokens=config.eval.max_new_tokens,
            extract=config.judge.extract,
            stop=config.sample.stop,
        )

    return train(
        run.policy,
        pairs,
        config.train,
        run_dir=run.path,
        seed=config.seed,
        evaluate=validate if run.validation_problems else None,
        on_step=on_step,
    )


@contextmanager
def _shown_training(run: Run, name: str) -> Iterator[Callable[[StepReport], None]]:
    """A bar for the steps of training, which appears with the first of them."""
    with ExitStack() as stack:
        advance: Advance | None = None
        shown = 0

        def show(report: StepReport) -> None:
            nonlocal advance, shown
            if advance is None:
                bar = run.progress.stage(name, report.num_steps, "steps", report.step - 1)
                advance, shown = stack.enter_context(bar), report.step - 1
            margin = report.metrics.get("rewards/margins")
            text = f"loss {report.loss:.4f}" + (
                f"  margin {margin:+.3f}" if margin is not None else ""
            )
            advance(report.step - shown, text)
            shown = report.step

        yield show


def eval_stages(run: Run) -> None:
    """Prove it: the base policy, then the aligned one, on the held-out problems."""
    eval_base_stage(run)
    eval_aligned_stage(run)


def eval_base_stage(run: Run) -> None:
    _eval_stage(run, "eval/base", lambda: run.policy)


def eval_aligned_stage(run: Run) -> None:
    """Always the weights in model/, as a user would load them, never what training left in memory."""
    _eval_stage(run, "eval/aligned", run.load_aligned)


def _eval_stage(run: Run, name: str, policy: Callable[[], Policy]) -> None:
    stage = run.stage(name)
    if stage.done or not run.heldout_problems:
        return
    if name == "eval/aligned":
        run.require("train")
    from codealign.evaluation import evaluate, is_greedy, solution_nll

    shards = {kind: Shards(run.path / name / kind) for kind in ("greedy", "sampled")}
    earlier = [verdict for shard in shards.values() for verdict in _judged(shard)]
    total = len(run.heldout_problems) * (run.config.eval.num_samples + 1)
    with stage, run.progress.stage(name, total, "programs", len(earlier)) as advance:

        def keep(verdict: Verdict) -> None:
            shards["greedy" if is_greedy(verdict) else "sampled"].append([verdict])
            advance()
            stage.tick()

        own = policy()
        nll = solution_nll(own, run.heldout_problems.values())
        evaluation = evaluate(
            _eval_engine(run, own),
            list(run.heldout_problems.values()),
            run.config.eval,
            run.judge,
            seed=run.config.seed,
            earlier=earlier,
            on_verdict=keep,
            extract=run.config.judge.extract,
            stop=run.config.sample.stop,
        )
        everything = [*evaluation.greedy, *evaluation.sampled]
        refuse_too_many_unjudged(everything, run.config.judge.max_not_judged)
        stage.finish(
            num_programs=total,
            num_tokens=sum(len(getattr(v, "completion_ids", None) or ()) for v in everything),
            isolation=everything[0].isolation,
            **({} if nll is None else {"solution_nll": round(nll, 6)}),
        )


def _eval_engine(run: Run, policy: Policy) -> Engine:
    """The run's own engine; a server has the base model only, so there both are sampled here."""
    from codealign.sampling import open_engine

    engine = run.config.sample.engine
    if engine.kind == "openai":
        run.progress.note("the held-out problems are sampled in this process, not by the server")
        engine = TransformersEngine()
    return open_engine(engine, policy)


def _unjudged(completions: Iterable[Completion], stage: Stage) -> list[Completion]:
    """Completions that the stage has no verdict on, or only `not_judged`."""
    judged = {(verdict.task_id, verdict.sample_index) for verdict in _judged(stage.shards)}
    return [c for c in completions if (c.task_id, c.sample_index) not in judged]


def _judged(shards: Shards) -> list[Verdict]:
    return [verdict for verdict in shards.read(Verdict) if verdict.outcome != "not_judged"]


STAGE_FUNCTIONS: dict[str, Callable[[Run], None]] = {
    "sample": sample_stage,
    "judge": judge_stage,
    "pairs": pairs_stage,
    "contrast/good": contrast_good_stage,
    "contrast/bad": contrast_bad_stage,
    "annotate": annotate_stage,
    "eval/base": eval_base_stage,
    "train": train_stage,
    "eval/aligned": eval_aligned_stage,
}


def run_all(run: Run) -> None:
    """Every stage in order, each skipped when it is done."""
    if all(run.stage(name).done for name in run.keys):
        run.progress.note(f"every stage is done in {run.path}")
    run.check_leakage()
    if not run.stage("train").done:
        run.check_training()
    if "sample" in run.keys:
        sample_and_judge(run)
    for name in run.keys:
        STAGE_FUNCTIONS[name](run)


def plan(config: RunConfig, path: Path, only: str | None = None) -> list[dict[str, str]]:
    """What `run` would do: each stage, or one, with `done`, `to continue`, `to redo` or `to do`.

    Raises:
        InputError: the run has no stage `only`.
    """
    run = Run(config, RunDir(path), Progress(quiet=True))
    rows = []
    for name in run.keys if only is None else [only]:
        key = run.key_of(name)
        record = stage_record(path, name)
        if record is None:
            state = "to do"
        elif record["key"] != key:
            state = "to redo: other settings"
        else:
            state = "done" if record.get("done") else "to continue"
        rows.append({"stage": name, "state": state})
    return rows
