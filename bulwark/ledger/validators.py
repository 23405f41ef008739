"""The validator set of one epoch, its quorum, and the hash that headers commit to.

Rules: f = floor((n-1)/3); a quorum is ceil((n+f+1)/2), which is more than 2f+1 when n is not 3f+1
(pitfall S5), so that two quorums always share an honest validator. Order is the registry's order
and is part of the hash, since certificates name signers by position.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, Epoch, MemberId, ValidatorIndex
from bulwark.ledger.limits import MAX_MEMBER_ID_CHARS, MAX_VALIDATORS


def max_faulty(n: int) -> int:
    """Largest number of Byzantine validators that `n` validators tolerate (OSDI'99 section 2)."""
    return (n - 1) // 3


def quorum_size(n: int) -> int:
    """Smallest q with two quorums meeting in an honest validator: ceil((n + f + 1) / 2)."""
    return (n + max_faulty(n) + 2) // 2


class Validator(Struct, frozen=True):
    """One voting node."""

    member: MemberId
    """The organisation that runs it."""
    address: Address
    """Address of its vote key."""


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The validators of one epoch in certificate order."""

    epoch: Epoch
    validators: tuple[Validator, ...]
    quorum: int = field(init=False)
    """Votes that make a certificate."""
    faulty: int = field(init=False)
    """f: how many Byzantine validators the set tolerates."""
    _by_address: dict[Address, ValidatorIndex] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.validators) <= MAX_VALIDATORS:
            raise DecodeError(
                "validator set", f"{len(self.validators)} validators, 1..{MAX_VALIDATORS} allowed"
            )
        by_address = {v.address: ValidatorIndex(i) for i, v in enumerate(self.validators)}
        if len(by_address) != len(self.validators):
            raise DecodeError("validator set", "two validators share a vote key")
        if len({v.member for v in self.validators}) != len(self.validators):
            raise DecodeError("validator set", "one member has two validators")
        object.__setattr__(self, "quorum", quorum_size(len(self.validators)))
        object.__setattr__(self, "faulty", max_faulty(len(self.validators)))
        object.__setattr__(self, "_by_address", by_address)

    def __len__(self) -> int:
        return len(self.validators)

    def index_of(self, address: Address) -> ValidatorIndex | None:
        """Position of the validator with this vote key, None if it is not one."""
        return self._by_address.get(address)

    def address_of(self, index: ValidatorIndex) -> Address:
        """Vote key address at a position; raises IndexError outside the set."""
        return self.validators[index].address

    def encode(self) -> bytes:
        """Canonical bytes: epoch, then each validator's member id and address."""
        writer = Writer().uint(self.epoch, 8)
        writer.sequence(self.validators, lambda w, v: w.text(v.member).fixed(v.address, 20))
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> ValidatorSet:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "validator set")
        epoch = Epoch(reader.uint(8, "epoch"))
        validators = reader.sequence("validators", MAX_VALIDATORS, _read_validator)
        reader.end()
        return cls(epoch, validators)

    def hash(self) -> Digest:
        """SHA-256 of the encoding with its own domain tag: the header's next_validators_hash."""
        return sha256(b"bulwark/validators/1\x00" + self.encode())


def _read_validator(reader: Reader) -> Validator:
    member = MemberId(reader.text("member", MAX_MEMBER_ID_CHARS))
    return Validator(member, Address(reader.fixed(20, "address")))
