"""Credit, measured: errors and rankings by hand, no draw used twice, and a killed call that ends where it would have."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_fixtures import save_tiny_model

from codealign.config import (
    KATA_POLICY,
    PPO,
    HeadCritic,
    JudgeConfig,
    ModelConfig,
    Rollouts,
    SampleConfig,
    TrainConfig,
    VinePPO,
)
from codealign.credit import CreditSettings
from codealign.credit.drawing import Drawing, Trajectory
from codealign.credit.errors import States, summary_of_errors
from codealign.credit.gradients import Sketch, gradient_noise
from codealign.credit.measuring import Measured, measure
from codealign.credit.ranking import Choice, score, summary_of_ranking
from codealign.critic import Critic, build_critic
from codealign.judging import Candidate
from codealign.online import Gatherer, gathering, steps
from codealign.policy import Policy, load_policy
from codealign.records import Problem, Verdict, write_records
from codealign.report import ReportData, render_report
from codealign.report.credit import render_credit
from codealign.sampling import Request, SamplingParams, open_engine

# ---------------------------------------------------------------- errors


def states(
    truths: Sequence[Sequence[float]],
    num_steps: int = 4,
    **estimates: Sequence[float | None],
) -> States:
    """Of trajectories of `num_steps` states, two of them a problem."""
    numbers = range(len(truths))
    return States(
        [f"t{number // (2 * num_steps)}" for number in numbers],
        [number % num_steps for number in numbers],
        [num_steps] * len(truths),
        [list(rewards) for rewards in truths],
        estimates,
    )


def rewards_of(probabilities: np.ndarray, num: int, seed: int = 0) -> list[list[float]]:
    drawn = np.random.default_rng(seed).random((len(probabilities), num)) < probabilities[:, None]
    return drawn.astype(float).tolist()


def summary(given: States, seed: int = 0) -> dict[str, Any]:
    return summary_of_errors(given, confidence=0.95, seed=seed)


def test_perfect_values_are_off_by_the_noise_of_the_truth() -> None:
    p = np.random.default_rng(1).random(2000)
    found = summary(states(rewards_of(p, 64), perfect=p.tolist()))
    perfect = found["methods"]["perfect"]
    # E|mean − p| = √(2/π · p(1 − p)/64), over uniform p: √(2/π)/8 · π/8 = 0.0392.
    assert found["noise"]["mae"] == pytest.approx(0.0392, abs=0.001)
    assert perfect["mae"]["value"] == pytest.approx(found["noise"]["mae"], rel=0.03)
    assert perfect["rmse"]["value"] < 0.01, "with the truth's noise taken out, nothing is left"
    # Var(error)/Var(truth): p(1 − p)/64 is 1/384 on average, p's variance 1/12.
    assert perfect["explained_variance"]["value"] == pytest.approx(1 - 12 / 384, abs=0.01)


def test_the_error_of_k_rollouts_is_that_of_a_mean_of_k() -> None:
    p = np.random.default_rng(2).random(4000)
    k = {f"vine_{k}": np.mean(rewards_of(p, k, seed=k), axis=1).tolist() for k in (1, 3, 9)}
    found = summary(states(rewards_of(p, 64), **k))["methods"]
    for name, number in (("vine_1", 1), ("vine_3", 3), ("vine_9", 9)):
        # E[p(1 − p)]/K over uniform p is 1/6K.
        assert found[name]["rmse"]["value"] == pytest.approx(math.sqrt(1 / 6 / number), rel=0.03)
        assert found[name]["bias"]["low"] < 0 < found[name]["bias"]["high"]


def test_errors_are_those_of_plain_formulas_by_all_states_and_by_place() -> None:
    rng = np.random.default_rng(3)
    truths, estimate = rng.random((48, 5)), rng.random(48)
    found = summary(states(truths.tolist(), num_steps=6, own=estimate.tolist()))
    truth = truths.mean(1)
    error = estimate - truth
    own = found["methods"]["own"]
    assert own["mae"]["value"] == pytest.approx(np.abs(error).mean())
    assert own["bias"]["value"] == pytest.approx(error.mean())
    noise = truths.var(1, ddof=1) / 5
    assert own["rmse"]["value"] == pytest.approx(math.sqrt((error**2 - noise).mean()))
    assert own["explained_variance"]["value"] == pytest.approx(1 - error.var() / truth.var())
    assert own["correlation"]["value"] == pytest.approx(np.corrcoef(truth, estimate)[0, 1])
    assert own["mae"]["low"] < own["mae"]["value"] < own["mae"]["high"]
    by_step = np.abs(error).reshape(-1, 6).mean(0)
    assert [each["mae"]["own"]["value"] for each in found["by_step"]] == pytest.approx(by_step)
    # Of six steps the first fifth has 0/6 and 1/6, the last 5/6.
    assert [each["num_states"] for each in found["by_position"]] == [16, 8, 8, 8, 8]
    assert found["by_position"][-1]["mae"]["own"]["value"] == pytest.approx(by_step[5])


def test_states_that_a_method_does_not_value_are_left_out_for_it_alone() -> None:
    given = states([[1.0, 1.0], [0.0, 0.0]] * 8, a=[0.5, None] * 8, b=[1.0, 0.0] * 8, c=[None] * 16)
    found = summary(given)["methods"]
    assert (found["a"]["num_states"], found["a"]["mae"]["value"]) == (8, 0.5)
    assert (found["b"]["num_states"], found["b"]["mae"]["value"]) == (16, 0.0)
    assert found["c"]["mae"] == {"value": None, "low": None, "high": None}
    assert found["a"]["correlation"]["value"] is None, "an estimate that never changes"


def test_intervals_are_over_problems_not_over_their_states() -> None:
    p = np.random.default_rng(4).random(40)
    few = summary(states([[each] for each in p.repeat(8)], own=[0.5] * 320))
    once = summary(
        States(
            [f"t{i}" for i in range(40)], [0] * 40, [1] * 40, [[x] for x in p], {"own": [0.5] * 40}
        )
    )
    wide, narrow = (each["methods"]["own"]["mae"] for each in (once, few))
    assert narrow == pytest.approx(wide), "eight states a problem that are all alike tell no more"
    spread = np.abs(p - 0.5).std() / math.sqrt(40)
    assert wide["high"] - wide["low"] == pytest.approx(2 * 1.96 * spread, rel=0.1)


# ---------------------------------------------------------------- ranking


def ranked(
    truths: Sequence[Sequence[float]], **estimates: Sequence[float | None]
) -> dict[str, Any]:
    found = summary_of_ranking(
        [Choice("t", [list(r) for r in truths], estimates)], confidence=0.95, seed=0
    )
    assert found is not None
    return found


def values(found: dict[str, Any], method: str) -> tuple[float, ...]:
    return tuple(found["methods"][method][name]["value"] for name in ("pairwise", "clear", "top"))


CERTAIN = ([0.0] * 64, [0.0, 1.0] * 32, [1.0] * 64)


def test_values_equal_to_the_truth_rank_everything_right_and_the_reverse_nothing() -> None:
    found = ranked(CERTAIN, truth=[0.0, 0.5, 1.0], reverse=[1.0, 0.5, 0.0])
    assert values(found, "truth") == (1.0, 1.0, 1.0)
    assert values(found, "reverse") == (0.0, 0.0, 0.0)
    assert (found["possible"], found["num_clear"]) == (1.0, 3)


def test_a_constant_ranks_no_pair_and_finds_the_best_by_chance() -> None:
    found = ranked(CERTAIN, constant=[0.3, 0.3, 0.3])
    assert values(found, "constant") == (0.0, 0.0, pytest.approx(1 / 3))
    assert found["chance"] == pytest.approx(1 / 3)


def test_ties_of_the_truth_are_wrong_for_everybody() -> None:
    found = ranked([[0.0] * 8, [1.0] * 8, [1.0] * 8], truth=[0.0, 1.0, 1.0], two=[0.0, 0.5, 1.0])
    assert found["possible"] == pytest.approx(2 / 3)
    assert values(found, "truth") == (pytest.approx(2 / 3), 1.0, 1.0)
    assert values(found, "two") == (pytest.approx(2 / 3), 1.0, 1.0), "either of the two is a best"
    assert found["chance"] == pytest.approx(2 / 3)


def test_a_pair_is_clear_from_two_standard_errors_on() -> None:
    # 32 against 40 of 64: 0.125 apart, the errors together √(0.25/63 + 0.2344/63) = 0.0877.
    close = [[1.0] * 32 + [0.0] * 32, [1.0] * 40 + [0.0] * 24, [0.0] * 64]
    found = ranked(close, truth=[0.5, 0.625, 0.0])
    assert (found["num_pairs"], found["num_clear"]) == (3, 2)


def test_where_the_truth_sees_no_difference_there_is_no_best() -> None:
    found = ranked([[1.0] * 4] * 3, any=[1.0, 0.5, 0.0])
    assert (found["num_with_top"], found["chance"]) == (0, None)
    assert found["methods"]["any"]["top"]["value"] is None


def test_a_method_without_a_value_of_each_step_is_not_scored() -> None:
    assert score([0.0, 1.0, 0.5], [0.0, None, 1.0], [0.0] * 3) == (0,) * 8


# ---------------------------------------------------------------- what is drawn

PROBLEMS = {
    f"t{number}": Problem.model_validate(
        {"task_id": f"t{number}", "prompt": prompt, "tests": {"kind": "asserts", "asserts": ["1"]}}
    )
    for number, prompt in enumerate(["def add(a, b):\n", "xs = [1, 2, 3]\nfor x", "return"])
}
SAMPLE = SampleConfig(num_samples=4, max_new_tokens=10)
SETTINGS = CreditSettings(
    num_samples=3,
    num_states=12,
    num_truth=6,
    ks=(1, 3),
    num_ranked=4,
    num_actions=5,
    num_batches=8,
    batch_size=4,
)
TRAIN = TrainConfig(
    experience=Rollouts(), objective=PPO(critic=HeadCritic()), per_device_train_batch_size=4
)


class TextJudge:
    """Says by the text whether it passes; ends with `stop_after` programs."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.left = stop_after

    def judged(
        self, candidates: Iterable[Candidate], *, ordered: bool = True
    ) -> Iterator[tuple[Candidate, dict[str, Any]]]:
        for candidate in candidates:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            passed = sum(map(ord, candidate.program)) % 2 == 1
            row = {
                "task_id": candidate.problem.task_id,
                "sample_index": candidate.sample_index,
                "outcome": "passed" if passed else "failed",
                "passed": passed,
                "program": candidate.program,
            }
            yield candidate, row


def passes(verdicts: Sequence[Verdict], problems: Any) -> list[float | None]:
    return [float(verdict.passed) for verdict in verdicts]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path = save_tiny_model(tmp_path_factory.mktemp("credit") / "model", "llama")
    return load_policy(ModelConfig(model_name_or_path=str(path)))


@pytest.fixture(scope="module")
def critic(policy: Policy) -> Critic:
    built = build_critic(HeadCritic(), policy, 1e-3)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.linspace(-0.1, 0.1, parameter.numel()).view_as(parameter))
    return built


@pytest.fixture(autouse=True)
def steps_of_two_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model writes few lines."""

    def split(text: str) -> list[int]:
        return sorted({*range(0, len(text), 2), len(text)})

    monkeypatch.setattr(steps, "split_lines", split)


@contextmanager
def silent(name: str, total: int, unit: str) -> Iterator[Any]:
    yield lambda count=1, text="": None


def gatherer_of(policy: Policy, judge: TextJudge | None = None) -> Gatherer:
    own: Any = judge or TextJudge()
    return Gatherer(policy, PROBLEMS, own, JudgeConfig(extract="raw"), SAMPLE, passes)


def measured(
    policy: Policy,
    directory: Path,
    critic: Critic | None = None,
    judge: TextJudge | None = None,
) -> Measured:
    return measure(
        gatherer_of(policy, judge),
        steps.Stepper(policy, VinePPO(), PROBLEMS),
        list(PROBLEMS.values()),
        SETTINGS,
        directory,
        config=TRAIN,
        critic=critic,
        stage=silent,
    )


def test_everything_is_measured_and_no_draw_is_in_two_estimates(
    policy: Policy, critic: Critic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: Counter[tuple[int, str, int]] = Counter()

    class Noted:
        def __init__(self, *given: Any) -> None:
            self.engine = open_engine(*given)

        def sample(self, requests: Iterable[Request], params: SamplingParams) -> Iterator[Any]:
            requests = list(requests)
            drawn.update((params.seed, each.task_id, each.sample_index) for each in requests)
            return self.engine.sample(requests, params)

    monkeypatch.setattr(gathering, "open_engine", Noted)
    found = measured(policy, tmp_path, critic)
    assert max(drawn.values()) == 1, "each draw has a random stream of its own"
    # Trajectories, truth and estimates of states, next steps, truth and estimates of what they lead to.
    assert len({seed for seed, _, _ in drawn}) == 6
    assert list(found.states[0]["estimates"]) == ["vine_1", "vine_3", "critic", "group_mean"]
    assert found.summary["errors"]["num_states"] == len(found.states) >= SETTINGS.num_states
    assert found.summary["ranking"]["num_actions"] == len(found.actions) > 0
    assert set(found.summary["gradients"]["methods"]) == {"truth", *found.states[0]["estimates"]}
    assert json.loads(json.dumps(found.summary)) == found.summary


def test_estimates_are_means_of_the_rewards_that_were_kept(
    policy: Policy, critic: Critic, tmp_path: Path
) -> None:
    found = measured(policy, tmp_path, critic)
    rows = {
        (row["task_id"], row["num_tokens"], round(sum(row["truth"]) / 6, 9)): row
        for row in map(json.loads, (tmp_path / "states.jsonl").read_text().splitlines())
    }
    rewards = Counter()
    for row in map(json.loads, (tmp_path / "trajectories.jsonl").read_text().splitlines()):
        rewards[row["task_id"]] += row["reward"]
    for state in found.states:
        kept = rows[state["task_id"], state["num_tokens"], round(state["truth"], 9)]
        assert (len(kept["truth"]), len(kept["fresh"])) == (6, 3)
        others = (rewards[state["task_id"]] - state["reward"]) / 2
        assert state["estimates"]["group_mean"] == pytest.approx(others)
        assert 3 * state["estimates"]["vine_3"] == pytest.approx(
            round(3 * state["estimates"]["vine_3"])
        )


def test_the_critic_is_asked_before_the_token_that_follows_a_state(
    policy: Policy, critic: Critic, tmp_path: Path
) -> None:
    from codealign.batches import batch_completions

    found = measured(policy, tmp_path, critic)
    state = found.states[-1]
    row = next(
        row
        for row in map(json.loads, (tmp_path / "trajectories.jsonl").read_text().splitlines())
        if (row["task_id"], row["sample_index"]) == (state["task_id"], state["sample_index"])
    )
    batch = batch_completions([(tuple(row["prompt_ids"]), tuple(row["completion_ids"]))])
    expected = critic.values(batch)[0, state["num_tokens"]].item()
    assert state["num_tokens"] > 0
    assert state["estimates"]["critic"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("stop_after", [5, 40, 150, 250])
def test_a_killed_call_continues_and_ends_with_the_same_numbers(
    policy: Policy, critic: Critic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr("codealign.credit.drawing.CONTINUATIONS_AT_ONCE", 30)
    monkeypatch.setattr("codealign.credit.drawing.COMPLETIONS_AT_ONCE", 4)
    whole = measured(policy, tmp_path / "whole", critic)
    with pytest.raises(KeyboardInterrupt):
        measured(policy, tmp_path / "killed", critic, TextJudge(stop_after))
    torn = tmp_path / "killed" / "trajectories.jsonl"
    if torn.exists():
        with torn.open("a") as file:
            file.write('{"key": "t')
    again = measured(policy, tmp_path / "killed", critic)
    assert again == whole
    with pytest.raises(KeyboardInterrupt):
        measured(policy, tmp_path / "none", critic, TextJudge(0))
    assert measured(policy, tmp_path / "killed", critic, TextJudge(0)) == whole, (
        "nothing is redrawn"
    )


def test_states_come_from_whole_trajectories_each_problem_in_turn(
    policy: Policy, tmp_path: Path
) -> None:
    drawing = Drawing(
        gatherer_of(policy), steps.Stepper(policy, VinePPO(), PROBLEMS), SETTINGS, tmp_path
    )
    everything = drawing.trajectories(PROBLEMS.values(), lambda count: None)
    chosen = drawing.chosen(everything)
    turns = Counter(each.task_id for each in chosen)
    assert max(turns.values()) - min(turns[name] for name in PROBLEMS) <= 1
    sizes = [len(each.states) for each in chosen]
    assert sum(sizes) >= SETTINGS.num_states > sum(sizes) - max(sizes)
    assert len(chosen) < len(everything) == 9


def test_a_continued_completion_ends_before_a_stop_string(policy: Policy) -> None:
    state = gathering.State("t0", tuple(policy.encode_prompt(PROBLEMS["t0"].prompt)), (40, 41))
    plain = gatherer_of(policy).continuations([state], 6, seed=0)[state]
    stop = plain[0].column("completion")[4:5]
    gatherer = gatherer_of(policy)
    gatherer.params = replace(gatherer.params, stop=(stop,))
    stopped = gatherer.continuations([state], 6, seed=0)[state]
    assert stop in policy.decode(stopped[0].completion_ids), (
        "the ids hold it, as those of any completion do"
    )
    for before, after in zip(plain, stopped, strict=True):
        assert after.column("completion") == before.column("completion").split(stop)[0]
        if stop in before.column("completion"):
            assert not after.is_cut


# ---------------------------------------------------------------- gradients


def episodes_of(policy: Policy, tmp_path: Path) -> list[Trajectory]:
    drawing = Drawing(
        gatherer_of(policy), steps.Stepper(policy, VinePPO(), PROBLEMS), SETTINGS, tmp_path
    )
    return drawing.trajectories(PROBLEMS.values(), lambda count: None)


def noise_of(policy: Policy, episodes: list[Trajectory], **advantages: Any) -> dict[str, Any]:
    return gradient_noise(
        policy,
        episodes,
        advantages,
        "truth",
        num_batches=50,
        batch_size=4,
        seed=0,
        advance=lambda count: None,
    )


def test_the_noise_is_that_of_gradients_held_whole(policy: Policy, tmp_path: Path) -> None:
    from codealign.batches import batch_completions

    episodes = episodes_of(policy, tmp_path)
    advantages = [[0.1 * n - 0.3] * len(e.drawn.completion_ids) for n, e in enumerate(episodes)]
    found = noise_of(policy, episodes, truth=advantages)
    assert found["is_exact"]
    rows = []
    for each, own in zip(episodes, advantages, strict=True):
        batch = batch_completions([(each.drawn.prompt_ids, each.drawn.completion_ids)])
        loss = -(policy.token_logps(batch)[0] * torch.tensor(own)).sum()
        parameters = [parameter for _, parameter in policy.trainable_parameters()]
        grads = torch.autograd.grad(loss, parameters)
        rows.append(torch.cat([g.reshape(-1) for g in grads]).double())
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(episodes), (50, 4), generator=generator)
    lengths = torch.tensor([len(each.drawn.completion_ids) for each in episodes])
    batches = torch.stack([sum(rows[i] for i in b) / lengths[b].sum() for b in drawn.tolist()])  # type: ignore[misc]
    variance = batches.var(0).sum().item()
    squared = batches.mean(0).square().sum().item()
    own = found["methods"]["truth"]
    assert own["variance"] == pytest.approx(variance, rel=1e-4)
    assert own["noise"] == pytest.approx(variance / (squared - variance * 4 / 9), rel=1e-4)
    assert (own["relative"], own["cosine"]) == (1.0, pytest.approx(1.0))


def test_an_advantage_that_is_twice_as_large_has_four_times_the_variance(
    policy: Policy, tmp_path: Path
) -> None:
    episodes = episodes_of(policy, tmp_path)
    ones = [[0.1 * n - 0.3] * len(e.drawn.completion_ids) for n, e in enumerate(episodes)]
    doubled = [[-2.0 * each for each in row] for row in ones]
    nothing = [[0.0 * each for each in row] for row in ones]
    found = noise_of(policy, episodes, truth=ones, doubled=doubled, nothing=nothing)["methods"]
    assert found["doubled"]["relative"] == pytest.approx(4.0, rel=1e-4)
    assert found["doubled"]["noise"] == pytest.approx(found["truth"]["noise"], rel=1e-4)
    assert found["doubled"]["cosine"] == pytest.approx(-1.0, abs=1e-5)
    assert (found["nothing"]["noise"], found["nothing"]["cosine"]) == (None, None)


def test_a_sketch_keeps_inner_products() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.nn.ParameterList([torch.randn(70, 100), torch.randn(3001)])
    sketch = Sketch(list(weights), seed=0, num_kept=1000)
    assert not sketch.is_exact
    ones, others = (
        [torch.randn(w.shape, generator=generator) + 0.5 for w in weights] for _ in range(2)
    )

    def kept(direction: list[torch.Tensor]) -> torch.Tensor:
        return sketch.of(sum((w * d).sum() for w, d in zip(weights, direction, strict=True)))  # type: ignore[arg-type]

    exact = sum(float((a * b).sum()) for a, b in zip(ones, others, strict=True))
    lengths = [math.sqrt(sum(float(a.square().sum()) for a in side)) for side in (ones, others)]
    assert abs(float(kept(ones) @ kept(others)) - exact) < 5 / math.sqrt(1000) * math.prod(lengths)
    assert torch.allclose(kept([2 * each for each in ones]), 2 * kept(ones), atol=1e-4)


# ---------------------------------------------------------------- the report


@pytest.fixture
def shown(policy: Policy, critic: Critic, tmp_path: Path) -> tuple[dict[str, Any], Measured]:
    found = measured(policy, tmp_path / "shown", critic)
    settings = {**SETTINGS.drawn, "ks": [1, 3], "confidence": 0.95}
    return {**found.summary, "settings": settings}, found


def test_the_report_has_a_section_with_every_method(shown: tuple[dict[str, Any], Measured]) -> None:
    summary, found = shown
    page = render_report(ReportData(credit=summary, credit_states=found.states))
    assert "Where credit goes" in page
    for method in ("VinePPO, K = 1", "VinePPO, K = 3", "PPO&#39;s critic", "Group mean"):
        assert method in page
    assert page.count('class="points ') == 4
    assert page.count('class="area ') == 8
    assert "nan" not in page.split('id="credit"')[1].split("</section>")[0].lower()
    assert "Where credit goes" not in render_report(ReportData())


def test_the_table_in_the_terminal_fits_its_width(shown: tuple[dict[str, Any], Measured]) -> None:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=80).print(render_credit(shown[0]))
    assert "PPO's critic" in out.getvalue()
    assert "…" not in out.getvalue()


# ---------------------------------------------------------------- the command

needs_kata = pytest.mark.skipif(
    not (KATA_POLICY / "model.safetensors").is_file(), reason="the packaged kata policy is missing"
)
RUN = """
name: ppo
problems: {train: "kata:train", num_train: 3, heldout: "kata:heldout", num_heldout: 2}
sample: {num_samples: 2, max_new_tokens: 80}
train:
  experience: {kind: rollouts, num_iterations: 1, problems_per_iteration: 3, steps_per_epoch: 2}
  objective: {kind: ppo, critic: {kind: head}}
  save_steps: 1
"""
SMALL = "--samples 2 --states 6 --truth 3 -k 1,2 --ranked 2 --actions 3 --batches 4 --batch-size 2"


@pytest.fixture
def trained(codealign: Any, tmp_path: Path) -> Path:
    (tmp_path / "ppo.yaml").write_text(RUN)
    done = codealign("train", "ppo.yaml", "-q")
    assert done.code == 0, done.err
    return tmp_path / "runs" / "ppo"


@needs_kata
def test_a_trained_run_is_measured_and_its_report_shows_it(codealign: Any, trained: Path) -> None:
    done = codealign("credit", trained, *SMALL.split(), "--json", "-q", "-o", "own.json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert list(found["errors"]["methods"]) == ["vine_1", "vine_2", "critic", "group_mean"]
    assert (found["weights"], found["objective"], found["num_problems"]) == ("model", "ppo", 2)
    assert json.loads((trained / "credit" / "summary.json").read_text()) == found
    assert json.loads((trained.parent.parent / "own.json").read_text()) == found
    assert "Where credit goes" in (trained / "report.html").read_text()
    before = {p: p.read_bytes() for p in (trained / "credit" / "drawn").iterdir()}
    again = codealign("credit", trained, *SMALL.split(), "--json", "-q")
    assert json.loads(again.out) == found
    assert {p: p.read_bytes() for p in (trained / "credit" / "drawn").iterdir()} == before
    earlier = codealign("credit", trained, *SMALL.split(), "--json", "-q", "--checkpoint", 1)
    assert earlier.code == 0, earlier.err
    assert json.loads(earlier.out)["weights"] == "checkpoint-1"
    back = codealign("credit", trained, *SMALL.split(), "--json", "-q")
    assert json.loads(back.out) == found, "what was drawn of other weights was put aside, not lost"
    done = codealign("credit", trained, "--checkpoint", "7")
    assert (done.code, done.out) == (2, "")
    assert "there are those of steps 1, 2" in done.err


@needs_kata
@pytest.mark.parametrize(
    ("words", "changed", "message"),
    [
        ("nowhere", {}, "no such run file or run directory"),
        ("run", {}, "the stage 'train' is not done"),
        ("run --checkpoint 3", {}, "it has none"),
        ("run -k 0,3", {}, "not a list of positive integers"),
        ("run", {"sample": {"temperature": 0.0}}, "continuations of a state are all the same"),
        (
            "run",
            {
                "sample": {"engine": {"kind": "openai", "base_url": "http://localhost:1/v1"}},
                "train": {},
            },
            "does not have the weights of this run",
        ),
    ],
)
def test_what_can_not_be_measured_says_why(
    codealign: Any, tmp_path: Path, words: str, changed: dict[str, Any], message: str
) -> None:
    from codealign.config import RunConfig

    given = {"problems": {"train": "kata:train", "num_train": 2}, **changed}
    config = RunConfig.model_validate(given)
    write_records(tmp_path / "run" / "metrics.jsonl", [])
    (tmp_path / "run" / "config.json").write_text(config.model_dump_json())
    done = codealign("credit", *words.split())
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_dry_run_says_how_much_would_be_drawn(codealign: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    done = codealign("credit", "run", "--dry-run", "--json")
    assert json.loads(done.out)["num_continuations"] == 512 * (64 + 9)
