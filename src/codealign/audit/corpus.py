"""The programs of an audit, read from the files under corpus/.

    corpus/wrong/<category>/<name>.py       tries to be called right without being it, or to harm
    corpus/honest/<name>.py                 a right solution that is unusual
    corpus/sequences/<name>/<n>_<role>.py   judged one after another by one worker

A file opens with comments that say what it is; the rest is the program, comments included:

    # task: add                   the task of `tasks.TASKS` that it is an answer to
    # tries: one line             what it would get away with (wrong programs and steps of sequences)
    # unusual: one line           what is unusual about it (honest programs)
    # harm: marker process        optional: kinds of harm that it does where nothing stops it, see HARMS
    # needs: numpy                optional: packages without which it shows nothing

`@MARKER@` and the like in a program are replaced by what `bait.Bait` lays out for it. Every program is
harmless if one gets out: it writes a marker file, knocks at loopback, and takes a bounded amount of memory.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from codealign.audit.tasks import TASKS
from codealign.errors import DataError

CORPUS_DIR = Path(__file__).parent / "corpus"

CATEGORIES = {
    "early_exit": "leaves before the tests are done and hopes that an exit means success",
    "forged_result": "writes the verdict itself: into frames, memory or files of the judge",
    "lying_objects": "returns an object that compares as whatever is wanted",
    "patched_judge": "changes functions that the comparison or the judge uses",
    "answer_leaks": "looks for expected values, tests or the reference solution",
    "result_channel": "talks on the channel over which results travel",
    "time": "outruns or outwaits the time limit, or keeps the judge busy for ever",
    "memory": "gets more memory than one program may have",
    "output": "drowns the judge in output or in answers",
    "processes": "makes too many processes, or leaves some behind",
    "crashes": "dies in a way that may pass for an end",
    "filesystem": "writes or reads where it should not",
    "network": "reaches a socket outside",
    "secrets": "reads what belongs to the user or the judge",
    "kernel_surface": "makes system calls that no solution needs",
}
HARMS = {
    "marker": "it wrote a file outside its scratch space",
    "loopback": "it connected to a socket outside",
    "process": "a process of it was alive after the verdict",
    "bystander": "it ended a process that was not its own",
    "reached": "it got what it must not have; it answers right only then",
}
ROLES = {
    "helps": "leaves something for the next program",
    "uses": "a wrong program that passes only with what was left",
    "victim": "a right solution that must pass all the same",
}


class Specimen(NamedTuple):
    """One program of the corpus."""

    name: str
    kind: str
    """"wrong", "honest", or a role of ROLES."""
    category: str
    """Of CATEGORIES for wrong programs, else "honest" or "sequences"."""
    task: str
    about: str
    harms: frozenset[str]
    needs: tuple[str, ...]
    source: str

    @property
    def should_pass(self) -> bool:
        return self.kind in ("honest", "victim")

    @property
    def missing(self) -> list[str]:
        """Packages it needs that are not installed here."""
        return [name for name in self.needs if find_spec(name) is None]


class Sequence(NamedTuple):
    """Programs to be judged one after another by one worker."""

    name: str
    steps: list[Specimen]


class Corpus(NamedTuple):
    wrong: list[Specimen]
    honest: list[Specimen]
    sequences: list[Sequence]

    @property
    def specimens(self) -> list[Specimen]:
        """Wrong and honest programs, without the steps of sequences."""
        return [*self.wrong, *self.honest]

    def only(self, chosen: tuple[str, ...]) -> Corpus:
        """The part named by categories ("honest" and "sequences" among them) or by programs.

        Raises:
            DataError: a name that is neither.
        """
        if not chosen:
            return self
        names = {item.name for item in (*self.specimens, *self.sequences)}
        unknown = [word for word in chosen if word not in names | {*CATEGORIES, *_OTHERS}]
        if unknown:
            raise DataError(
                f"neither a category nor a program of the corpus: {', '.join(unknown)}",
                cure="codealign audit --list names them",
            )
        return Corpus(
            [item for item in self.wrong if {item.name, item.category} & {*chosen}],
            [item for item in self.honest if {item.name, item.category} & {*chosen}],
            [item for item in self.sequences if {item.name, "sequences"} & {*chosen}],
        )


_OTHERS = ("honest", "sequences")


def load_corpus(root: Path = CORPUS_DIR) -> Corpus:
    """Every program under `root`, sorted by name.

    Raises:
        DataError: a file is not what its place and its header say it should be.
    """
    wrong = [
        read_specimen(path, path.stem, "wrong", category)
        for category in CATEGORIES
        for path in sorted((root / "wrong" / category).glob("*.py"))
    ]
    honest = [
        read_specimen(path, path.stem, "honest", "honest")
        for path in sorted((root / "honest").glob("*.py"))
    ]
    sequences = [
        _read_sequence(place) for place in sorted((root / "sequences").iterdir()) if place.is_dir()
    ]
    corpus = Corpus(wrong, honest, sequences)
    _refuse_twins([item.name for item in (*corpus.specimens, *sequences)])
    return corpus


def _read_sequence(place: Path) -> Sequence:
    paths = sorted(place.glob("*.py"))
    steps = [
        read_specimen(path, f"{place.name}/{path.stem}", path.stem.partition("_")[2], "sequences")
        for path in paths
    ]
    return Sequence(place.name, steps)


def read_specimen(path: Path, name: str, kind: str, category: str) -> Specimen:
    """The program in a file.

    Raises:
        DataError: a key that is missing or unknown, a task, harm or role that there is not.
    """
    if kind not in ("wrong", "honest", *ROLES):
        raise DataError(f"unknown role {kind!r}", where=str(path), cure=f"one of {[*ROLES]}")
    # Bytes, so that line ends and a byte order mark come through as they are.
    source = path.read_bytes().decode("utf-8")
    header = _header(source)
    about = header.pop("tries", None) or header.pop("unusual", None)
    task = header.pop("task", None)
    harms = frozenset(header.pop("harm", "").split())
    needs = tuple(header.pop("needs", "").split())
    if about is None or task is None:
        raise DataError(
            "no `# task:` or no `# tries:` (`# unusual:`) line at its top", where=str(path)
        )
    unknown = [*header, *(harms - {*HARMS}), *({task} - {*TASKS})]
    if unknown:
        raise DataError(f"unknown in its header: {', '.join(unknown)}", where=str(path))
    return Specimen(name, kind, category, task, about, harms, needs, source)


def _header(source: str) -> dict[str, str]:
    """The `# key: value` comments that a file opens with."""
    found = {}
    for line in source.removeprefix("\ufeff").splitlines():
        key, colon, value = line.removeprefix("# ").partition(": ")
        if not (line.startswith("# ") and colon and key.isidentifier()):
            break
        found[key] = value.strip()
    return found


def _refuse_twins(names: list[str]) -> None:
    twins = {name for name in names if names.count(name) > 1}
    if twins:
        raise DataError(f"two programs of one name: {', '.join(sorted(twins))}")
