"""What the stages of one run share: its configuration, its problems, its policy, and the keys of its stages."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codealign.config import (
    ContrastSection,
    FilePairs,
    LabelledCompletions,
    ModelConfig,
    Rollouts,
    RunConfig,
    TrainedContrast,
    contrast_training,
    several_references,
)
from codealign.errors import InputError
from codealign.interop import Preferences, read_preferences
from codealign.judging import Judge
from codealign.judging.cache import user_cache_dir
from codealign.pipeline.fingerprints import (
    SPEED_ONLY,
    file_hash,
    fingerprint_of,
    hash_of,
    problems_hash,
    weights_fingerprint,
)
from codealign.problems import check_prompts, check_splits, load_problems
from codealign.progress import Progress
from codealign.records import Problem
from codealign.rundir import RunDir, Stage

if TYPE_CHECKING:
    from codealign.policy import Policy


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

    @property
    def is_online(self) -> bool:
        """Whether training draws its completions itself, so that there are none to be made before."""
        return isinstance(self.config.train.experience, Rollouts)

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
        """Refuse now what training would refuse after hours of work.

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
        if self.is_online:
            from codealign.online import check_online

            check_online(self.config.train, self.config.sample)

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
        judge = {key: config["judge"][key] for key in ("isolation", "limits", "extract")}
        train = {key: value for key, value in config["train"].items() if key not in SPEED_ONLY}
        if train["pairs_per_step"] is not None:
            del train["per_device_train_batch_size"]  # layout only
        seed = self.config.seed
        keys = {} if self.is_online else self._data_keys(model, judge)
        drawn = [config["sample"]["engine"]["kind"], config["sample"]["stop"]]
        heldout = problems_hash(self.heldout_problems)
        proof = [config["eval"], drawn, judge, seed, heldout]
        keys["eval/base"] = hash_of(model, proof)
        learnt = [*self._drawn, config["pairs"]]
        if not self.is_online:
            learnt = keys.get("annotate", keys["pairs"])
        validation = problems_hash(self.validation_problems)
        keys["train"] = hash_of(learnt, model, train, seed, judge, validation)
        keys["eval/aligned"] = hash_of(keys["train"], proof)
        return keys

    @property
    def _drawn(self) -> list[Any]:
        """What decides the completions of the training problems, beside the model and the seed."""
        sample = self.config.sample.model_dump(mode="json", exclude={"engine"})
        engine = self.config.sample.engine.model_dump(mode="json", exclude=SPEED_ONLY)
        return [sample, engine, problems_hash(self.train_problems)]

    def _data_keys(self, model: Any, judge: Any) -> dict[str, str]:
        """Keys of the stages that make what is trained on."""
        keys: dict[str, str] = {}
        if self.pairs_file:
            keys["pairs"] = hash_of(file_hash(Path(self.pairs_file.path)), self.pairs_file.format)
        else:
            sample, engine, problems = self._drawn
            keys["sample"] = hash_of(model, sample, engine, self.config.seed, problems)
            lines = ["coverage"] if self.config.judge.coverage else []
            keys["judge"] = hash_of(keys["sample"], judge, *lines)
            pairs = self.config.pairs.model_dump(mode="json")
            keys["pairs"] = hash_of(keys["judge"], pairs, self.config.seed)
        return keys | self._annotation_keys(keys["pairs"], model)

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
                keys[f"contrast/{side}"] = hash_of(pairs, model, settings, self.config.seed, side)
            asked = {name: asked[name] for name in ContrastSection.model_fields}
        parts = [pairs, *keys.values(), model, asked, train.max_length, self.config.seed]
        if mrpo is not None:
            for each in mrpo.references:
                weights = fingerprint_of(each.model_name_or_path, each.revision)
                parts += [each.model_dump(mode="json"), weights]
            parts.append(mrpo.weights.model_dump(mode="json"))
        return keys | {"annotate": hash_of(*parts)}

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
            why = ": training draws its completions itself" if self.is_online else why
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
