"""The shape of the house: imports only go down, and what needs no torch imports none."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import codealign

PACKAGE = Path(codealign.__file__).parent
CORPUS = PACKAGE / "audit" / "corpus"
"""Programs to be judged: data, and not all of it parses."""

LAYERS: list[set[str]] = [
    {"records", "errors", "config"},
    {
        "processes",
        "progress",
        "rundir",
        "problems",
        "sandbox",
        "judging",
        "programs",
        "verdicts",
        "pairs",
        "token_weights",
        "interop",
        "passk",
        "advantages",
        "rewards",
        "segments",
        "audit",
    },
    {
        "attention",
        "head",
        "logprobs",
        "batches",
        "critic",
        "modelcard",
        "policy",
        "sampling",
        "objectives",
        "updates",
        "reference",
        "sharding",
        "zero",
    },
    {
        "experience",
        "contrast",
        "credit",
        "loop",
        "online",
        "packing",
        "reference_logps",
        "training",
        "labels",
        "launching",
        "checkpoint",
        "metrics",
        "validation",
        "evaluation",
        "report",
        "pretraining",
    },
    {"pipeline", "results", "checks", "comparison"},
    {"cli", "__main__"},
]


def level_of(room: str) -> int:
    found = [level for level, rooms in enumerate(LAYERS) if room in rooms]
    assert found, f"{room} is in no layer: add it to LAYERS where it belongs"
    return found[0]


def rooms() -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(CORPUS):
            continue
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            files.setdefault(room, []).append(path)
    return files


def imported_rooms(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "codealign":
            names.update(f"codealign.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    inside = {name.split(".")[1] for name in names if name.startswith("codealign.")}
    return inside & set(rooms())


@pytest.mark.parametrize("room", sorted(rooms()))
def test_imports_only_go_down(room: str) -> None:
    for path in rooms()[room]:
        for other in imported_rooms(path) - {room}:
            assert level_of(other) <= level_of(room), f"{path.name} imports {other} from above"


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("room", sorted(set().union(*LAYERS[:2]) & set(rooms())))
def test_judging_pairing_and_scoring_import_no_torch(room: str) -> None:
    assert "torch" not in modules_after(f"import codealign.{room}")


def test_help_imports_neither_torch_nor_pydantic() -> None:
    loaded = modules_after(
        "from codealign.cli import group; group.main(['--help'], standalone_mode=False)"
    )
    assert not loaded & {"torch", "pydantic", "yaml", "rich"}
