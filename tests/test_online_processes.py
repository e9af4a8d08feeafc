"""Online training in several processes over gloo gives what one gives: the same rollouts, losses and weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.utils import is_deepspeed_available
from launched_online import train_once
from model_fixtures import save_tiny_model
from safetensors.torch import load_file
from test_online import SAMPLE, settings
from test_train_processes import launched, rows_of

from codealign.batches import EncodedRollout
from codealign.config import VllmEngine
from codealign.errors import ConfigError
from codealign.online import check_online
from codealign.online.experience import _with_enough, _without_idle
from codealign.online.gathering import Asked, Drawn, Gathered, State
from codealign.online.sharing import Sharing
from codealign.records import Verdict

SCRIPT = Path(__file__).with_name("launched_online.py")

NEAR = 5e-4
"""Of weights that Adam has moved by up to 1e-2 a step: it makes much of gradients that are nothing but rounding."""

NO_KL = {"kl": {"kind": "none"}}
OBJECTIVES = {
    "grpo": {"kind": "grpo", "kl": {"kind": "loss", "coefficient": 0.05}},
    "vineppo": {"kind": "vineppo", "num_rollouts": 2, **NO_KL},
    "ppo": {"kind": "ppo", **NO_KL},
    "ppo_head": {"kind": "ppo", "critic": {"kind": "head", "detach": False}, **NO_KL},
    "dpo": {"kind": "dpo", "beta": 0.1},
}


def train_in(num_processes: int, run: dict[str, Any], kind: str = "ddp") -> None:
    if num_processes == 1:
        train_once(run)
        return
    done = launched(num_processes, str(SCRIPT), json.dumps(run), kind=kind)
    assert done.returncode == 0, done.stderr[-3000:]


def assert_same(one: Path, other: Path, num_processes: int) -> None:
    for row, another in zip(rows_of(one), rows_of(other), strict=True):
        for each in (row, another):
            each.pop("seconds/gathering", None)
        assert another == pytest.approx(row, rel=1e-4, abs=1e-4)
    for path in one.glob("rollouts/*.jsonl"):
        assert texts_of(path) == texts_of(other / "rollouts" / path.name)
    wanted = torch.load(one / "weights-0.pt")
    for rank in range(num_processes):
        found = torch.load(other / f"weights-{rank}.pt")
        for name, tensor in wanted.items():
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=NEAR, msg=name)


def texts_of(path: Path) -> list[tuple[Any, ...]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["task_id"], row["completion_ids"], row["reward"]) for row in rows]


def test_two_processes_share_an_iteration_and_learn_what_one_learns(tmp_path: Path) -> None:
    """With a critic, whose gradients no wrapper exchanges."""
    run = {"model": str(save_tiny_model(tmp_path / "model", "llama"))}
    run |= {"objective": OBJECTIVES["ppo"]}
    for name, number in (("one", 1), ("two", 2)):
        train_in(number, run | {"run_dir": str(tmp_path / name)})
    assert_same(tmp_path / "one", tmp_path / "two", 2)
    judged = [int((tmp_path / "two" / f"judged-{rank}.txt").read_text()) for rank in range(2)]
    assert sum(judged) == int((tmp_path / "one" / "judged-0.txt").read_text())
    assert min(judged) >= 3 * SAMPLE.num_samples, "each has a problem of every iteration"
    critics = [load_file(tmp_path / name / "critic.safetensors") for name in ("one", "two")]
    for name, tensor in critics[0].items():
        torch.testing.assert_close(critics[1][name], tensor, rtol=0, atol=NEAR, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "vineppo", "ppo_head", "dpo"])
def test_every_kind_of_credit_is_the_same_in_three_processes(tmp_path: Path, name: str) -> None:
    run = {"model": str(save_tiny_model(tmp_path / "model", "llama"))}
    # One step an iteration, so that it has a pair for each process.
    experience = {"problems_per_iteration": 4, "steps_per_epoch": 1 if name == "dpo" else 2}
    run |= {"objective": OBJECTIVES[name], "experience": experience}
    for directory, number in (("one", 1), ("three", 3)):
        train_in(number, run | {"run_dir": str(tmp_path / directory)})
    assert_same(tmp_path / "one", tmp_path / "three", 3)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_a_run_left_within_an_iteration_continues_in_another_number_of_processes(
    tmp_path: Path, first: int, second: int
) -> None:
    """Stopped after 3 of 6 steps: in the middle of the second iteration."""
    run = {"model": str(save_tiny_model(tmp_path / "model", "llama"))}
    run |= {"objective": OBJECTIVES["vineppo"]}
    train_in(1, run | {"run_dir": str(tmp_path / "whole")})
    train_in(first, run | {"run_dir": str(tmp_path / "halved"), "stop_after": 3})
    train_in(second, run | {"run_dir": str(tmp_path / "halved")})
    assert_same(tmp_path / "whole", tmp_path / "halved", second)


@pytest.mark.slow
@pytest.mark.skipif(
    not is_deepspeed_available(),
    reason="deepspeed is not installed: pip install 'codealign[deepspeed]'",
)
def test_with_deepspeed_it_is_the_same(tmp_path: Path) -> None:
    run = {"model": str(save_tiny_model(tmp_path / "model", "llama"))}
    run |= {"objective": OBJECTIVES["grpo"]}
    for name, number in (("one", 1), ("two", 2)):
        train_in(number, run | {"run_dir": str(tmp_path / name)}, kind="zero2")
    assert_same(tmp_path / "one", tmp_path / "two", 2)


@pytest.mark.slow
def test_processes_agree_on_the_seconds_that_are_over(tmp_path: Path) -> None:
    """By clocks of their own one would end where the other waits for it."""
    run = {"model": str(save_tiny_model(tmp_path / "model", "llama"))}
    run |= {"objective": OBJECTIVES["grpo"]}
    steps = []
    for name, seconds in (("tight", 1e-6), ("loose", 1.0)):
        train = {"max_seconds": seconds}
        train_in(2, run | {"run_dir": str(tmp_path / name), "train": train})
        first, second = (torch.load(tmp_path / name / f"weights-{rank}.pt") for rank in range(2))
        assert all(torch.equal(second[each], tensor) for each, tensor in first.items())
        steps.append(sum("learning_rate" in row for row in rows_of(tmp_path / name)))
    assert steps[0] == 1 < steps[1]


@pytest.mark.slow
def test_train_on_rollouts_works_in_several_processes(tmp_path: Path) -> None:
    """With the real judge, and validation; then again, when it is done."""
    words = [
        *("problems.num_train=8", "problems.num_validation=4", "problems.num_heldout=4"),
        *("sample.num_samples=4", "train.eval_steps=2", "train.learning_rate=1e-4"),
        *("train.objective={kind: grpo, kl: {kind: none}}", "train.experience.kind=rollouts"),
        *("train.experience.num_iterations=2", "train.experience.problems_per_iteration=4"),
        "train.experience.steps_per_epoch=2",
    ]
    verb = ("-m", "codealign", "train", "--json", *words)
    alone = [sys.executable, *verb, f"run_dir={tmp_path / 'one'}"]
    assert subprocess.run(alone, capture_output=True).returncode == 0
    for _ in ("first", "again"):
        done = launched(2, *verb, f"run_dir={tmp_path / 'two'}")
        assert done.returncode == 0, done.stderr[-3000:]
        assert json.loads(done.stdout)["done"] is True  # one process speaks, once
    found = [rows_of(tmp_path / name) for name in ("one", "two")]
    for row, other in zip(*found, strict=True):
        for name in ("exec/passed", "reward", "eval_pass@1", "sampled/tokens"):
            assert row.get(name) == other.get(name)
        assert other.get("loss", 0.0) == pytest.approx(row.get("loss", 0.0), abs=1e-3)


# ------------------------------------------------------------------- how it is shared


def drawn(task_id: str, index: int) -> Drawn:
    verdict = Verdict(task_id=task_id, sample_index=index, outcome="passed", passed=True)
    return Drawn(verdict, float(index))


@pytest.mark.parametrize("num_processes", [1, 2, 3, 5])
def test_shares_are_whole_problems_and_together_all_of_them(num_processes: int) -> None:
    asked = [Asked(f"t{i}", k) for i in range(4) for k in range(3)]
    processes = [Sharing(rank, num_processes) for rank in range(num_processes)]
    shares = [each.share_of(asked, each.rank) for each in processes]
    assert sorted(one for share in shares for one in share) == asked
    owners = {task_id: {r for r, s in enumerate(shares) for a in s if a.task_id == task_id}
              for task_id in {a.task_id for a in asked}}  # fmt: skip
    assert all(len(ranks) == 1 for ranks in owners.values())
    parts = [
        Gathered(
            [drawn(*each) for each in share],
            {State(t, (1,), ()): [0.5] for t in {each.task_id for each in share}},
            num_tokens=len(share),
        )
        for share in shares
    ]
    merged = processes[0].merged(parts, asked)
    assert [(d.task_id, d.verdict.sample_index) for d in merged.drawn] == asked
    assert [state.task_id for state in merged.returns] == ["t0", "t1", "t2", "t3"]
    assert merged.num_tokens == len(asked)


@pytest.mark.parametrize(
    ("lengths", "num_processes", "expected"),
    [
        ([3, 3, 3], 2, [3, 3, 3]),
        ([1, 3, 2], 2, [0, 3, 3]),
        ([1, 1, 0], 2, [0, 2, 0]),
        ([1, 1, 1], 4, [0, 0, 0]),
        ([1, 0, 2], 1, [1, 0, 2]),
    ],
)
def test_no_process_is_left_without_a_row(
    lengths: list[int], num_processes: int, expected: list[int]
) -> None:
    numbers = iter(range(100))
    parts = [[next(numbers) for _ in range(length)] for length in lengths]
    found = _with_enough(parts, num_processes)
    assert [len(part) for part in found] == expected
    assert [len(part) for part in parts] == lengths, "the argument is left alone"


def test_idle_rollouts_are_kept_where_a_process_would_have_none() -> None:
    rows = [EncodedRollout((1,), (2, 3), advantages=(a, a), old_logps=(0.0, 0.0))
            for a in (0.0, 0.6, 0.0, 0.0)]  # fmt: skip
    for at_least in (1, 2, 3):
        kept = _without_idle(rows, at_least)
        assert len(kept) == at_least
        # Divided by how many there are, the same loss.
        assert sum(row.advantages[0] for row in kept) / at_least == pytest.approx(0.6 / 4)
    idle = [row._replace(advantages=(0.0, 0.0)) for row in rows]
    assert _without_idle(idle, 2) == []


@pytest.mark.parametrize(
    ("environment", "objective", "engine", "words"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "grpo", {}, "FSDP gives each a part"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "ppo", {}, "ppo has a critic"),
        ({}, "grpo", {"engine": VllmEngine()}, "a vLLM engine of its own"),
    ],
)
def test_what_several_processes_can_not_draw_with_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    objective: str,
    engine: dict[str, Any],
    words: str,
) -> None:
    launcher = {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "2", **environment}
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    sample = SAMPLE.model_copy(update=engine)
    with pytest.raises(ConfigError, match=words):
        check_online(settings(OBJECTIVES[objective]), sample)


def test_judging_processes_share_the_cores_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from codealign.processes import num_processes_here

    assert num_processes_here() == 1
    for name, value in {"LOCAL_RANK": "0", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    assert num_processes_here() == 8
