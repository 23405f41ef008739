"""Writes: what every write shares, the idempotency key and the wait stage.

Rules: `Idempotency-Key` is 1 to 128 printable ASCII characters; its body digest covers method, path
and body, so one key can not stand for two wishes. 201 says that the write is executed, 202 that it
is on its way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Final

from api.exchange import Exchange
from api.problems import refused
from bulwark.ledger.ids import Digest
from node.service import Idempotency, Stage

_KEY: Final = re.compile(rb"[\x21-\x7e]{1,128}\Z")


class BodyDigest:
    """SHA-256 over method, path and body while the body arrives."""

    def __init__(self, exchange: Exchange) -> None:
        self._key = exchange.headers.get(b"idempotency-key")
        if self._key is not None and _KEY.match(self._key) is None:
            detail = "1 to 128 printable ASCII characters"
            raise refused("Idempotency-Key", detail)
        head = f"{exchange.method} {exchange.path}\n".encode("utf-8", "surrogateescape")
        self._hash = hashlib.sha256(head)

    async def over(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass the chunks on, hashing them when a key was sent."""
        async for chunk in chunks:
            if self._key is not None:
                self._hash.update(chunk)
            yield chunk

    def idempotency(self, body: bytes = b"") -> Idempotency | None:
        """The client's promise for the body hashed so far plus `body`; None without a key."""
        if self._key is None:
            return None
        self._hash.update(body)
        return Idempotency(self._key.decode("ascii"), Digest(self._hash.digest()))


def write_status(stage: Stage | None) -> int:
    """201 once executed, 202 before."""
    return 201 if stage is not None and stage >= Stage.EXECUTED else 202
