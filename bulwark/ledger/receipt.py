"""Receipts: what a transaction did, in Ethereum's form, and the blooms and roots over them.

Rules: status form (EIP-658) and typed envelopes (EIP-2718) alone, so a light client or indexer
for Ethereum checks the receipts root unchanged. Gas and logs come from the executor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from bulwark.ledger import rlpcodec
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import ADDRESS_BYTES, Address, Digest
from bulwark.ledger.rlpcodec import Item
from bulwark.ledger.trie import trie_root

BLOOM_BYTES: Final = 256
MAX_TOPICS: Final = 4
MAX_RECEIPT_BYTES: Final = 16 * 1024 * 1024
"""Above the log data that 30 million gas pays for (8 gas a byte: 3.75 MB), with room for more."""
_MAX_GAS: Final = (1 << 64) - 1


class Log(Struct, frozen=True):
    """One event of a contract."""

    address: Address
    """The contract."""
    topics: tuple[Digest, ...]
    """0 to 4 words of 32 bytes; the first is usually the event's signature hash."""
    data: bytes

    def __post_init__(self) -> None:
        if len(self.address) != ADDRESS_BYTES:
            raise DecodeError("log.address", f"{len(self.address)} bytes given, 20 needed")
        if len(self.topics) > MAX_TOPICS or any(len(topic) != 32 for topic in self.topics):
            raise DecodeError("log.topics", f"at most {MAX_TOPICS} of 32 bytes each are allowed")

    @property
    def fields(self) -> list[Item]:
        """Address, topics, data as RLP items."""
        return [self.address, list(self.topics), self.data]


def bloom_of(logs: Iterable[Log]) -> bytes:
    """2048-bit filter of addresses and topics (yellow paper 4.3.1), 256 bytes."""
    values = {value for log in logs for value in (log.address, *log.topics)}
    bits = 0
    for value in values:
        digest = keccak256(value)
        for start in (0, 2, 4):
            bits |= 1 << (int.from_bytes(digest[start : start + 2], "big") & 2047)
    return bits.to_bytes(BLOOM_BYTES, "big")


def bloom_union(blooms: Iterable[bytes]) -> bytes:
    """Filter that matches whatever one of these filters matches: a block's logsBloom."""
    bits = 0
    for bloom in blooms:
        bits |= int.from_bytes(bloom, "big")
    return bits.to_bytes(BLOOM_BYTES, "big")


def bloom_may_contain(bloom: bytes, value: bytes) -> bool:
    """Whether an address or topic may be in the filter; false is certain."""
    digest = keccak256(value)
    bits = int.from_bytes(bloom, "big")
    return all(
        bits >> (int.from_bytes(digest[start : start + 2], "big") & 2047) & 1 for start in (0, 2, 4)
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """Outcome of one transaction."""

    type: int
    """Transaction type: 0, 1 or 2."""
    succeeded: bool
    """False: state changes and logs were dropped, gas was used."""
    cumulative_gas: int
    """Gas of this and all earlier transactions of the block."""
    logs: tuple[Log, ...]
    bloom: bytes = field(init=False, repr=False, compare=False)
    """Filter over the logs, 256 bytes."""

    def __post_init__(self) -> None:
        if self.type not in (0, 1, 2):
            raise DecodeError("receipt.type", f"{self.type} given, 0..2 allowed")
        if not 0 <= self.cumulative_gas <= _MAX_GAS:
            raise DecodeError("receipt.cumulative_gas", f"{self.cumulative_gas} is not 64 bits")
        object.__setattr__(self, "bloom", bloom_of(self.logs))

    def encode(self) -> bytes:
        """EIP-2718 bytes: type byte unless legacy, then RLP of status, gas, bloom, logs."""
        body = rlpcodec.encode_list(
            [
                b"\x01" if self.succeeded else b"\x80",
                rlpcodec.encode_uint(self.cumulative_gas),
                rlpcodec.encode(self.bloom),
                rlpcodec.encode([log.fields for log in self.logs]),
            ]
        )
        return bytes([self.type]) + body if self.type else body

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        """Inverse of encode(); raises DecodeError, also if the bloom is not that of the logs."""
        if not 0 < len(data) <= MAX_RECEIPT_BYTES:
            raise DecodeError("receipt", f"{len(data)} bytes, 1..{MAX_RECEIPT_BYTES} allowed")
        kind = 0 if data[0] >= 0xC0 else data[0]
        if data[:1] == b"\x00":
            raise DecodeError("receipt.type", "a legacy receipt has no type byte", 0)
        items, _ = rlpcodec.decode_list(data[1:] if kind else data)
        if len(items) != 4:
            raise DecodeError("receipt", f"{len(items)} fields, 4 needed")
        status, gas, bloom, logs = items
        if status not in (b"\x01", b""):
            raise DecodeError("receipt.status", "0 or 1 needed")
        if not isinstance(gas, bytes) or len(gas) > 8 or gas[:1] == b"\x00":
            raise DecodeError("receipt.cumulative_gas", "a canonical 64-bit number is needed")
        if isinstance(logs, bytes):
            raise DecodeError("receipt.logs", "a list is needed")
        receipt = cls(
            kind, status == b"\x01", int.from_bytes(gas, "big"), tuple(map(_read_log, logs))
        )
        if bloom != receipt.bloom:
            raise DecodeError("receipt.bloom", "is not that of the logs")
        return receipt


def _read_log(item: Item) -> Log:
    if isinstance(item, bytes) or len(item) != 3:
        raise DecodeError("log", "a list of three fields is needed")
    address, topics, data = item
    if not isinstance(address, bytes) or not isinstance(data, bytes) or isinstance(topics, bytes):
        raise DecodeError("log", "a field is of the wrong shape")
    words = []
    for topic in topics:
        if not isinstance(topic, bytes):
            raise DecodeError("log.topics", "a topic is a list")
        words.append(Digest(topic))
    return Log(Address(address), tuple(words), data)


def receipts_root(receipts: Sequence[Receipt]) -> Digest:
    """Ethereum trie root of the receipts of a block."""
    return trie_root([receipt.encode() for receipt in receipts])
