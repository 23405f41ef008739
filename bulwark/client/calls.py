"""Calls before they are sent: what a caller hands over, as the bytes and paths of a request.

Rules: what can not be right is refused here, with what is allowed, and nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

import orjson

from bulwark.client.errors import ClientError

MAX_ROWS: Final = 100_000
"""Rows of one batch."""
_RECORD_ID: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")

Row = Mapping[str, object] | bytes
"""A row as its fields, or as one encoded JSON object."""


class CallInvalid(ClientError):
    """The call itself can not be right; nothing was sent."""


def ndjson(rows: Iterable[Row]) -> bytes:
    """Rows as one JSON object a line. Raises CallInvalid."""
    lines = [row if isinstance(row, bytes) else orjson.dumps(dict(row)) for row in rows]
    if not 1 <= len(lines) <= MAX_ROWS:
        raise CallInvalid(f"a batch has 1 to {MAX_ROWS} rows, {len(lines)} given")
    return b"\n".join(lines) + b"\n"


def record_id(text: str) -> str:
    """A record's id as it is. Raises CallInvalid."""
    if _RECORD_ID.match(text) is None:
        raise CallInvalid("a record id has 64 hexadecimal digits")
    return text


def segment(text: str) -> str:
    """One segment of a path. Raises CallInvalid."""
    if not text or text in (".", ".."):
        raise CallInvalid("an empty id")
    return quote(text, safe="")
