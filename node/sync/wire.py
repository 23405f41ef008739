"""Questions and answers of sync on the wire: bounded, canonical, believed by nobody.

BLOCKS: from a height on, up to MAX_BLOCKS blocks. STATE: hashes of trie nodes and of codes,
answered in their order by the bytes or by nothing; a shorter answer is a prefix. TARGET: the
highest header with its certificate, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.header import Header
from bulwark.ledger.votes import Certificate
from node.chain.syncblock import MAX_CERTIFICATE_BYTES, MAX_HEADER_BYTES, SyncBlock

MAX_BLOCKS: Final = 512
"""Blocks in one answer."""
MAX_BLOCK_BYTES: Final = 7_900_000
"""One block: alone in its answer it fits a response of the mesh."""
MAX_STATE_VALUES: Final = 384
"""Hashes in one question."""
MAX_STATE_VALUE_BYTES: Final = 128 * 1024
"""A code; trie nodes are below 600 bytes."""
MAX_STATE_BYTES: Final = 1024 * 1024
"""Values of one answer, bytes; a longer first value goes alone."""


class Target(NamedTuple):
    """A block that a quorum certified, as a peer says."""

    header: Header
    certificate: Certificate


def encode_blocks(blocks: Sequence[SyncBlock]) -> bytes:
    """Answer to a BLOCKS request."""
    return join_blocks([block.encode() for block in blocks])


def join_blocks(blocks: Sequence[bytes]) -> bytes:
    """The same from encoded blocks."""
    return Writer().sequence(blocks, lambda w, block: w.blob(block)).done()


def split_blocks(data: bytes) -> tuple[bytes, ...]:
    """Encoded blocks of a BLOCKS answer; raises LedgerError."""
    reader = Reader(data, "blocks answer")
    blocks = reader.sequence("blocks", MAX_BLOCKS, lambda r: r.blob("block", MAX_BLOCK_BYTES))
    reader.end()
    return blocks


def decode_blocks(data: bytes) -> tuple[SyncBlock, ...]:
    """Inverse of encode_blocks(); raises LedgerError."""
    return tuple(SyncBlock.decode(block) for block in split_blocks(data))


def encode_hashes(hashes: Sequence[bytes]) -> bytes:
    """Body of a STATE request."""
    return Writer().sequence(hashes, lambda w, each: w.fixed(each, 32)).done()


def decode_hashes(body: bytes) -> tuple[bytes, ...]:
    """Inverse of encode_hashes(); raises DecodeError."""
    reader = Reader(body, "state request")
    hashes = reader.sequence("hashes", MAX_STATE_VALUES, lambda r: r.fixed(32, "hash"))
    reader.end()
    return hashes


def encode_values(values: Sequence[bytes | None]) -> bytes:
    """Answer to a STATE request."""
    return (
        Writer()
        .sequence(values, lambda w, value: w.optional(value, lambda v, data: v.blob(data)))
        .done()
    )


def decode_values(data: bytes) -> tuple[bytes | None, ...]:
    """Inverse of encode_values(); raises DecodeError."""
    reader = Reader(data, "state answer")
    values = reader.sequence(
        "values",
        MAX_STATE_VALUES,
        lambda r: r.optional("value", lambda v: v.blob("bytes", MAX_STATE_VALUE_BYTES)),
    )
    reader.end()
    return values


def encode_target(target: Target | None) -> bytes:
    """Answer to a TARGET request."""
    return (
        Writer()
        .optional(target, lambda w, t: w.blob(t.header.encode()).blob(t.certificate.encode()))
        .done()
    )


def decode_target(data: bytes) -> Target | None:
    """Inverse of encode_target(); raises LedgerError. Verifies nothing."""
    reader = Reader(data, "target answer")
    target = reader.optional("target", _read_target)
    reader.end()
    return target


def _read_target(reader: Reader) -> Target:
    header = Header.decode(reader.blob("header", MAX_HEADER_BYTES))
    return Target(header, Certificate.decode(reader.blob("certificate", MAX_CERTIFICATE_BYTES)))
