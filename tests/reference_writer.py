"""Writes to a store of reference log-probs until it is killed: directory, first row, rows a shard.

Says each number whose row is safe, one a line. Row i is [i, i, …], i % 7 + 1 long.
"""

import importlib.util
import itertools
import sys
from pathlib import Path

import torch

import codealign

# By its file, since the package would import transformers as well, which takes seconds.
path = Path(codealign.__file__).parent / "reference" / "store.py"
spec = importlib.util.spec_from_file_location("store", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

store = module.LogpStore(Path(sys.argv[1]))
first, each = int(sys.argv[2]), int(sys.argv[3])
for start in itertools.count(first, each):
    numbers = range(start, start + each)
    keys = [i.to_bytes(16, "big") for i in numbers]
    store.add(keys, [torch.full((i % 7 + 1,), float(i)) for i in numbers])
    store.save()
    print(*numbers, sep="\n", flush=True)
