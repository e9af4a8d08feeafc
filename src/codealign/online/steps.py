"""The steps of VinePPO: where a completion is cut, and the states before each cut."""

from __future__ import annotations

from collections.abc import Mapping

from codealign.config import VinePPO
from codealign.online.gathering import State
from codealign.policy import Policy
from codealign.records import Completion, Problem
from codealign.segments import Steps, segment, split_lines, split_statements


class Stepper:
    """Cuts completions into steps.

    Args:
        section: what a step is, and how many states are valued.
    """

    def __init__(self, policy: Policy, section: VinePPO, problems: Mapping[str, Problem]) -> None:
        self.policy, self.section, self.problems = policy, section, problems

    def steps(self, completion: Completion) -> Steps:
        """In the completion's tokens."""
        prompt = self.problems[completion.task_id].prompt

        def split(text: str) -> list[int]:
            lines = self.section.segments == "lines"
            return split_lines(text) if lines else split_statements(text, prompt)

        return segment(completion.completion_ids or (), self.policy.decode, split)

    def states(self, completion: Completion) -> list[State]:
        """Those to be valued: S_0 … S_M, each before a step. The state after the last is worth 0 by definition."""
        ids = tuple(completion.completion_ids or ())
        prompt_ids = tuple(completion.prompt_ids or ())
        starts = self.steps(completion).starts
        if self.section.max_steps is not None:
            starts = starts[: self.section.max_steps + 1]
        return [State(completion.task_id, prompt_ids, ids[:start]) for start in starts]
