"""Message lists and our prompts: what can be told as a text or a conversation of texts, and back.

A prompt of one user message is its text, which a chat policy puts into its template and another continues.
A longer one (a system message, earlier turns) is kept as messages beside a text for people.

Not promised: images, sounds, tool calls, an answer that was begun. They are refused, never cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codealign.records import Labelled, Message, Pair

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
"""Roles of TRL's messages and of ShareGPT's, as ours."""


class Unusable(ValueError):
    """A row that can't be read as a preference, or not be written in a format; the message says why."""


def messages_of(value: Any, column: str) -> list[Message]:
    """Messages of {role, content} or of {from, value}, in the first's words.

    Raises:
        Unusable: no message list, or one that holds more than text.
    """
    if not isinstance(value, list):
        raise Unusable(f"{column}: a list of messages is needed")
    return [message_of(item, column) for item in value]


def message_of(item: Any, column: str) -> Message:
    """One message; see `messages_of`."""
    if not isinstance(item, Mapping):
        raise Unusable(f"{column}: a message is an object with role and content")
    role = item.get("role", item.get("from"))
    if role not in ROLES or item.get("tool_calls"):
        what = "a tool call" if item.get("tool_calls") else f"the role {role!r}"
        raise Unusable(f"{column}: {what} can't be represented, only {', '.join(ROLES)} with text")
    content = item.get("content", item.get("value"))
    return {"role": ROLES[role], "content": _text(content, column)}


def _text(content: Any, column: str) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    if len(texts) < len(parts) or not all(isinstance(text, str) for text in texts):
        raise Unusable(f"{column}: a message holds something else than text")
    return "".join(text for text in texts if text)


def prompt_columns(messages: list[Message]) -> dict[str, Any]:
    """The columns `prompt` and, for more than one user message, `prompt_messages`.

    Raises:
        Unusable: it does not end with a user's message, after which the model answers.
    """
    if not messages or messages[-1]["role"] != "user":
        raise Unusable("the prompt does not end with a user's message")
    if len(messages) == 1:
        return {"prompt": messages[0]["content"]}
    text = "\n\n".join(message["content"] for message in messages)
    return {"prompt": text, "prompt_messages": messages}


def answer_of(messages: list[Message], column: str) -> str:
    """The text of one answer.

    Raises:
        Unusable: there is more than one message, or it is not the assistant's.
    """
    if [message["role"] for message in messages] != ["assistant"]:
        roles = ", ".join(message["role"] for message in messages) or "nothing"
        raise Unusable(f"{column}: one message of the assistant is needed, this is {roles}")
    return messages[0]["content"]


def conversation_of(row: Pair | Labelled) -> list[Message]:
    """The prompt of a row as messages."""
    return row.prompt_messages or [{"role": "user", "content": row.prompt}]


def plain_prompt(row: Pair | Labelled) -> str:
    """The prompt of a row as a text.

    Raises:
        Unusable: it is a conversation.
    """
    if row.prompt_messages:
        raise Unusable(f"its prompt is a conversation of {len(row.prompt_messages)} messages")
    return row.prompt


def answer(text: str) -> Message:
    return {"role": "assistant", "content": text}
