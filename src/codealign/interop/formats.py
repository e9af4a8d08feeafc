"""The formats of preference data, a reader and a writer each, in one table.

Promises: what a writer writes its reader reads as the same texts; columns that a format does not use
survive reading and writing; what a format can't say is refused.

Not promised: token ids. They belong to one tokenizer, and no other tool reads ours.

The truth about TRL's formats is TRL (`data_utils`), about LLaMA-Factory's its `data/converter.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any, NamedTuple

from codealign.errors import InputError
from codealign.interop.conversations import (
    Unusable,
    answer,
    answer_of,
    conversation_of,
    message_of,
    messages_of,
    plain_prompt,
    prompt_columns,
)
from codealign.records import Labelled, Message, Pair

Columns = dict[str, Any]

MEDIA = ("images", "videos", "audios", "image", "tools")
"""Columns of other tools that change what the model reads; a row that fills one is refused."""


class Format(NamedTuple):
    """A shape of rows.

    `needs` are the columns that tell it, with their types. `read` takes what it used out of the row it is
    given and returns the columns of a `record`; `write` returns the columns of a row. `dataset_info` is what
    LLaMA-Factory must be told about a file of this shape.
    """

    name: str
    record: type[Pair] | type[Labelled]
    needs: Mapping[str, type]
    read: Callable[[Columns], Columns]
    write: Callable[[Any], Columns]
    dataset_info: Mapping[str, Any] | None = None

    def missing(self, row: Mapping[str, Any]) -> str | None:
        """The first column that is not as this format needs it, in words; None where all are."""
        for column, kind in self.needs.items():
            if not isinstance(row.get(column), kind):
                return f"{column}: {WORDS[kind]} is needed"
        return None


WORDS: Mapping[type, str] = {
    str: "a text",
    list: "a list of messages",
    dict: "a message",
    bool: "true or false",
}


# ------------------------------------------------------------------ TRL and UltraFeedback


def _read_trl(row: Columns) -> Columns:
    chosen, rejected = row.pop("chosen"), row.pop("rejected")
    if "prompt" in row:
        prompt = row.pop("prompt")
        if not isinstance(prompt, str):
            raise Unusable("prompt: a text is needed where the sides are texts")
    else:
        prompt = _shared_text(chosen, rejected)
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _shared_text(chosen: str, rejected: str) -> str:
    """The beginning that both have, cut as TRL's `extract_prompt` cuts it: before a space, no side empty."""
    equal = takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False))
    shared = "".join(one for one, _ in equal)
    if len(shared) == min(len(chosen), len(rejected)) or shared.endswith(" "):
        shared = shared[:-1]
    if not shared:
        raise Unusable("no prompt, and chosen and rejected have no beginning in common")
    return shared


def _write_trl(pair: Pair) -> Columns:
    return {"prompt": plain_prompt(pair), "chosen": pair.chosen, "rejected": pair.rejected}


def _read_conversational(row: Columns) -> Columns:
    chosen = messages_of(row.pop("chosen"), "chosen")
    rejected = messages_of(row.pop("rejected"), "rejected")
    if "prompt" in row:
        return _sides(messages_of(row.pop("prompt"), "prompt"), chosen, rejected)
    return _implicit(chosen, rejected)


def _implicit(chosen: list[Message], rejected: list[Message]) -> Columns:
    """The messages that both begin with are the prompt."""
    num_shared = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        num_shared += 1
    return _sides(chosen[:num_shared], chosen[num_shared:], rejected[num_shared:])


def _sides(prompt: list[Message], chosen: list[Message], rejected: list[Message]) -> Columns:
    return {
        **prompt_columns(prompt),
        "chosen": answer_of(chosen, "chosen"),
        "rejected": answer_of(rejected, "rejected"),
    }


def _write_conversational(pair: Pair) -> Columns:
    return {
        "prompt": conversation_of(pair),
        "chosen": [answer(pair.chosen)],
        "rejected": [answer(pair.rejected)],
    }


def _read_ultrafeedback(row: Columns) -> Columns:
    """The sides hold the whole conversation; `prompt` is its first message, and `messages` chosen again."""
    chosen = messages_of(row.pop("chosen"), "chosen")
    rejected = messages_of(row.pop("rejected"), "rejected")
    prompt = row.pop("prompt")
    row.pop("messages", None)
    if len(chosen) == len(rejected) == 1:
        return _sides([{"role": "user", "content": prompt}], chosen, rejected)
    return _implicit(chosen, rejected)


def _write_ultrafeedback(pair: Pair) -> Columns:
    prompt = conversation_of(pair)
    first = next(message["content"] for message in prompt if message["role"] == "user")
    return {
        "prompt": first,
        "chosen": [*prompt, answer(pair.chosen)],
        "rejected": [*prompt, answer(pair.rejected)],
    }


def _read_kto(row: Columns) -> Columns:
    return {name: row.pop(name) for name in ("prompt", "completion", "label")}


def _write_kto(row: Labelled) -> Columns:
    return {"prompt": plain_prompt(row), "completion": row.completion, "label": row.label}


def _read_kto_conversational(row: Columns) -> Columns:
    completion = messages_of(row.pop("completion"), "completion")
    return {
        **prompt_columns(messages_of(row.pop("prompt"), "prompt")),
        "completion": answer_of(completion, "completion"),
        "label": row.pop("label"),
    }


def _write_kto_conversational(row: Labelled) -> Columns:
    return {
        "prompt": conversation_of(row),
        "completion": [answer(row.completion)],
        "label": row.label,
    }


# ------------------------------------------------------------------ LLaMA-Factory


def _read_alpaca_prompt(row: Columns) -> Columns:
    """`instruction` and `input` are one message of two lines; `system` and `history` come before it."""
    messages: list[Message] = []
    if system := row.pop("system", None):
        messages.append({"role": "system", "content": system})
    for turn in row.pop("history", None) or []:
        if not (isinstance(turn, list) and len(turn) == 2):
            raise Unusable("history: pairs of instruction and answer are needed")
        messages += [{"role": "user", "content": turn[0]}, answer(turn[1])]
    texts = [row.pop("instruction"), row.pop("input", None)]
    query = "\n".join(text for text in texts if text)
    return prompt_columns([*messages_of(messages, "history"), {"role": "user", "content": query}])


def _write_alpaca_prompt(row: Pair | Labelled) -> Columns:
    messages = conversation_of(row)
    has_system = messages[0]["role"] == "system"
    turns = messages[has_system:]
    _refuse_unless_alternating(turns)
    texts = [message["content"] for message in turns]
    history = [list(turn) for turn in zip(texts[:-1:2], texts[1::2], strict=True)]
    system = messages[0]["content"] if has_system else ""
    return {"instruction": texts[-1], "input": "", "system": system, "history": history}


def _refuse_unless_alternating(turns: list[Message]) -> None:
    """LLaMA-Factory leaves out rows of another order, with a line in its log."""
    if any(turn["role"] != ("user", "assistant")[n % 2] for n, turn in enumerate(turns)):
        raise Unusable("user and assistant do not take turns")


def _read_alpaca(row: Columns) -> Columns:
    sides = {side: row.pop(side) for side in ("chosen", "rejected")}
    return _read_alpaca_prompt(row) | sides


def _write_alpaca(pair: Pair) -> Columns:
    return _write_alpaca_prompt(pair) | {"chosen": pair.chosen, "rejected": pair.rejected}


def _read_alpaca_kto(row: Columns) -> Columns:
    columns = {"completion": row.pop("output"), "label": row.pop("kto_tag")}
    return _read_alpaca_prompt(row) | columns


def _write_alpaca_kto(row: Labelled) -> Columns:
    return _write_alpaca_prompt(row) | {"output": _not_empty(row), "kto_tag": row.label}


def _not_empty(row: Labelled) -> str:
    """LLaMA-Factory tells the two labels apart by which of two answers is empty."""
    if not row.completion:
        raise Unusable("its completion is empty, which LLaMA-Factory reads as the other label")
    return row.completion


def _read_sharegpt(row: Columns) -> Columns:
    sides = {side: [message_of(row.pop(side), side)] for side in ("chosen", "rejected")}
    return _sides(_sharegpt_messages(row), **sides)


def _sharegpt_messages(row: Columns) -> list[Message]:
    """`system` may be a column of its own; a system message stands before it."""
    messages = messages_of(row.pop("conversations"), "conversations")
    system = row.pop("system", None)
    if system and not (messages and messages[0]["role"] == "system"):
        return [{"role": "system", "content": system}, *messages]
    return messages


def _write_sharegpt(pair: Pair) -> Columns:
    prompt = _sharegpt_prompt(pair)
    chosen, rejected = _as_sharegpt([answer(pair.chosen), answer(pair.rejected)])
    return {"conversations": prompt, "chosen": chosen, "rejected": rejected}


def _sharegpt_prompt(row: Pair | Labelled) -> list[Message]:
    messages = conversation_of(row)
    has_system = messages[0]["role"] == "system"
    _refuse_unless_alternating(messages[has_system:])
    return _as_sharegpt(messages)


def _as_sharegpt(messages: list[Message]) -> list[Message]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return [{"from": names[each["role"]], "value": each["content"]} for each in messages]


def _read_sharegpt_kto(row: Columns) -> Columns:
    *prompt, last = _sharegpt_messages(row) or [answer("")]
    completion = answer_of([last], "conversations")
    return prompt_columns(prompt) | {"completion": completion, "label": row.pop("kto_tag")}


def _write_sharegpt_kto(row: Labelled) -> Columns:
    conversation = [*_sharegpt_prompt(row), *_as_sharegpt([answer(_not_empty(row))])]
    return {"conversations": conversation, "kto_tag": row.label}


ALPACA = {"prompt": "instruction", "query": "input", "system": "system", "history": "history"}
SIDES = {"chosen": "chosen", "rejected": "rejected"}

FORMATS: tuple[Format, ...] = (
    Format(
        "llama-factory",
        Pair,
        {"instruction": str, "chosen": str, "rejected": str},
        _read_alpaca,
        _write_alpaca,
        {"ranking": True, "columns": ALPACA | SIDES},
    ),
    Format(
        "llama-factory-sharegpt",
        Pair,
        {"conversations": list, "chosen": dict, "rejected": dict},
        _read_sharegpt,
        _write_sharegpt,
        {
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations"} | SIDES,
        },
    ),
    Format(
        "llama-factory-kto",
        Labelled,
        {"instruction": str, "output": str, "kto_tag": bool},
        _read_alpaca_kto,
        _write_alpaca_kto,
        {"columns": ALPACA | {"response": "output", "kto_tag": "kto_tag"}},
    ),
    Format(
        "llama-factory-kto-sharegpt",
        Labelled,
        {"conversations": list, "kto_tag": bool},
        _read_sharegpt_kto,
        _write_sharegpt_kto,
        {
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "kto_tag": "kto_tag"},
        },
    ),
    Format(
        "kto", Labelled, {"prompt": str, "completion": str, "label": bool}, _read_kto, _write_kto
    ),
    Format(
        "kto-conversational",
        Labelled,
        {"prompt": list, "completion": list, "label": bool},
        _read_kto_conversational,
        _write_kto_conversational,
    ),
    Format(
        "ultrafeedback",
        Pair,
        {"prompt": str, "chosen": list, "rejected": list},
        _read_ultrafeedback,
        _write_ultrafeedback,
    ),
    Format(
        "trl-conversational",
        Pair,
        {"chosen": list, "rejected": list},
        _read_conversational,
        _write_conversational,
    ),
    Format("trl", Pair, {"chosen": str, "rejected": str}, _read_trl, _write_trl),
)
"""Most telling first: a row is of the first whose columns it all has."""


def format_named(name: str) -> Format:
    """A format of the table.

    Raises:
        InputError: there is none of this name.
    """
    for each in FORMATS:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in FORMATS)
    raise InputError(f"no format {name!r}", where="--export", cure=f"choose one of {known}")
