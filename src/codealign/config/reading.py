"""From YAML and `key=value` to sections, with messages that name file, key and the nearest known name."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml
from pydantic import ValidationError

from codealign.config.run import RunConfig
from codealign.config.sections import Section
from codealign.errors import ConfigError

SectionT = TypeVar("SectionT", bound=Section)
MAX_REASONS = 5
"""What is wrong with a run file, said at once; a file that is none has hundreds of reasons."""


def load_run_config(path: Path | None, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run file (None: the embedded kata run) and apply `key=value` overrides.

    Raises:
        ConfigError: with file, key, and the nearest known name for an unknown one.
    """
    # The embedded run is in order: what is wrong with it, the command line made wrong.
    where = "command line" if path is None else str(path)
    path = path or Path(__file__).parents[1] / "kata.yaml"
    return parse_config(RunConfig, read_yaml(path), overrides, where=where)


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping from a YAML file; an empty file is an empty mapping."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such run file", where=str(path), cure="check the path") from None
    except OSError as error:
        raise ConfigError(
            f"can't be read: {error.strerror}", where=str(path), cure="give a file you may read"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not text: {error}", where=str(path), cure="give a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"not YAML: {what}", where=place, cure="mend the syntax") from None
    if not isinstance(data or {}, dict):
        raise ConfigError(
            f"a run file is a mapping of sections, this is a {type(data).__name__}",
            where=str(path),
            cure="docs/run.md shows one",
        )
    return data or {}


def parse_config(
    kind: type[SectionT],
    data: Mapping[str, Any],
    overrides: Iterable[str] = (),
    where: str = "config",
) -> SectionT:
    """Validate `data` with `key=value` overrides (dotted keys, YAML values) as a section."""
    merged = _copy_mapping(data)
    overridden = [_apply_override(kind, merged, override) for override in overrides]
    _fill_kinds(kind, merged)
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        keys = [_follow(kind, item["loc"])[1] for item in error.errors()]
        if all(any(_is_under(key, given) for given in overridden) for key in keys):
            where = "command line"
        raise ConfigError(_explain(kind, error), where=where, cure=_cure(error)) from None


def overlaid(data: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with the settings of `more` in the place of its own; another `kind` takes no option along."""
    result = _copy_mapping(data)
    for name, value in more.items():
        old, new = _mapping(result.get(name)), _mapping(value)
        if old is None or new is None or new.get("kind", old.get("kind")) != old.get("kind"):
            result[name] = copy.deepcopy(value)
        else:
            result[name] = overlaid(old, new)
    return result


def _mapping(value: Any) -> dict[str, Any] | None:
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _is_under(key: str, given: str) -> bool:
    """Whether `given` wrote the key, or chose the kind that it belongs to."""
    section = given.removesuffix(".kind")
    return key == given or key.startswith(f"{section}.")


def _copy_mapping(data: Mapping[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(dict(data))


def _apply_override(kind: type[Section], data: dict[str, Any], override: str) -> str:
    """Write `key=value` into `data`; returns the key in full."""
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise ConfigError(
            f"{override!r} is not key=value",
            where="command line",
            cure="write e.g. train.learning_rate=1e-5",
        )
    key = _full_key(kind, key.strip())
    *parents, last = key.split(".")
    target = data
    for part in parents:
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    value = _yaml_value(text)
    if last == "kind" and target.get("kind") != value:
        target.clear()  # another choice: the old choice's options don't belong to it
    target[last] = value
    return key


def _fill_kinds(kind: type[Section], data: dict[str, Any]) -> None:
    """A choice written without its `kind` is the default one: `objective: {beta: 0.2}` is DPO's."""
    for name, field in kind.model_fields.items():
        options = _sections_in(field.annotation)
        if not options or not isinstance(data.get(name), dict):
            continue
        value: dict[str, Any] = data[name]
        default: Any = field.get_default(call_default_factory=True)
        if hasattr(default, "kind"):
            value.setdefault("kind", default.kind)
        for option in options:
            if len(options) == 1 or option.model_fields["kind"].default == value["kind"]:
                _fill_kinds(option, value)


def _yaml_value(text: str) -> Any:
    """YAML 1.1 reads 1e-5 as text; numbers are tried first."""
    try:
        return float(text) if any(c in text for c in "eE.") else int(text)
    except ValueError:
        return yaml.safe_load(text)


def _full_key(kind: type[Section], key: str) -> str:
    """`learning_rate` for `train.learning_rate`, `objective.beta` for `train.objective.beta`, where the
    short name is unambiguous."""
    first = key.partition(".")[0]
    if first in kind.model_fields:
        return key
    owners = [
        section
        for section, field in kind.model_fields.items()
        if isinstance(field.annotation, type)
        and issubclass(field.annotation, Section)
        and first in field.annotation.model_fields
    ]
    if len(owners) > 1:
        raise ConfigError(
            f"{first!r} is in several sections",
            where="command line",
            cure="write " + " or ".join(f"{owner}.{key}=…" for owner in owners),
        )
    return f"{owners[0]}.{key}" if owners else key


def _explain(kind: type[Section], error: ValidationError) -> str:
    reasons = [_explain_one(kind, item) for item in error.errors()]
    more = [f"and {len(reasons) - MAX_REASONS} more"] if len(reasons) > MAX_REASONS else []
    return "; ".join(reasons[:MAX_REASONS] + more)


def _explain_one(kind: type[Section], item: Any) -> str:
    section, key = _follow(kind, item["loc"])
    if item["type"] == "extra_forbidden":
        nearest = _nearest_name(section, str(item["loc"][-1]))
        hint = f", did you mean {nearest!r}?" if nearest else ""
        return f"unknown key {key!r}{hint}"
    if item["type"] == "union_tag_invalid":
        return _explain_kind(key, str(item["ctx"]["tag"]), item["ctx"]["expected_tags"])
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "model_type":
        message = f"a section with settings is expected, this is {item['input']!r}"
    return f"{key}: {message}" if key else message


def _explain_kind(key: str, tag: str, expected: str) -> str:
    """A choice that does not exist; pydantic gives the known ones as \"'dpo', 'sft'\"."""
    kinds = expected.replace("'", "").split(", ")
    nearest = difflib.get_close_matches(tag, kinds, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there is {', '.join(kinds)}"
    return f"{key}: no kind {tag!r}, {hint}"


def _nearest_name(section: type[Section], name: str) -> str | None:
    """The likeliest meant field of a section, or of the sections in it, written in full."""
    names = {field: field for field in section.model_fields}
    for field, inner in section.model_fields.items():
        for option in _sections_in(inner.annotation)[:1]:
            names.update(
                {below: f"{field}.{below}" for below in option.model_fields if below not in names}
            )
    nearest = difflib.get_close_matches(name, names, n=1)
    return names[nearest[0]] if nearest else None


def _follow(kind: type[Section], loc: tuple[Any, ...]) -> tuple[type[Section], str]:
    """The section that the last part of `loc` is in, and `loc` as a user writes it.

    pydantic puts a union's tag into the path (`objective.dpo.beta`); nobody writes it there.
    """
    section = kind
    written: list[str] = []
    parts = list(loc)
    while parts:
        part = parts.pop(0)
        written.append(str(part))
        field = section.model_fields.get(part) if parts else None
        options = _sections_in(field.annotation) if field else []
        if len(options) > 1:
            tag = parts.pop(0)
            options = [option for option in options if option.model_fields["kind"].default == tag]
        section = options[0] if options else section
    return section, ".".join(written)


def _cure(error: ValidationError) -> str:
    if any(item["type"] == "extra_forbidden" for item in error.errors()):
        return "remove or rename it; `codealign run --help` lists the sections"
    return "correct the value"


def _sections_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections_in(part)]
