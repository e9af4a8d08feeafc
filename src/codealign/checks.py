"""What `codealign check` looks at before a run: each finding is an error, a warning, or fine.

Cheap checks that have each cost somebody a night: a sandbox that is weaker than thought, a reference
solution that fails its own tests, a problem in two splits, a tokenizer that merges across the join of
prompt and completion, a missing EOS, prompts that leave no room, memory that is not there.

Not promised: that a run without findings improves the model. Memory is an estimate from shapes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from codealign.config import PPO, ModelCritic, NoKL, Rollouts, RunConfig
from codealign.errors import ConfigError, DataError, ModelError, SandboxError
from codealign.interop import Preferences
from codealign.judging import Calibration, calibrate
from codealign.pipeline import Run
from codealign.progress import Progress
from codealign.records import Message, Pair, Problem
from codealign.rundir import RunDir

if TYPE_CHECKING:
    from codealign.policy import Policy

MAX_REFERENCES = 500
"""References judged a split; beyond that a sample of the first ones says enough."""


class Finding(NamedTuple):
    level: Literal["ok", "warning", "error"]
    name: str
    text: str


def run_checks(config: RunConfig, path: Path, progress: Progress) -> list[Finding]:
    """All findings for a run, worst first within nothing: in the order a person would mend them."""
    run = Run(config, RunDir(path), progress)
    try:
        findings = list(_problem_findings(run))
        if run.pairs_file:
            findings.append(_preferences_finding(run.preferences))
        findings.append(_settings_finding(run))
        findings += _policy_findings(run)
    finally:
        run.close()
    return findings


def _problem_findings(run: Run) -> Iterator[Finding]:
    try:
        run.check_leakage()
        yield Finding("ok", "leakage", "no problem is in two splits")
    except DataError as error:
        yield Finding("error", "leakage", str(error))
    splits = {
        "train": run.train_problems,
        "validation": run.validation_problems,
        "heldout": run.heldout_problems,
    }
    if run.pairs_file:
        del splits["train"]
    for name, problems in splits.items():
        yield Finding("ok" if problems else "warning", f"{name} problems", str(len(problems)))
    problems = [p for split in splits.values() for p in list(split.values())[:MAX_REFERENCES]]
    yield from _reference_findings(run, problems)


def _reference_findings(run: Run, problems: Sequence[Problem]) -> Iterator[Finding]:
    with_reference = [problem for problem in problems if problem.canonical_solution is not None]
    try:
        calibrations = list(calibrate(problems, run.judge))
    except SandboxError as error:
        yield Finding("error", "isolation", str(error))
        return
    weak = run.judge.isolation in ("S1", "S0")
    yield Finding("warning" if weak else "ok", "isolation", run.judge.isolation)
    verdicts = [item.reference for item in calibrations if item.reference is not None]
    failed = [verdict for verdict in verdicts if not verdict.passed]
    names = ", ".join(f"{v.task_id} ({v.outcome})" for v in failed[:5])
    text = f"{len(verdicts) - len(failed)} of {len(verdicts)} reference solutions pass"
    yield Finding(
        "error" if failed else "ok", "references", f"{text}{': not ' + names if failed else ''}"
    )
    yield from _weak_test_findings(calibrations)
    if len(with_reference) < len(problems):
        missing = len(problems) - len(with_reference)
        yield Finding(
            "warning", "references", f"{missing} problems have no reference solution to check"
        )


def _weak_test_findings(calibrations: Sequence[Calibration]) -> Iterator[Finding]:
    """Tests that a program which does nothing passes, or that compare the program with itself."""
    weak = {
        "vacuous tests": [item.task_id for item in calibrations if item.passing_stubs],
        "self-referential tests": [
            item.task_id for item in calibrations if item.is_self_referential
        ],
    }
    for name, tasks in weak.items():
        if tasks:
            yield Finding("warning", name, f"{len(tasks)}: {', '.join(tasks)}")


def _preferences_finding(found: Preferences) -> Finding:
    left_out = "".join(f", {count} {reason}" for reason, count in found.left_out.items())
    return Finding(
        "warning" if found.bad else "ok",
        "preference data",
        f"{len(found.rows)} rows of the format {found.format.name}{left_out}",
    )


def _settings_finding(run: Run) -> Finding:
    try:
        run.check_training()
    except ConfigError as error:
        return Finding("error", "settings", str(error))
    return Finding("ok", "settings", "the settings of train fit each other and this machine")


def _policy_findings(run: Run) -> Iterator[Finding]:
    try:
        policy = run.policy
    except ModelError as error:
        yield Finding("error", "model", str(error))
        return
    problems = list(run.train_problems.values())
    try:
        findings = [
            _boundary_finding(policy, _texts(run)),
            *_length_findings(policy, [text.prompt for text in _texts(run)], run.config),
        ]
    except DataError as error:
        findings = [Finding("error", "prompts", str(error))]
    yield from findings
    yield Finding(
        "ok", "end of text", f"EOS is {policy.tokenizer.eos_token!r} (id {policy.eos_id})"
    )
    proving = [*run.validation_problems.values(), *run.heldout_problems.values()]
    yield from _room_findings(policy, problems, "sample", run.config.sample.max_new_tokens)
    yield from _room_findings(policy, proving, "eval", run.config.eval.max_new_tokens)
    yield _memory_finding(policy, run.config)


class Text(NamedTuple):
    """What training will read, or is like it: a prompt, and a completion where one is known."""

    name: str
    prompt: str | Sequence[Message]
    completion: str | None


def _texts(run: Run) -> list[Text]:
    """Of the training problems with their reference solutions, or the first rows of a file of pairs."""
    if run.pairs_file is None:
        return [
            Text(p.task_id, p.prompt, p.canonical_solution) for p in run.train_problems.values()
        ]
    rows = run.preferences.rows[:MAX_REFERENCES]
    return [
        Text(
            row.task_id or f"row {number}",
            row.prompt_messages or row.prompt,
            row.chosen if isinstance(row, Pair) else row.completion,
        )
        for number, row in enumerate(rows, start=1)
    ]


def _boundary_finding(policy: Policy, texts: Iterable[Text]) -> Finding:
    """Sampled ids are never tokenised again; text-only pairs are, and then the join matters."""
    merged = [
        text.name
        for text in texts
        if text.completion and not policy.encode_pair_text(text.prompt, text.completion).joined
    ]
    if not merged:
        return Finding(
            "ok", "token boundaries", "no merge across the join of prompt and completion"
        )
    return Finding(
        "warning",
        "token boundaries",
        f"{len(merged)} prompts merge with their completion (e.g. {merged[0]}): text-only pairs are "
        "tokenised side by side, sampled ones keep their ids",
    )


def _room_findings(
    policy: Policy, problems: Iterable[Problem], section: str, max_new_tokens: int
) -> Iterator[Finding]:
    """Whether prompt and completion fit into the model; nothing to say where it has no limit."""
    limit = policy.max_positions
    rooms = [(limit or 0) - len(policy.encode_prompt(problem.prompt)) for problem in problems]
    if limit is None or not rooms:
        return
    full = sum(room < 1 for room in rooms)
    tight = sum(room < max_new_tokens for room in rooms) - full
    if full or tight:
        yield Finding(
            "warning",
            "room to sample",
            f"of {len(rooms)} prompts {full} fill the model's {limit} positions and get empty "
            f"completions, {tight} leave less than {section}.max_new_tokens {max_new_tokens}",
        )
    else:
        yield Finding("ok", "room to sample", f"every prompt leaves {section}.max_new_tokens")


def _length_findings(
    policy: Policy, prompts: Iterable[str | Sequence[Message]], config: RunConfig
) -> Iterator[Finding]:
    lengths = sorted(len(policy.encode_prompt(prompt)) for prompt in prompts)
    if not lengths:
        return
    cut = config.train.max_length
    over = sum(1 for length in lengths if cut is not None and length >= cut)
    level = "warning" if over else "ok"
    yield Finding(
        level,
        "lengths",
        f"prompts of {lengths[0]} to {lengths[-1]} tokens; {over} leave no room under train.max_length",
    )


def _memory_finding(policy: Policy, config: RunConfig) -> Finding:
    """Weights, gradients, two Adam moments in float32, what one microbatch keeps for its backward, and other models."""
    from codealign import head
    from codealign.logprobs import PLAIN

    weights = sum(p.numel() * p.element_size() for p in policy.model.parameters())
    trained = [parameter for _, parameter in policy.trainable_parameters()]
    state = sum(p.numel() * (p.element_size() + 8) for p in trained)
    tokens = (
        2 * config.train.per_device_train_batch_size * min(config.train.max_length or 1024, 1024)
    )
    tokens = min(tokens, config.train.max_tokens_per_microbatch or tokens)
    logits = 2 * 4 * tokens * policy.vocab_size
    if policy.log_probs.path != PLAIN:
        logits = min(logits, policy.log_probs.kept_bytes + head.BLOCK_BYTES)
    needed = weights + state + logits + tokens * _activation_bytes(policy)
    needed += _beside_bytes(config, weights, state)
    available = _available_bytes(policy)
    text = f"about {needed / 2**30:.1f} GiB to train, {available / 2**30:.1f} GiB there"
    return Finding("warning" if needed > available else "ok", "memory", text)


def _beside_bytes(config: RunConfig, weights: int, state: int) -> int:
    """What training on rollouts holds beside the policy: its first weights to measure a KL from, a critic's own model."""
    train = config.train
    if not isinstance(train.experience, Rollouts):
        return 0
    is_first = train.experience.reference == "first"
    penalised = not isinstance(getattr(train.objective, "kl", None), NoKL)
    reference = weights if is_first and penalised and not config.model.use_peft else 0
    critic = isinstance(train.objective, PPO) and isinstance(train.objective.critic, ModelCritic)
    return reference + (weights + state if critic else 0)


def _activation_bytes(policy: Policy) -> int:
    """Kept from forward to backward a token: a layer's input, or about what a gated block makes of it."""
    text = policy.model.config.get_text_config(decoder=True)
    width, inner = text.hidden_size, getattr(text, "intermediate_size", None)
    each = width
    if not policy.config.gradient_checkpointing:
        each = 12 * width + 3 * (inner or 4 * width)
    return text.num_hidden_layers * each * policy.model.dtype.itemsize


def _available_bytes(policy: Policy) -> int:
    if policy.device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(policy.device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
