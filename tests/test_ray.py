"""The judge over a Ray cluster of two nodes, each a few processes on this machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Any

import pytest

from codealign.config import JudgeConfig, RayJudge
from codealign.errors import ConfigError
from codealign.judging import Candidate, Judge
from codealign.records import CallTests, Problem

PROBLEM = Problem(
    task_id="t/1", prompt="", entry_point="f", tests=CallTests(inputs=[[1]], outputs=[2])
)


def test_ray_that_is_not_installed_is_an_error_with_its_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    judging = Judge(JudgeConfig(engine=RayJudge()))
    with pytest.raises(ConfigError, match=r"\[ray\]"):
        next(judging.verdicts([Candidate(PROBLEM, "def f(n): return 2")]))


# A cluster is processes and ports: it gets a process of its own, and its verdicts come back as JSON.
DRIVER = """
import json, os, signal, sys, threading, time
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
import ray
from ray.cluster_utils import Cluster
from codealign.config import JudgeConfig, LimitsConfig, RayJudge
from codealign.errors import SandboxError
from codealign.judging import Candidate, Judge
from codealign.records import CallTests, Problem

SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **SMALL})
other = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
problem = Problem(
    task_id="t/1", prompt="", entry_point="f", tests=CallTests(inputs=[[1]], outputs=[2])
)
config = JudgeConfig(
    engine=RayJudge(address=cluster.address, max_in_flight=4), limits=LimitsConfig(cpu_s=2.0)
)
result = {}

def judged(judging, programs, **options):
    candidates = [Candidate(problem, text, number) for number, text in enumerate(programs)]
    return judging.verdicts(candidates, **options)

def rows(verdicts):
    return [[v.sample_index, v.outcome, v.isolation, v.retried, v.message[:80]] for v in verdicts]

# 1. ordered, from both nodes, the verdicts of a local judge
programs = [f"def f(n): return {n}" for n in range(30)]
with Judge(config) as judging:
    result["level"], result["num_workers"] = judging.isolation, judging.num_workers
    result["plain"] = rows(judged(judging, programs))
    # 2. one node killed half way; a program on each takes a while, so that both are at work
    slow = [f"import time\\ntime.sleep(0.1)\\n{text}" for text in programs]
    heard = []
    for verdict in judged(judging, slow, ordered=False):
        heard.append(verdict)
        if len(heard) == 8:
            cluster.remove_node(other, allow_graceful=False)
    result["killed"] = rows(heard)
    result["after"] = rows(judged(judging, programs[:3]))

# 3. a level that no node gives is refused by the node's name
refused = config.model_copy(update={"isolation": "S0"})
try:
    with Judge(refused) as judging:
        judging.isolation
except SandboxError as error:
    result["refusal"] = str(error)

# 4. leaving ends every actor
deadline = time.monotonic() + 30
ray.init(address=cluster.address, log_to_driver=False, ignore_reinit_error=True)
while ray.cluster_resources() and ray.available_resources().get("CPU", 0) < 1 and time.monotonic() < deadline:
    time.sleep(0.1)
result["free_cpus"] = ray.available_resources().get("CPU", 0)
print("RESULT" + json.dumps(result), flush=True)
ray.shutdown()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("ray", reason="ray is not installed: pip install -e '.[ray]'")
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "RAY_TMPDIR": "/tmp"},
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    assert line is not None, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(line.removeprefix("RESULT"))


@pytest.mark.slow
def test_actors_on_two_nodes_give_the_verdicts_of_one_judge_in_order(
    result: dict[str, Any],
) -> None:
    assert result["num_workers"] == 2
    assert [row[0] for row in result["plain"]] == list(range(30))
    assert [number for number, outcome, *_ in result["plain"] if outcome == "passed"] == [2]
    assert {level for _, _, level, *_ in result["plain"]} == {result["level"]}
    assert result["level"] in ("S3", "S2")


@pytest.mark.slow
def test_a_node_killed_half_way_loses_nothing_and_judges_nothing_twice(
    result: dict[str, Any],
) -> None:
    assert sorted(row[0] for row in result["killed"]) == list(range(30))  # one verdict each
    assert {row[0] for row in result["killed"] if row[1] == "passed"} == {2}
    assert {row[1] for row in result["killed"]} == {"passed", "failed"}
    # What the dead actor had, at most max_in_flight = 4, was judged again elsewhere, and says so.
    assert 1 <= sum(row[3] == "worker" for row in result["killed"]) <= 4
    assert [row[1] for row in result["after"]] == ["failed", "failed", "passed"]


@pytest.mark.slow
def test_a_level_that_no_node_gives_is_refused_with_the_nodes_name(result: dict[str, Any]) -> None:
    assert f"node {platform.node()} (" in result["refusal"]
    assert "S0 does not protect" in result["refusal"]


@pytest.mark.slow
def test_leaving_ends_every_actor(result: dict[str, Any]) -> None:
    assert result["free_cpus"] == 1  # all that the node that was left has
