"""What LLaMA-Factory 0.9.5's own converters make of rows that we write for it.

    pip download llamafactory==0.9.5 --no-deps && python -m zipfile -e llamafactory-0.9.5-*.whl DIR
    python -m tests.golden.record_llamafactory DIR    # from the repository root; then review the diff

LLaMA-Factory needs other versions of nearly everything, so its `data/converter.py` is loaded alone, with
`DatasetAttr.join` reading the entry that we say belongs into dataset_info.json. The file has our rows, that
entry, and the prompt and answers that LLaMA-Factory reads in them.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from codealign.interop import FORMATS, dataset_info, export_rows
from codealign.records import Pair

PATH = Path(__file__).with_name("llamafactory_0_9_5.json")
ROWS = [
    Pair(task_id="a", prompt="def f(x):\n", chosen="    return x\n", rejected="    return 1\n"),
    Pair(
        prompt="Be brief.\n\nAdd.\n\na + b\n\nAnd subtract?",
        prompt_messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Add."},
            {"role": "assistant", "content": "a + b"},
            {"role": "user", "content": "And subtract?"},
        ],
        chosen="a - b",
        rejected="b - a",
    ),
]


def _stub(name: str, **members: Any) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


def load(directory: Path) -> tuple[ModuleType, ModuleType]:
    """`converter` and `parser`, without the packages around them."""
    root = directory / "llamafactory"
    _stub("llamafactory", __path__=[str(root)])
    _stub("llamafactory.data", __path__=[str(root / "data")])
    _stub("llamafactory.extras", __path__=[], logging=_Silent())
    _stub("llamafactory.extras.logging", get_logger=lambda _: _Silent())
    sys.modules["llamafactory.extras"].logging = sys.modules["llamafactory.extras.logging"]  # type: ignore[attr-defined]
    _stub("llamafactory.extras.constants", DATA_CONFIG="dataset_info.json")
    _stub("llamafactory.extras.misc", use_modelscope=bool, use_openmind=bool)
    converter = importlib.import_module("llamafactory.data.converter")
    return converter, importlib.import_module("llamafactory.data.parser")


class _Silent:
    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


def main(directory: Path) -> None:
    converter, parser = load(directory)
    cases = []
    for form in FORMATS:
        info = dataset_info(form.name, Path("rows.jsonl"))
        if info is None:
            continue
        attributes = parser.DatasetAttr("file", dataset_name="rows.jsonl")
        attributes.join(info["rows"])
        convert = converter.DATASET_CONVERTERS[attributes.formatting](attributes, None)
        rows = list(export_rows(ROWS, form.name))
        read = [{k: v for k, v in convert(row).items() if v} for row in rows]
        cases.append({"format": form.name, "dataset_info": info, "rows": rows, "read": read})
    lines = ",\n".join(json.dumps(case) for case in cases)
    PATH.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"recorded {len(cases)} formats in {PATH.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
