"""The questions nodes ask each other over the mesh, by topic.

Rules: a topic has one number for ever; bodies are bounded and canonical; an answer that is not
what was asked for is the same as none. Who may ask is the mesh's affair: only members get here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.ledger.limits import MAX_SIDECAR_BYTES

MAX_SYNC_BYTES = 6 * 1024 * 1024
"""Blocks in one answer, bytes: under the mesh's limit of a response."""


class Topic(IntEnum):
    """What is asked; the number is on the wire."""

    # 1 was a question for an evaluator that showed who asks.
    SIDECAR = 2
    """The sidecar with this root."""
    BLOCKS = 3
    """Consecutive blocks from a height on, with what certifies them."""
    STATE = 4
    """Trie nodes and codes by hash."""
    TARGET = 5
    """The highest certified header."""
    RELAY = 6
    """A sealed question for an evaluator, to be passed on without looking into it."""
    GUARDED = 7
    """A sealed question with a membership proof, from whoever passed it on."""
    QUERY_LOG = 8
    """Served statements of an evaluator's log: for regulators, and the council in a case."""
    TIME = 9
    """The member's clock and software version, for diagnosis."""
    ACCUSE = 10
    """A wrong evaluation, to be filed on the ledger for whoever asked."""


class Mesh(Protocol):
    """What askers need of the network."""

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for the answer; raises PeerUnavailable."""
        ...

    def connected(self) -> list[MemberId]:
        """Members with a live connection, in a stable order."""
        ...


class PeerUnavailable(Exception):
    """A member is not connected, did not answer in time, or refused to answer."""

    def __init__(self, member: MemberId, reason: str) -> None:
        self.member = member
        self.reason = reason
        super().__init__(f"{member}: {reason}")


def encode_root(root: Digest) -> bytes:
    """Body of a SIDECAR request."""
    return bytes(root)


def decode_root(body: bytes) -> Digest:
    """Inverse of encode_root(); raises DecodeError."""
    reader = Reader(body, "sidecar request")
    root = Digest(reader.fixed(32, "root"))
    reader.end()
    return root


def encode_found(sidecar: bytes | None) -> bytes:
    """Answer to SIDECAR."""
    return Writer().optional(sidecar, lambda w, data: w.blob(data)).done()


def decode_found(data: bytes) -> bytes | None:
    """Inverse of encode_found(); raises DecodeError."""
    reader = Reader(data, "sidecar answer")
    found = reader.optional("sidecar", lambda r: r.blob("bytes", MAX_SIDECAR_BYTES))
    reader.end()
    return found


def encode_first(first: Height) -> bytes:
    """Body of a BLOCKS request."""
    return Writer().uint(first, 8).done()


def decode_first(body: bytes) -> Height:
    """Inverse of encode_first(); raises DecodeError."""
    reader = Reader(body, "blocks request")
    first = Height(reader.uint(8, "first"))
    reader.end()
    return first
