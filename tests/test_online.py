"""Training on rollouts: what is drawn, what it is worth, and that a killed run ends where it would have ended."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from model_fixtures import save_tiny_model

from codealign.batches import EncodedRollout, batch_completions, batch_rollouts
from codealign.config import (
    BinaryReward,
    JudgeConfig,
    ModelConfig,
    RunConfig,
    SampleConfig,
    TrainConfig,
    parse_config,
)
from codealign.critic import HeadCritic, ModelCritic
from codealign.errors import CodealignError, ConfigError, InputError, SandboxError
from codealign.judging import Candidate
from codealign.loop import PolicyLoss
from codealign.metrics import MetricsFile
from codealign.objectives import build_objective
from codealign.online import Gatherer, State, train_online
from codealign.online.experience import OnlineExperience, _without_idle
from codealign.online.gathering import Asked
from codealign.online.store import RolloutStore
from codealign.policy import Policy, load_policy
from codealign.records import Completion, Problem, Verdict, read_rows
from codealign.reference import FrozenReference
from codealign.rewards import build_reward
from codealign.sampling import Request, SamplingParams, open_engine

PROMPTS = [
    "def add(a, b):\n",
    "def head(xs):\n    for x in xs:\n",
    "xs = [1, 2, 3]\nfor x",
    "return",
]
PROBLEMS = {
    f"t{i}": Problem.model_validate(
        {"task_id": f"t{i}", "prompt": prompt, "tests": {"kind": "asserts", "asserts": ["True"]}}
    )
    for i, prompt in enumerate(PROMPTS)
}
Outcome = Callable[[Candidate], str]


def about_half(candidate: Candidate) -> str:
    """Decided by the text, so that equal programs have equal outcomes."""
    return "passed" if sum(map(ord, candidate.program)) % 2 else "failed"


class PlannedJudge:
    """Says what a test has planned, and notes what it was asked."""

    def __init__(self, outcome: Outcome = about_half) -> None:
        self.outcome = outcome
        self.asked: list[Candidate] = []

    def judged(
        self, candidates: Iterable[Candidate], *, ordered: bool = True
    ) -> Iterator[tuple[Candidate, dict[str, Any]]]:
        for candidate in candidates:
            self.asked.append(candidate)
            outcome = self.outcome(candidate)
            yield (
                candidate,
                {
                    "task_id": candidate.problem.task_id,
                    "sample_index": candidate.sample_index,
                    "outcome": outcome,
                    "passed": outcome == "passed",
                    "program": candidate.program,
                },
            )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("llama"), "llama")


def policy_at(path: Path, **options: Any) -> Policy:
    return load_policy(ModelConfig(model_name_or_path=str(path), **options))


SAMPLE = SampleConfig(num_samples=4, max_new_tokens=12)


def passes(verdicts: Sequence[Verdict], problems: Any) -> list[float | None]:
    """1 or 0, of completions that were cut as well: a random model seldom ends one."""
    return [float(verdict.passed) for verdict in verdicts]


def gatherer(
    policy: Policy, judge: Any = None, sample: SampleConfig = SAMPLE, reward: Any = passes
) -> Gatherer:
    return Gatherer(
        policy, PROBLEMS, judge or PlannedJudge(), JudgeConfig(extract="raw"), sample, reward
    )


def asked(num: int = 3) -> list[Asked]:
    return [Asked(task_id, index) for task_id in PROBLEMS for index in range(num)]


def settings(
    objective: dict[str, Any], experience: dict[str, Any] | None = None, **others: Any
) -> TrainConfig:
    rollouts = {"num_iterations": 3, "problems_per_iteration": 3, "steps_per_epoch": 2}
    return parse_config(
        TrainConfig,
        {
            "objective": objective,
            "experience": {"kind": "rollouts", **rollouts, **(experience or {})},
            "learning_rate": 1e-2,
            "lr_scheduler_type": "constant",
            "warmup_ratio": 0.0,
            "per_device_train_batch_size": 4,
            "save_steps": 1,
            **others,
        },
    )


def trained(
    path: Path, config: TrainConfig, run_dir: Path, judge: Any = None, **options: Any
) -> tuple[Policy, Any]:
    policy = policy_at(path, **options.pop("model", {}))
    judging = JudgeConfig(extract="raw")
    options = {"sample": SAMPLE, "judging": judging, "seed": 0, "reward": passes} | options
    result = train_online(
        policy, PROBLEMS, config, judge or PlannedJudge(), run_dir=run_dir, **options
    )
    return policy, result


def weights(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in policy.model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------- what is drawn


def test_a_rollout_depends_on_seed_problem_and_index_and_on_nothing_else_that_is_drawn(
    path: Path,
) -> None:
    own = gatherer(policy_at(path))
    everything = {
        (d.task_id, d.verdict.sample_index): d.completion_ids
        for d in own.gather(asked(), seed=5).drawn
    }
    alone = own.gather([Asked("t2", 1)], seed=5).drawn
    other = own.gather(asked(), seed=6).drawn
    assert alone[0].completion_ids == everything["t2", 1]
    assert [d.completion_ids for d in other] != list(everything.values())


def test_rollouts_come_in_the_order_in_which_they_were_asked_for(path: Path) -> None:
    wanted = asked()[::-1]
    drawn = gatherer(policy_at(path)).gather(wanted, seed=0).drawn
    assert [(d.task_id, d.verdict.sample_index) for d in drawn] == wanted


def test_what_can_not_be_judged_is_replaced_by_another_draw_and_never_scored(path: Path) -> None:
    refused: list[Candidate] = []

    def sometimes(candidate: Candidate) -> str:
        if candidate.problem.task_id == "t1" and len(refused) < 4:
            refused.append(candidate)
            return "not_judged"
        return about_half(candidate)

    gathered = gatherer(policy_at(path), PlannedJudge(sometimes)).gather(asked(), seed=0)
    assert len(refused) == 4
    assert len(gathered.drawn) == len(asked())
    assert all(d.verdict.outcome != "not_judged" and d.reward is not None for d in gathered.drawn)
    # Drawn anew, not judged again: the programs are others.
    replaced = {d.verdict.program for d in gathered.drawn if d.task_id == "t1"}
    assert not replaced & {candidate.program for candidate in refused}


def test_a_judge_that_judges_nothing_stops_the_run(path: Path) -> None:
    own = gatherer(policy_at(path), PlannedJudge(lambda candidate: "not_judged"))
    with pytest.raises(SandboxError, match=r"nor could 3 in its place"):
        own.gather(asked(1), seed=0)


def test_what_the_limit_cut_has_no_eos_and_is_worth_nothing_though_it_passes(path: Path) -> None:
    policy = policy_at(path)
    passing = PlannedJudge(lambda candidate: "passed")
    own = gatherer(policy, passing, reward=build_reward(BinaryReward()))
    drawn = own.gather([Asked(t, i) for t in PROBLEMS for i in range(16)], seed=0).drawn
    cut = [d for d in drawn if d.is_cut]
    ended = [d for d in drawn if not d.is_cut]
    assert cut
    assert ended
    assert all(d.reward == 0.0 and d.completion_ids[-1] != policy.eos_id for d in cut)
    assert all(d.reward == 1.0 and d.completion_ids[-1] == policy.eos_id for d in ended)


def test_judging_begins_before_sampling_ends(path: Path) -> None:
    """The first program is with the judge while the engine has completions to give."""
    policy = policy_at(path)
    events: list[str] = []

    class Watched:
        name = "transformers"

        def sample(
            self, requests: Iterable[Request], params: SamplingParams
        ) -> Iterator[Completion]:
            for completion in open_engine(SAMPLE.engine, policy).sample(requests, params):
                events.append("sampled")
                yield completion

    def noted(candidate: Candidate) -> str:
        events.append("judged")
        return "passed"

    own = gatherer(policy, PlannedJudge(noted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codealign.online.gathering.open_engine", lambda *_: Watched())
        own.gather(asked(), seed=0)
    assert events.index("judged") < len(events) - 1 - events[::-1].index("sampled")


# ------------------------------------------------------------------- values of states


def prefixes(completion: Completion) -> list[State]:
    ids, prompt = tuple(completion.completion_ids or ()), tuple(completion.prompt_ids or ())
    return [State(completion.task_id, prompt, ids[:cut]) for cut in range(0, len(ids), 4)]


def test_equal_states_are_continued_once_and_every_state_k_times(path: Path) -> None:
    judge = PlannedJudge()
    gathered = gatherer(policy_at(path), judge).gather(
        asked(), seed=0, states_of=prefixes, num_continuations=3
    )
    states = {s for d in gathered.drawn for s in prefixes(_completion(d.verdict))}
    assert set(gathered.returns) == states
    assert all(len(returns) == 3 for returns in gathered.returns.values())
    assert len(judge.asked) == len(asked()) + 3 * len(states)
    # The prompt is the state before the first step of all its completions.
    assert sum(not state.prefix_ids for state in states) == len(PROBLEMS)


def _completion(verdict: Verdict) -> Completion:
    extra = verdict.model_extra or {}
    return Completion(
        task_id=verdict.task_id,
        completion="",
        prompt_ids=extra["prompt_ids"],
        completion_ids=extra["completion_ids"],
    )


def test_a_continuation_begins_with_its_state_and_stays_within_the_limit(path: Path) -> None:
    policy = policy_at(path)
    seen: list[tuple[int, ...]] = []
    own = gatherer(policy)
    state = State("t0", tuple(policy.encode_prompt(PROMPTS[0])), (41, 42, 43))
    own.reward = lambda verdicts, problems: [  # type: ignore[method-assign,assignment]
        seen.append(tuple((v.model_extra or {})["completion_ids"])) or 0.0 for v in verdicts
    ]
    own.continue_states([state], 20, seed=0)
    assert len(seen) == 20
    assert all(ids[:3] == (41, 42, 43) and 3 < len(ids) <= SAMPLE.max_new_tokens for ids in seen)


def test_continuations_do_not_repeat_the_completion_they_continue(path: Path) -> None:
    """The state before the first token, continued with the rollout's own index, is another draw."""
    policy = policy_at(path)
    own = gatherer(policy)
    texts: list[str] = []
    original = own.reward

    def noted(verdicts: Any, problems: Any) -> list[float | None]:
        texts.append("|".join(v.program for v in verdicts))
        return original(verdicts, problems)

    own.reward = noted  # type: ignore[method-assign,assignment]
    first = [Asked("t0", index) for index in range(8)]
    own.gather(
        first,
        seed=0,
        states_of=lambda c: [State("t0", tuple(c.prompt_ids or ()), ())],
        num_continuations=8,
    )
    drawn, continued = texts
    assert drawn != continued


def test_values_are_unbiased_and_their_spread_is_that_of_k_draws(path: Path) -> None:
    """Over 400 estimates of K = 4: mean within 4 standard errors of p, std √(p(1 − p)/K)."""
    policy = policy_at(path)
    own = gatherer(policy)
    state = State("t1", tuple(policy.encode_prompt(PROMPTS[1])), ())
    returns = own.continue_states([state], 3200, seed=1)[state]
    p = sum(returns[:1600]) / 1600
    assert 0.1 < p < 0.9
    means = [sum(returns[i : i + 4]) / 4 for i in range(1600, 3200, 4)]
    mean = sum(means) / len(means)
    assert abs(mean - p) < 4 * math.sqrt(2 * p * (1 - p) / 1600)
    std = math.sqrt(sum((m - mean) ** 2 for m in means) / (len(means) - 1))
    assert std == pytest.approx(math.sqrt(p * (1 - p) / 4), rel=0.15)
    assert {round(4 * m) / 4 for m in means} == set(means)


# ------------------------------------------------------------------- what an iteration gives


def experience(
    policy: Policy, config: TrainConfig, run_dir: Path, judge: Any = None, critic: Any = None
) -> OnlineExperience:
    objective = build_objective(config.objective)
    return OnlineExperience(
        policy,
        config,
        RunConfig().pairs,
        gatherer(policy, judge),
        objective,
        critic=critic,
        reference=FrozenReference(policy),
        run_dir=run_dir,
        seed=0,
        key="key",
    )


UNWHITENED = {"whiten": False, "kl": {"kind": "none"}}


def test_vineppos_advantages_sum_to_the_reward_less_the_value_of_the_prompt(
    path: Path, tmp_path: Path
) -> None:
    config = settings({"kind": "vineppo", "num_rollouts": 4, "max_steps": None, **UNWHITENED})
    own = experience(policy_at(path), config, tmp_path)
    rows, drawn = own._rows(0), RolloutStore(tmp_path, "key").read(0)
    assert drawn is not None
    values: dict[str, set[float]] = {}
    for row, each in zip(rows, drawn.drawn, strict=True):
        assert isinstance(row, EncodedRollout)
        assert own.stepper
        assert each.reward is not None
        starts = own.stepper.steps(_completion(each.verdict)).starts
        total = sum(row.advantages[start] for start in starts)
        values.setdefault(each.task_id, set()).add(round(each.reward - total, 9))
    # The samples of a problem share one estimate of its prompt.
    assert all(len(of_prompt) == 1 for of_prompt in values.values())
    assert all(4 * value == round(4 * value) for of in values.values() for value in of)


def test_with_a_cap_of_zero_only_the_first_step_has_credit(path: Path, tmp_path: Path) -> None:
    config = settings({"kind": "vineppo", "num_rollouts": 4, "max_steps": 0, **UNWHITENED})
    own = experience(policy_at(path), config, tmp_path)
    for row in own._rows(0):
        assert isinstance(row, EncodedRollout)
        assert own.stepper
        completion = Completion(
            task_id="t0", completion="", completion_ids=list(row.completion_ids), prompt_ids=[]
        )
        steps = own.stepper.steps(completion)
        assert all(a == 0 for a, step in zip(row.advantages, steps.of_token, strict=True) if step)


def test_a_constant_reward_gives_no_advantage_and_no_step(path: Path, tmp_path: Path) -> None:
    for kind in ("grpo", "rloo", "vineppo"):
        config = settings({"kind": kind, "kl": {"kind": "none"}})
        everything = PlannedJudge(lambda candidate: "failed")
        own = experience(policy_at(path), config, tmp_path / kind, everything)
        rows = own._rows(0)
        assert all(not any(row.advantages) for row in rows if isinstance(row, EncodedRollout))
        assert [own.batches(step) for step in range(2)] == [[], []]


def test_log_probs_are_taken_once_from_the_policy_that_drew_and_from_the_first_weights(
    path: Path, tmp_path: Path
) -> None:
    config = settings({"kind": "grpo", "kl": {"kind": "loss", "coefficient": 0.1}})
    policy = policy_at(path)
    own = experience(policy, config, tmp_path)
    first = own._rows(0)
    before = weights(policy)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    moved = weights(policy)
    second = own._rows(1)
    assert same(weights(policy), moved)  # asking the reference leaves no trace
    for rows, of_policy, of_reference in ((first, before, before), (second, moved, before)):
        row = rows[0]
        assert isinstance(row, EncodedRollout)
        assert row.reference_logps is not None
        for known, state in ((row.old_logps, of_policy), (row.reference_logps, of_reference)):
            policy.model.load_state_dict(state, strict=False)
            batch = batch_completions([(row.prompt_ids, row.completion_ids)])
            found = policy.token_logps(batch)[0].detach()
            assert torch.allclose(found, torch.tensor(known), atol=1e-5)


def test_leaving_idle_rollouts_out_changes_no_gradient(path: Path) -> None:
    policy = policy_at(path)
    rows = [
        EncodedRollout((5, 6), (7, 8 + i), advantages=(a, a), old_logps=(-2.0, -1.0))
        for i, a in enumerate((0.5, 0.0, -1.0, 0.0, 2.0))
    ]
    loss = PolicyLoss(policy, build_objective(settings({"kind": "dapo"}).objective), None)
    gradients = []
    for chosen in (rows, _without_idle(rows, 1)):
        batch = batch_rollouts(chosen, mean_length=2.0)
        policy.model.zero_grad()
        (loss(batch).sum / loss.count(batch)).backward()
        gradients.append([p.grad.clone() for p in policy.model.parameters() if p.grad is not None])
    assert len(_without_idle(rows, 1)) == 3
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-7)


def test_each_problem_comes_once_before_any_comes_again(path: Path, tmp_path: Path) -> None:
    config = settings({"kind": "grpo"}, {"problems_per_iteration": 3, "num_iterations": 4})
    own = experience(policy_at(path), config, tmp_path)
    names = [each.task_id for number in range(4) for each in own._asked(number)]
    assert {name: names.count(name) for name in PROBLEMS} == dict.fromkeys(PROBLEMS, 3 * 4)
    assert own.epoch(own.num_steps) == pytest.approx(3.0)


# ------------------------------------------------------------------- whole trainings

OBJECTIVES: dict[str, dict[str, Any]] = {
    "grpo": {"kind": "grpo"},
    "dr_grpo": {"kind": "dr_grpo"},
    "rloo": {"kind": "rloo"},
    "ppo": {"kind": "ppo", "critic": {"kind": "head", "learning_rate": 0.05, "detach": False}},
    "ppo_model": {"kind": "ppo", "critic": {"kind": "model"}},
    "vineppo": {"kind": "vineppo", "num_rollouts": 2},
    "dpo": {"kind": "dpo"},
    "dpo_of_rounds": {"kind": "dpo"},
    "rft": {"kind": "rft"},
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_run_killed_at_any_step_ends_with_the_same_weights_and_metrics(
    path: Path, tmp_path: Path, name: str
) -> None:
    of_rounds = {"reference": "iteration"} if name == "dpo_of_rounds" else {}
    config = settings(OBJECTIVES[name], {"num_epochs": 2, "num_iterations": 2, **of_rounds})
    expected, whole = trained(path, config, tmp_path / "whole")
    assert whole.finished
    assert whole.steps == 8
    assert not same(weights(expected), weights(policy_at(path)))
    broken = tmp_path / "broken"
    for _ in range(20):
        policy, result = trained(path, config, broken, should_stop=lambda: True)
        if result.finished:
            break
    assert result.finished
    assert same(weights(policy), weights(expected))
    assert _rows(broken) == _rows(tmp_path / "whole")
    assert dict(result.gathered) == dict(whole.gathered)
    assert result.gathered["num_rollouts"] == 2 * 3 * 4


def _rows(run_dir: Path) -> list[dict[str, Any]]:
    rows = [row for _, row in read_rows(run_dir / "metrics.jsonl")]
    return [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows]


def test_a_run_killed_while_it_gathers_gathers_the_same_again(path: Path, tmp_path: Path) -> None:
    config = settings(OBJECTIVES["vineppo"])
    expected, _ = trained(path, config, tmp_path / "whole")

    class Killed(Exception): ...

    count = 0

    def dies(candidate: Candidate) -> str:
        nonlocal count
        count += 1
        if count in (5, 40, 60):
            raise Killed
        return about_half(candidate)

    judge = PlannedJudge(dies)
    for _ in range(3):
        with pytest.raises(Killed):
            trained(path, config, tmp_path / "broken", judge)
    policy, _ = trained(path, config, tmp_path / "broken", judge)
    assert same(weights(policy), weights(expected))


def test_without_its_rollouts_a_run_in_the_middle_of_an_iteration_says_so(
    path: Path, tmp_path: Path
) -> None:
    config = settings(OBJECTIVES["grpo"])
    trained(path, config, tmp_path, should_stop=lambda: True)
    for file in (tmp_path / "rollouts").glob("iteration-*"):
        file.unlink()
    with pytest.raises(InputError, match=r"rollouts of iteration 0.* are gone"):
        trained(path, config, tmp_path)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_microbatches_are_layout(path: Path, tmp_path: Path, name: str) -> None:
    """How a step is cut, and so how log-probs are asked for, moves weights by rounding alone."""
    found = []
    for size in (1, 64):
        config = settings(
            OBJECTIVES[name],
            {"num_iterations": 1},
            per_device_train_batch_size=size,
            learning_rate=1e-3,
            update={"kind": "backprop", "adam_epsilon": 1e-3},
        )
        found.append(weights(trained(path, config, tmp_path / str(size))[0]))
    for key in found[0]:
        assert torch.allclose(found[0][key], found[1][key], atol=2e-5), key


def test_a_policy_learns_what_is_rewarded(path: Path, tmp_path: Path) -> None:
    """GRPO, RLOO, VinePPO and PPO raise the share of completions that the judge calls right."""

    def has_x(candidate: Candidate) -> str:
        return "passed" if "x" in candidate.program[len(candidate.problem.prompt) :] else "failed"

    for name in ("grpo", "rloo", "vineppo", "ppo"):
        config = settings(
            OBJECTIVES[name] | {"kl": {"kind": "none"}},
            {"num_iterations": 12, "problems_per_iteration": None, "steps_per_epoch": 1},
        )
        sample = SAMPLE.model_copy(update={"num_samples": 16})
        trained(path, config, tmp_path / name, PlannedJudge(has_x), sample=sample)
        shares = [row["exec/passed"] for row in _rows(tmp_path / name) if "exec/passed" in row]
        assert shares[-1] > shares[0] + 0.2, (name, shares)


def test_far_from_the_policy_that_drew_the_rest_of_an_iteration_is_left_out(
    path: Path, tmp_path: Path
) -> None:
    options = {"num_epochs": 4, "num_iterations": 2}
    far = settings({"kind": "grpo", "target_kl": 1e-9}, options)
    _, result = trained(path, far, tmp_path)
    steps = [row["step"] for row in _rows(tmp_path) if "loss" in row]
    # The first step has a ratio of 1, but for rounding; what comes after it is beyond so small a target.
    assert result.steps == 16
    assert 2 <= len(steps) < 8
    assert any(step > 8 for step in steps)


def test_an_iteration_without_a_pair_teaches_nothing_and_the_run_goes_on(
    path: Path, tmp_path: Path
) -> None:
    config = settings({"kind": "dpo"})
    policy, result = trained(path, config, tmp_path, PlannedJudge(lambda candidate: "failed"))
    assert result.finished
    assert same(weights(policy), weights(policy_at(path)))
    assert all("loss" not in row for row in _rows(tmp_path))


@pytest.mark.parametrize("reference", ["first", "iteration"])
def test_pairs_are_measured_from_the_first_policy_or_the_one_that_began_the_iteration(
    path: Path, tmp_path: Path, reference: str
) -> None:
    """The first loss of an iteration is log 2 where its own policy is the reference, and moves away where the first is."""
    config = settings({"kind": "dpo"}, {"reference": reference, "num_iterations": 4})
    trained(path, config, tmp_path)
    first = [row["loss"] for row in _rows(tmp_path) if "reward" in row and "loss" in row]
    assert first[0] == pytest.approx(math.log(2), abs=1e-5)
    away = [abs(loss - math.log(2)) > 1e-3 for loss in first[1:]]
    assert not any(away) if reference == "iteration" else all(away)


def test_an_adapter_is_its_own_reference(path: Path, tmp_path: Path) -> None:
    config = settings({"kind": "grpo", "kl": {"kind": "loss", "coefficient": 0.5}})
    policy, _ = trained(path, config, tmp_path, model={"use_peft": True, "lora_r": 2})
    rows = [row for row in _rows(tmp_path) if "kl" in row]
    assert rows[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert rows[-1]["kl"] > 1e-6
    assert FrozenReference(policy)._waiting == []


def test_another_temperature_is_the_one_that_log_probs_are_taken_at(
    path: Path, tmp_path: Path
) -> None:
    policy = policy_at(path)
    batch = batch_completions([((5, 6, 7), (8, 9, 0))])
    with torch.no_grad():
        policy.log_probs.temperature = 0.5
        for way in (policy.log_probs.path, "plain"):
            policy.log_probs.path = way
            logits = policy.model(input_ids=torch.tensor([[5, 6, 7, 8, 9]])).logits[0, 2:]
            expected = (logits / 0.5).log_softmax(-1)[range(3), [8, 9, 0]]
            assert torch.allclose(policy.token_logps(batch)[0], expected, atol=1e-5)
            assert torch.allclose(policy.token_spread(batch).logps_NT[0], expected, atol=1e-5)
    warm = SAMPLE.model_copy(update={"temperature": 0.5})
    config = settings({"kind": "grpo"}, {"num_iterations": 1, "steps_per_epoch": 1})
    policy, _ = trained(path, config, tmp_path, sample=warm)
    assert policy.log_probs.temperature == 1.0
    assert _rows(tmp_path)[0]["approx_kl"] == pytest.approx(0.0, abs=1e-6)


# ------------------------------------------------------------------- the critic


def test_a_new_critic_says_zero_and_reads_the_very_state_before_each_token(path: Path) -> None:
    policy = policy_at(path)
    batch = batch_completions([((5, 6, 7), (8, 9, 0)), ((5, 6, 7), (9,)), ((4,), (8, 8))])
    for critic in (
        HeadCritic(policy, detach=False, learning_rate_scale=1.0),
        ModelCritic(policy, learning_rate_scale=1.0),
    ):
        assert not critic.values(batch).any()
        with torch.no_grad():
            critic.head.weight.normal_()
            critic.head.bias.fill_(0.5)
            hidden = policy.model(
                input_ids=torch.tensor([[5, 6, 7, 8, 9]]), output_hidden_states=True
            ).hidden_states[-1][0, 2:]
            expected = critic.head(hidden)[:, 0]
        assert torch.allclose(critic.values(batch)[0], expected, atol=1e-5)
        assert critic.values(batch)[1, 1:].eq(0).all()
        tree, policy.log_probs.path = policy.log_probs.path, "plain"
        assert torch.allclose(critic.values(batch)[0], expected, atol=1e-5)
        policy.log_probs.path = tree


def test_a_detached_head_leaves_the_policy_alone_and_a_model_of_its_own_does_too(
    path: Path, tmp_path: Path
) -> None:
    batch = batch_completions([((5, 6, 7), (8, 9, 0))])
    for detach, moves in ((True, False), (False, True)):
        policy = policy_at(path)
        critic = HeadCritic(policy, detach=detach, learning_rate_scale=1.0)
        torch.nn.init.normal_(critic.head.weight)
        _, values = critic.beside(batch, policy.token_logps)
        values.sum().backward()
        assert any(p.grad is not None and p.grad.any() for p in policy.model.parameters()) == moves
        assert critic.head.weight.grad is not None
    policy = policy_at(path)
    own = ModelCritic(policy, learning_rate_scale=1.0)
    own.beside(batch, policy.token_logps)[1].sum().backward()
    assert all(p.grad is None for p in policy.model.parameters())
    torch.nn.init.normal_(own.head.weight)
    own.save(tmp_path)
    other = ModelCritic(policy, learning_rate_scale=1.0)
    other.load(tmp_path)
    assert torch.equal(own.values(batch), other.values(batch))
    with pytest.raises(InputError, match="no critic"):
        other.load(tmp_path / "nowhere")


def test_the_critic_learns_what_rollouts_are_worth(path: Path, tmp_path: Path) -> None:
    """With the policy held still, its error falls below that of saying 0, and it is kept beside the model."""
    config = settings(
        {
            "kind": "ppo",
            "kl": {"kind": "none"},
            "value_clip": None,
            "critic": {"kind": "model", "learning_rate": 3e-3},
        },
        {"num_iterations": 25, "problems_per_iteration": None, "steps_per_epoch": 1},
        learning_rate=1e-9,
    )
    judge = PlannedJudge(lambda c: "passed" if c.problem.task_id in ("t0", "t1") else "failed")
    sample = SAMPLE.model_copy(update={"num_samples": 8, "max_new_tokens": 24})
    trained(path, config, tmp_path, judge, sample=sample)
    losses = [row["value_loss"] for row in _rows(tmp_path) if "value_loss" in row]
    assert losses[-1] < 0.3 * losses[0]
    assert (tmp_path / "critic.safetensors").is_file()


# ------------------------------------------------------------------- what is refused, and what is kept


def test_settings_that_would_be_ignored_or_can_not_work_are_refused(
    path: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"set train\.experience\.kind: rollouts"):
        parse_config(TrainConfig, {"objective": {"kind": "grpo"}})
    for name, value in (
        ("num_train_epochs", 2),
        ("pairs_per_step", 8),
        ("following_reference", {}),
    ):
        with pytest.raises(ConfigError, match=f"{name} would be ignored"):
            settings({"kind": "grpo"}, **{name: value})
    with pytest.raises(ConfigError, match="two"):
        parse_config(
            RunConfig,
            {
                "train": {"objective": {"kind": "tis_dpo"}, "experience": {"kind": "rollouts"}},
                "token_weights": {"kind": "random"},
            },
        )
    config = settings({"kind": "grpo"})
    server = SampleConfig.model_validate({"engine": {"kind": "openai", "base_url": "http://x"}})
    with pytest.raises(ConfigError, match="first weights only"):
        trained(path, config, tmp_path, sample=server)
    with pytest.raises(ConfigError, match="greedy"):
        trained(path, config, tmp_path, sample=SampleConfig(temperature=0.0))


def test_rollouts_without_any_reward_are_an_error_that_says_where(
    path: Path, tmp_path: Path
) -> None:
    nothing = lambda verdicts, problems: [None] * len(verdicts)  # noqa: E731
    with pytest.raises(CodealignError, match=r"none of 12 completions has a reward"):
        trained(path, settings({"kind": "grpo"}), tmp_path, reward=nothing)


def test_what_is_not_scored_is_not_learnt_from(path: Path, tmp_path: Path) -> None:
    def every_other(verdicts: Sequence[Verdict], problems: Any) -> list[float | None]:
        return [float(i % 4 == 0) if i % 2 == 0 else None for i in range(len(verdicts))]

    config = settings({"kind": "grpo"}, {"num_iterations": 1, "steps_per_epoch": 1})
    trained(path, config, tmp_path, reward=every_other)
    iteration = RolloutStore(tmp_path, _key_in(tmp_path)).read(0)
    assert iteration is not None
    assert (len(iteration.drawn), len(iteration.rows)) == (12, 6)


def _key_in(run_dir: Path) -> str:
    import json

    return json.loads((run_dir / "rollouts" / "key.json").read_text())["key"]


def test_rollouts_of_other_settings_are_not_taken_for_these(path: Path, tmp_path: Path) -> None:
    """A run killed before its first checkpoint, and begun again with another seed."""
    config = settings({"kind": "grpo"}, save_steps=100)
    trained(path, config, tmp_path, seed=1)
    for checkpoint in tmp_path.glob("checkpoint-*"):
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()
    MetricsFile(tmp_path / "metrics.jsonl").rewind(None)
    policy, _ = trained(path, config, tmp_path, seed=2)
    expected, _ = trained(path, config, tmp_path / "new", seed=2)
    assert same(weights(policy), weights(expected))


def test_rollouts_are_kept_for_people_and_their_columns_only_while_a_run_may_go_back(
    path: Path, tmp_path: Path
) -> None:
    config = settings({"kind": "grpo"}, {"num_iterations": 8})
    trained(path, config, tmp_path)
    directory = tmp_path / "rollouts"
    assert len(list(directory.glob("iteration-*.jsonl"))) == 8
    kept = sorted(p.name for p in directory.glob("iteration-*.safetensors"))
    assert 1 < len(kept) < 5
    assert kept[-1] == "iteration-00007.safetensors"
    row = next(row for _, row in read_rows(directory / "iteration-00003.jsonl"))
    assert row["iteration"] == 3
    assert {"task_id", "completion", "outcome", "reward", "completion_ids"} <= set(row)


def test_without_its_checkpoints_a_run_starts_over_though_old_columns_are_gone(
    path: Path, tmp_path: Path
) -> None:
    config = settings({"kind": "grpo"}, {"num_iterations": 8})
    expected, _ = trained(path, config, tmp_path)
    for checkpoint in tmp_path.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    policy, result = trained(path, config, tmp_path)
    assert result.num_tokens > 0
    assert same(weights(policy), weights(expected))


def test_the_same_completion_drawn_twice_counts_twice(path: Path) -> None:
    row = EncodedRollout((5, 6), (7, 8), advantages=(1.0, 1.0), old_logps=(-2.0, -1.0))
    batch = batch_rollouts([row, row, row._replace(advantages=(2.0, 2.0))], mean_length=2.0)
    assert batch.num_completions == 2
    assert batch.weights_N.tolist() == [2.0, 1.0]
    assert replace(batch).prompts == ((5, 6),)


def test_a_run_ends_when_its_seconds_are_over_and_stays_ended(path: Path, tmp_path: Path) -> None:
    config = settings({"kind": "grpo"}, {"num_iterations": 1000}, max_seconds=1e-3)
    scores = iter([0.1, 0.2, 0.3])
    _, result = trained(path, config, tmp_path, evaluate=lambda policy: next(scores))
    assert result.finished
    assert result.steps == 1
    assert [row["eval_pass@1"] for row in _rows(tmp_path) if "eval_pass@1" in row] == [0.1]
    _, again = trained(path, config, tmp_path, evaluate=lambda policy: next(scores))
    assert again.steps == 1
