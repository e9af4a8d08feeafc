"""Length-prefixed JSON frames over a file descriptor: how processes talk.

A frame is four bytes of length, big-endian, and that many bytes of UTF-8 JSON. Reading refuses a
frame above its cap before reading it, and anything that is not JSON. Nothing here evaluates,
unpickles or formats what it reads.
"""

from __future__ import annotations

import builtins
import json
import os
from typing import IO, Any

# A program that redefines builtins redefines its own: what answers for it keeps those it was born with.
__builtins__ = dict(vars(builtins))

MAX_FRAME_BYTES = 8 * 2**20
_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_loads = json.JSONDecoder().decode
_read, _write = os.read, os.write


class FrameError(Exception):
    """What came is not a frame: too long, or not JSON."""


def pack(value: Any) -> bytes:
    """A value of JSON types as one frame."""
    body = _dumps(value).encode("ascii")
    return len(body).to_bytes(4, "big") + body


def unpack(body: bytes | bytearray) -> Any:
    """The value of a frame's body.

    Raises:
        FrameError: not UTF-8, not JSON, or nested deeper than the interpreter allows.
    """
    try:
        return _loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {type(error).__name__}") from None


def body_length(header: bytes | bytearray, cap: int = MAX_FRAME_BYTES) -> int:
    """Length announced by the first four bytes of a frame."""
    length = int.from_bytes(header[:4], "big")
    if length > cap:
        raise FrameError(f"a frame of {length} bytes, at most {cap} are allowed")
    return length


def send(fd: int, value: Any) -> None:
    """Write one frame, in as many writes as it takes."""
    write(fd, pack(value))


def write(fd: int, data: bytes) -> None:
    """Write packed frames, in as many writes as it takes."""
    sent = _write(fd, data)
    while sent < len(data):
        data = data[sent:]
        sent = _write(fd, data)


def receive(fd: int, cap: int = MAX_FRAME_BYTES) -> Any:
    """Read one frame; None at the end of the stream."""
    body = receive_body(fd, cap)
    return None if body is None else unpack(body)


def receive_body(fd: int, cap: int = MAX_FRAME_BYTES) -> bytearray | None:
    """Read one frame and leave its body as it is; None at the end of the stream."""
    data = bytearray(_read(fd, 65536))
    while len(data) < 4:
        chunk = _read(fd, 65536)
        if not chunk:
            return None
        data += chunk
    length = body_length(data, cap)
    while len(data) < 4 + length:
        chunk = _read(fd, min(4 + length - len(data), 2**20))
        if not chunk:
            return None
        data += chunk
    return data[4 : 4 + length]


def read(stream: IO[bytes], cap: int = MAX_FRAME_BYTES) -> Any:
    """Read one frame of a buffered stream in which more may follow; None at its end."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    length = body_length(header, cap)
    body = stream.read(length)
    return unpack(body) if len(body) == length else None
