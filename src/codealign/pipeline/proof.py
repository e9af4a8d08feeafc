"""The stages `eval/base` and `eval/aligned`: the proof, before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from codealign.config import TransformersEngine
from codealign.pipeline.run import Run
from codealign.pipeline.sampling import judged_in
from codealign.records import Verdict
from codealign.rundir import Shards
from codealign.verdicts import refuse_too_many_unjudged

if TYPE_CHECKING:
    from codealign.policy import Policy
    from codealign.sampling import Engine


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
    earlier = [verdict for shard in shards.values() for verdict in judged_in(shard)]
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
