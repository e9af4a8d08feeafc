"""How a page is made: a template, its styles and its scripts in one file that asks the network for nothing.

Everything a model wrote reaches a page by one of two ways: through Jinja's escaping, or as JSON in a data
block with `<`, `>`, `&` and `'` escaped, which the page's script puts into text nodes. A content security policy
allows the embedded scripts by their hashes and no request at all, so that a mistake here stays harmless.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from codealign.errors import StorageError
from codealign.report import findings, numbers
from codealign.report.breakdown import OUTCOME_MEANINGS
from codealign.report.data import score_label

TEMPLATES_DIR = Path(__file__).with_name("templates")

compact_json = partial(json.dumps, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def render_page(template: str, styles: Sequence[str], scripts: Sequence[str], **parts: Any) -> str:
    """The template filled with `parts`, as text that any UTF-8 file can hold."""
    return render_template(
        template,
        styles=Markup("".join(styles)),
        scripts=[Markup(script) for script in scripts],
        policy=_security_policy(scripts),
        **parts,
    )


def render_template(template: str, **parts: Any) -> str:
    """Any template, with every value escaped."""
    text = _environment().get_template(template).render(**parts)
    # Programs may hold lone surrogates, which no UTF-8 file can.
    return text.encode("utf-8", "replace").decode("utf-8")


def template_text(name: str) -> str:
    """A template's file as it is: a style sheet or a script."""
    return (TEMPLATES_DIR / name).read_text(encoding="utf-8")


def write_page(page: str, path: Path) -> None:
    """Write atomically: beside it first, then renamed over it.

    Raises:
        StorageError: the file can't be written.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(page, encoding="utf-8", newline="\n")
        os.replace(beside, path)
    except OSError as error:
        raise StorageError(
            f"could not write the report: {error.strerror or error}",
            where=str(path),
            cure="free some space or permissions, then `codealign report` writes it again",
        ) from error


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=numbers.percent,
        percent_interval=numbers.percent_interval,
        points=numbers.points,
        points_interval=numbers.points_interval,
        p_value=numbers.p_value,
        score_label=score_label,
        counted=numbers.count,
        embedded_json=partial(htmlsafe_json_dumps, dumps=compact_json),
    )
    environment.globals.update(outcome_meanings=OUTCOME_MEANINGS, tone_of=findings.tone_of)
    return environment


def _security_policy(scripts: Sequence[str]) -> str:
    """Only these scripts, only inline styles, and nothing from anywhere."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
