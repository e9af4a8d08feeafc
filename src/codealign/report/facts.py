"""The circumstances of a run: what was aligned, on what, how, at which isolation, in how much time.

Facts are read from the resolved run file and the stages' records; one that is not there is not shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple, get_args

from codealign.config.policy_gradients import PolicyGradient
from codealign.report.data import ReportData, StageRecord
from codealign.report.numbers import count, duration

STAGE_MEANINGS = {
    "contrast/good": "the good model of token weights",
    "contrast/bad": "the bad model of token weights",
    "annotate": "into the pairs what the objective asked for",
}
"""What the stages are for that not every run has."""

ISOLATION_MEANINGS = {
    "S3": "S3: namespaces, seccomp and cgroup limits",
    "S2": "S2: namespaces and seccomp, no cgroup",
    "S1": "S1: restricted, no namespaces",
    "S0": "S0: a plain process",
}

POLICY_GRADIENTS = {kind.model_fields["kind"].default for kind in get_args(PolicyGradient)}
"""Objectives that read no pairs."""


class Fact(NamedTuple):
    """One line of the run's circumstances."""

    name: str
    value: str


class StageRow(NamedTuple):
    """One stage as a table row; texts, empty where unknown. `counts` begins with what an unusual stage is for."""

    name: str
    time: str
    tokens: str
    tokens_per_second: str
    counts: str


def facts(data: ReportData) -> list[Fact]:
    """What a reader needs to place the numbers; unknown facts are left out."""
    model, train = data.section("model"), data.section("train")
    sampled = _was_sampled(data)
    candidates = [
        Fact("Model", _model_text(model)),
        Fact("Objective", _choice_text(train.get("objective"))),
        Fact("Token weights", _token_weights_text(data)),
        Fact("Update", _update_text(data)),
        Fact("Rollouts", _rollouts_text(data)),
        Fact("Reward", _choice_text(_experience(data).get("reward"))),
        Fact("Drawn", _drawn_text(data)),
        Fact("Pairs", _pairs_text(data)),
        Fact("Training problems", _problems_text(data, "train") if sampled else ""),
        Fact("Validation problems", _problems_text(data, "validation")),
        Fact("Held-out problems", _problems_text(data, "heldout")),
        Fact(
            "Samples for rollouts" if data.is_online else "Samples for pairs",
            _sampling_text(data.section("sample")) if sampled else "",
        ),
        Fact("Samples for the proof", _sampling_text(data.section("eval"))),
        Fact("Isolation", ISOLATION_MEANINGS.get(data.isolation, data.isolation)),
        Fact("Seed", str(data.config.get("seed", ""))),
        Fact("Run directory", data.run_dir),
        Fact("Made by", f"codealign {version('codealign')}"),
        Fact("Written", data.created),
    ]
    return [fact for fact in candidates if fact.value]


def _was_sampled(data: ReportData) -> bool:
    """Whether the pairs are of problems that were sampled, and not from a file; so where nothing is known."""
    return not data.stages or "sample" in data.stages or data.is_online


def _experience(data: ReportData) -> Mapping[str, Any]:
    """Of a run that trains on rollouts; empty for others."""
    return data.section("train")["experience"] if data.is_online else {}


def _rollouts_text(data: ReportData) -> str:
    """`20 iterations × 64 problems × 8 samples, 4 steps each`."""
    section, samples = _experience(data), data.section("sample").get("num_samples")
    if not section:
        return ""
    problems = section.get("problems_per_iteration")
    sizes = [
        count(section["num_iterations"], "iteration"),
        "all problems" if problems is None else count(problems, "problem"),
        count(samples, "sample") if samples else "",
    ]
    steps, epochs = section["steps_per_epoch"], section["num_epochs"]
    passes = f"{epochs} passes of {count(steps, 'step')}" if epochs > 1 else count(steps, "step")
    return f"{' × '.join(filter(None, sizes))}, {passes} each"


def _drawn_text(data: ReportData) -> str:
    """Completions, continuations of states, and the tokens of both."""
    stage = data.stages.get("train")
    counts = stage.counts if stage and data.is_online else {}
    nouns = {"rollouts": "completion", "continuations": "continuation", "sampled tokens": "token"}
    return ", ".join(count(counts[name], noun) for name, noun in nouns.items() if counts.get(name))


def _model_text(model: Mapping[str, Any]) -> str:
    name = str(model.get("model_name_or_path") or "")
    if name and model.get("use_peft"):
        return f"{name}, LoRA rank {model.get('lora_r')}"
    return name


def _token_weights_text(data: ReportData) -> str:
    section = data.section("token_weights")
    return "" if section.get("kind") == "none" else _choice_text(section)


def _choice_text(choice: Any) -> str:
    """A tagged union as `dpo (beta 0.1)`."""
    if not isinstance(choice, Mapping):
        return ""
    options = [
        f"{key} {_option_text(value)}"
        for key, value in choice.items()
        if key != "kind" and value is not None
    ]
    kind = str(choice.get("kind", ""))
    return f"{kind} ({', '.join(options)})" if options else kind


def _option_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _choice_text(value)
    if isinstance(value, list):
        return " + ".join(map(_option_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _update_text(data: ReportData) -> str:
    train = data.section("train")
    update = train.get("update")
    if not isinstance(update, Mapping):
        return ""
    parts = [str(update.get("kind", ""))]
    if "learning_rate" in train:
        parts.append(
            f"learning rate {train['learning_rate']:g} ({train.get('lr_scheduler_type', '')})"
        )
    if not data.is_online:
        parts += _passes(train)
    return ", ".join(part for part in parts if part)


def _passes(train: Mapping[str, Any]) -> list[str]:
    """How often the pairs are seen, and how many in a step."""
    parts: list[str] = []
    if "num_train_epochs" in train:
        parts.append(count(train["num_train_epochs"], "epoch"))
    each = train.get("per_device_train_batch_size", 0) * train.get("gradient_accumulation_steps", 1)
    size = train.get("pairs_per_step") or each
    return [*parts, f"{size} pairs a step"] if size else parts


def _pairs_text(data: ReportData) -> str:
    if data.is_online and data.objective_kind in POLICY_GRADIENTS:
        return ""
    section = data.section("pairs")
    strategy = _choice_text(section.get("strategy"))
    labelled = (data.summary.get("pairs") or {}).get("num_labelled")
    number = f"{len(data.pairs):,}" if data.pairs else f"{labelled:,}" if labelled else ""
    limit = section.get("max_pairs_per_problem")
    cap = f"at most {limit} a problem" if limit and data.pairs and _was_sampled(data) else ""
    return ", ".join(part for part in (number, strategy, cap) if part)


def _problems_text(data: ReportData, split: str) -> str:
    section = data.section("problems")
    source, limit = section.get(split), section.get(f"num_{split}")
    if not source:
        return ""
    return f"{source}, {limit:,}" if isinstance(limit, int) else str(source)


def _sampling_text(section: Mapping[str, Any]) -> str:
    if "num_samples" not in section:
        return ""
    parts = [f"{section['num_samples']} a problem"]
    if "temperature" in section:
        parts.append(f"temperature {section['temperature']:g}")
    if section.get("top_p") not in (None, 1.0):
        parts.append(f"top-p {section['top_p']:g}")
    return ", ".join(parts)


def stage_rows(data: ReportData) -> list[StageRow]:
    """A row per stage in the order given, and a total when there are several."""
    rows = [_stage_row(name, stage) for name, stage in data.stages.items()]
    if len(rows) > 1:
        tokens = sum(stage.num_tokens or 0 for stage in data.stages.values())
        seconds = sum(stage.seconds for stage in data.stages.values())
        rows.append(StageRow("total", duration(seconds), f"{tokens:,}" if tokens else "", "", ""))
    return rows


def _stage_row(name: str, stage: StageRecord) -> StageRow:
    tokens = stage.num_tokens
    return StageRow(
        name,
        duration(stage.seconds),
        "" if tokens is None else f"{tokens:,}",
        f"{tokens / stage.seconds:,.0f}" if tokens and stage.seconds else "",
        _stage_text(name, stage),
    )


def _stage_text(name: str, stage: StageRecord) -> str:
    counts = ", ".join(f"{number:,} {what}" for what, number in stage.counts.items())
    return ": ".join(part for part in (STAGE_MEANINGS.get(name, ""), counts) if part)


def config_text(data: ReportData) -> str:
    """The whole resolved run file, for the page's fold-out."""
    if not data.config:
        return ""
    return json.dumps(data.config, indent=2, ensure_ascii=False, default=str)
