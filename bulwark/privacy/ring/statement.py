"""The statement of a ring proof, and the ring it is about.

Rules owned here:

* A ring has 1 to 1,024 keys, none the identity (x = 0 would be a witness) and none twice (two
  members would share a nullifier and an opening).
* Everything that a statement says is hashed into the challenge, in one order, by `transcript`; what
  is left out can be changed after the proof was made (weak Fiat-Shamir).
* Indices beyond the ring up to the next power of four mean its last key again, so nothing has to
  be invented for padding.

It does not know who the members are or whether a height is fresh. A ring of one key is allowed and
hides nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Generic

from bulwark.privacy.errors import InputRefused, RingRefused
from bulwark.privacy.ring.generators import BASE, MAX_DIGITS, scope_point
from bulwark.privacy.ring.suite import E, S, Suite
from bulwark.privacy.transcript import MAX_INTEGER, Transcript

LABEL = b"Bulwark-v1-ARP-1"
STATEMENT_HASH_LABEL = b"Bulwark-v1-ARP-1-statement"
MAX_RING = BASE**MAX_DIGITS
GENESIS_HASH_BYTES = 32
MESSAGE_BYTES = 64


def digits_for(members: int) -> int:
    """m = max(1, ceil(log_4 members)). Raises `InputRefused` outside 1 to 1,024."""
    if not 1 <= members <= MAX_RING:
        raise InputRefused("number of keys in a ring", members, f"1 to {MAX_RING}")
    digits = 1
    while BASE**digits < members:
        digits += 1
    return digits


@dataclass(frozen=True, slots=True)
class Ring(Generic[E, S]):
    """The members' keys in their order; `root` is SHA-512 over the encodings one after another.

    Raises `InputRefused` for a wrong number of keys, `RingRefused` for the identity or a key twice.
    """

    suite: Suite[E, S] = field(repr=False, compare=False)
    keys: tuple[E, ...] = field(repr=False, compare=False)
    root: bytes = field(init=False)
    digits: int = field(init=False, repr=False, compare=False)
    _positions: dict[bytes, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        digits = digits_for(len(self.keys))
        encodings = [self.suite.encode_element(key) for key in self.keys]
        nothing = self.suite.encode_element(self.suite.identity)
        positions: dict[bytes, int] = {}
        for position, encoding in enumerate(encodings):
            if encoding == nothing:
                raise RingRefused(position, "it is the identity element")
            if encoding in positions:
                raise RingRefused(position, f"it is the key at position {positions[encoding]}")
            positions[encoding] = position
        object.__setattr__(self, "root", hashlib.sha512(b"".join(encodings)).digest())
        object.__setattr__(self, "digits", digits)
        object.__setattr__(self, "_positions", positions)

    def __len__(self) -> int:
        return len(self.keys)

    def position(self, key: E) -> int | None:
        """Where the key stands, None if it is not in the ring."""
        return self._positions.get(self.suite.encode_element(key))


@dataclass(frozen=True, slots=True)
class RingStatement(Generic[E, S]):
    """What a proof is about, except for E1, E2 and T, which are in the proof.

    `ring_height`: first block whose state has this ring. `opener`: PK of regulator and council,
    not the identity. `epoch`, `scope`, `slot`: the slot of the quota that is spent (scope 1 to 255,
    slot of 4 bytes). `message`: SHA-512 of the canonical request, 64 bytes. Integers have 8 bytes.
    Raises `InputRefused`.
    """

    chain_id: int
    genesis_hash: bytes
    ring_height: int
    ring: Ring[E, S]
    opener: E = field(repr=False)
    opener_epoch: int
    epoch: int
    scope: int
    slot: int
    message: bytes
    scope_point: E = field(init=False, repr=False, compare=False)
    _prefix: Transcript = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for what, value in (
            ("ring height", self.ring_height),
            ("opener epoch", self.opener_epoch),
        ):
            if not 0 <= value <= MAX_INTEGER:
                raise InputRefused(what, value, f"0 to {MAX_INTEGER}")
        if len(self.genesis_hash) != GENESIS_HASH_BYTES:
            raise InputRefused("length of the genesis hash", len(self.genesis_hash), "32 bytes")
        if len(self.message) != MESSAGE_BYTES:
            raise InputRefused("length of the message", len(self.message), "64 bytes")
        suite = self.ring.suite
        if self.opener == suite.identity:
            raise InputRefused("opener's key", "the identity element", "any other element")
        object.__setattr__(self, "scope_point", self._point())
        object.__setattr__(self, "_prefix", self._hashed())

    def transcript(self) -> Transcript:
        """The beginning of the challenge's transcript: every field of the statement."""
        return self._prefix.fork()

    def _point(self) -> E:
        """U, whose multiple is the nullifier."""
        return scope_point(self.ring.suite, self.chain_id, self.epoch, self.scope, self.slot)

    def _begun(self) -> Transcript:
        """The transcript's label, and what this kind of statement alone has."""
        return Transcript(LABEL)

    def _hashed(self) -> Transcript:
        ring = self.ring
        encode = ring.suite.encode_element
        return (
            self._begun()
            .add(ring.suite.identifier)
            .add_int(self.chain_id)
            .add(self.genesis_hash)
            .add_int(self.ring_height)
            .add_int(len(ring))
            .add(ring.root)
            .add(encode(self.opener))
            .add_int(self.opener_epoch)
            .add_int(self.epoch)
            .add_int(self.scope)
            .add_int(self.slot)
            .add(encode(self.scope_point))
            .add(self.message)
            .add_int(BASE)
            .add_int(ring.digits)
        )

    def statement_hash(self) -> bytes:
        """32 bytes that name the statement, whatever proofs are made of it (SHA-256)."""
        return hashlib.sha256(STATEMENT_HASH_LABEL + self._prefix.digest()).digest()
