"""How much each source of execution weights suspects, on recorded completions of HumanEval.

    CODEALIGN_DATA=… python benchmarks/execution_weights.py

Judges the first 20 completions of each problem with line coverage, makes random and nearest pairs, up to four a problem,
and prints for each source of how many rejected sides it knows something, and which share of their tokens it suspects.
Tokens are the embedded policy's.
"""

from __future__ import annotations

import os
from pathlib import Path

from tokenizers import Tokenizer

from codealign.config import (
    KATA_POLICY,
    ExecutionWeights,
    JudgeConfig,
    LimitsConfig,
    NearestPairs,
    PairsConfig,
    RandomPairs,
)
from codealign.judging import Judge
from codealign.pairs import build_pairs
from codealign.problems import load_problems
from codealign.programs import read_completions
from codealign.token_weights import weigh_by_execution
from codealign.verdicts import judge_completions

RECORDED = "recorded/humaneval_codegen16b_t0.8_n100.jsonl.gz"
NUM_SAMPLES = 20
SOURCES = (["edits"], ["divergence"], ["coverage"], ["traceback"], ["coverage", "traceback"])


def main() -> None:
    tokenizer = Tokenizer.from_file(str(KATA_POLICY / "tokenizer.json"))
    eos = tokenizer.token_to_id("<|endoftext|>")
    problems = {problem.task_id: problem for problem in load_problems("humaneval").problems}
    recorded = read_completions(Path(os.environ["CODEALIGN_DATA"]) / RECORDED)
    completions = [
        each.model_copy(
            update={
                "completion_ids": [*tokenizer.encode(each.completion).ids, eos],
                "prompt_ids": [eos],
            }
        )
        for each in recorded
        if each.sample_index < NUM_SAMPLES
    ]
    config = JudgeConfig(coverage=True, limits=LimitsConfig(cpu_s=1.0))
    with Judge(config) as judge:
        verdicts = list(judge_completions(problems, completions, judge))
    for strategy in (RandomPairs(), NearestPairs()):
        how = PairsConfig(strategy=strategy, max_pairs_per_problem=4)
        pairs = build_pairs(problems.values(), completions, verdicts, how).pairs
        print(f"{strategy.kind}: {len(pairs)} pairs")
        for sources in SOURCES:
            section = ExecutionWeights(sources=sources, normalise=False)  # pyright: ignore
            weighed, _ = weigh_by_execution(
                pairs,
                completions,
                verdicts,
                section,
                lambda ids: tokenizer.decode(list(ids), skip_special_tokens=True),
            )
            shares = [_share(pair.rejected_weights or []) for pair in weighed]
            known = [share for share in shares if share < 1]
            mean = sum(known) / max(1, len(known))
            print(f"  {'+'.join(sources):<22}{len(known):>5} known in part, {mean:.0%} suspect")


def _share(weights: list[float]) -> float:
    return sum(weight == 1 for weight in weights) / len(weights)


if __name__ == "__main__":
    main()
