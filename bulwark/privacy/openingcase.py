"""What may be opened and under which keys: a committed statement, the opener, and the case.

A guarded query carries E1 = r*G, E2 = Y + r*PK: the member's ring key under the opener's key
PK = regulator's part + council's key. Whoever can decrypt such a pair learns who asked, so nothing
here takes loose points: a `CommittedStatement` is a statement with its place in an evaluator's
anchored log, and cannot be built unless the Merkle path (RFC 6962 shape) leads from its leaf
SHA-256(0x00 | statement hash | nullifier | E1 | E2) to the anchored root.

Rules owned here: E1, nullifier and the keys are never the identity; the digest of a case covers
all of it, and every part of an opening is proved over that digest.

**What stays the caller's duty**, since it needs the ledger and the archived query: that the root is
the one this evaluator anchored, that the ring proof of this statement hash with this nullifier, E1
and E2 verifies (the hash alone does not cover them, and an evaluator may have anchored a pair it
made up, say another query's bent by it), that the case was voted for. A council member or regulator
that skips this is a decryption oracle for everybody's queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.ids import Digest
from bulwark.ledger.merkle import leaf_hash, node_hash
from bulwark.privacy.errors import CaseRefused, InputRefused
from bulwark.privacy.group import ELEMENT_BYTES, Element, decode_element
from bulwark.privacy.sharing import MAX_HOLDERS
from bulwark.privacy.threshold import ThresholdKey
from bulwark.privacy.transcript import Transcript

HASH_BYTES: Final = 32
MAX_PATH: Final = 24
"""Most siblings of a statement in an evaluator's log: 2^24 statements in one interval."""
_MAX_INTEGER: Final = (1 << 64) - 1
_CASE_LABEL: Final = b"Bulwark-v1-opening-case"


class Anchor(Struct, frozen=True):
    """The `root` (32 bytes) that `evaluator` (32) anchored for its `interval` of a quota epoch.

    Raises `InputRefused`.
    """

    evaluator: bytes
    epoch: int
    interval: int
    root: bytes

    def __post_init__(self) -> None:
        _check_hash("evaluator of an anchor", self.evaluator)
        _check_integer("epoch of an anchor", self.epoch)
        _check_integer("interval of an anchor", self.interval)
        _check_hash("anchored root", self.root)

    def write(self, writer: Writer) -> None:
        writer.fixed(self.evaluator, HASH_BYTES).uint(self.epoch, 8).uint(self.interval, 8)
        writer.fixed(self.root, HASH_BYTES)

    @classmethod
    def read(cls, reader: Reader) -> Anchor:
        return cls(
            evaluator=reader.fixed(HASH_BYTES, "evaluator"),
            epoch=reader.uint(8, "epoch"),
            interval=reader.uint(8, "interval"),
            root=reader.fixed(HASH_BYTES, "root"),
        )


class Anchorage(Struct, frozen=True):
    """Where on the ledger a statement stands: the way from its leaf to an anchored root.

    `path` holds the siblings from the leaf up, and bit i of `lefts` is set when sibling i stands on
    the left (the form in which a case is opened on the ledger). Raises `InputRefused`.
    """

    anchor: Anchor
    lefts: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.path) > MAX_PATH:
            raise InputRefused("siblings of a statement", len(self.path), f"0 to {MAX_PATH}")
        if not 0 <= self.lefts < 1 << len(self.path):
            raise InputRefused("sides of a path", self.lefts, "one bit for each sibling")
        for sibling in self.path:
            _check_hash("sibling of a statement", sibling)

    def root_from(self, leaf: Digest) -> Digest:
        """The root the path leads to from `leaf`."""
        found = leaf
        for level, sibling in enumerate(self.path):
            if self.lefts >> level & 1:
                found = node_hash(Digest(sibling), found)
            else:
                found = node_hash(found, Digest(sibling))
        return found

    def write(self, writer: Writer) -> None:
        self.anchor.write(writer)
        writer.uint(self.lefts, 4)
        writer.sequence(self.path, lambda out, sibling: out.fixed(sibling, HASH_BYTES))

    @classmethod
    def read(cls, reader: Reader) -> Anchorage:
        return cls(
            anchor=Anchor.read(reader),
            lefts=reader.uint(4, "lefts"),
            path=reader.sequence("path", MAX_PATH, lambda into: into.fixed(HASH_BYTES, "sibling")),
        )


def sides_of_path(place: int, count: int) -> int:
    """The `lefts` of the inclusion path of leaf `place` in a log of `count` (RFC 9162 2.1.3.1).

    Raises `InputRefused` for a place outside the log or a log of more than 2^24.
    """
    if not 1 <= count <= 1 << MAX_PATH:
        raise InputRefused("statements of a log", count, f"1 to 2^{MAX_PATH}")
    if not 0 <= place < count:
        raise InputRefused("place of a statement", place, f"0 to {count - 1}")
    lefts, bit, last = 0, 1, count - 1
    while last:
        if place & 1:
            lefts |= bit
        # A node without a neighbour on the right moves up unchanged and has no sibling here.
        if place & 1 or place < last:
            bit <<= 1
        place >>= 1
        last >>= 1
    return lefts


class CommittedStatement(Struct, frozen=True):
    """A statement an evaluator served and anchored, by its hash, nullifier and ciphertext.

    Building one checks that it is in the anchored tree. Raises `CaseRefused`, `InputRefused`.
    """

    statement_hash: bytes
    nullifier: Element
    e1: Element
    e2: Element
    anchorage: Anchorage

    def __post_init__(self) -> None:
        _check_hash("statement hash", self.statement_hash)
        if self.e1.is_identity or self.nullifier.is_identity:
            raise CaseRefused("E1 or the nullifier is the identity element")
        leaf = statement_leaf(self.statement_hash, self.nullifier, self.e1, self.e2)
        if self.anchorage.root_from(leaf) != self.anchorage.anchor.root:
            raise CaseRefused("the statement is not under the anchored root")

    def write(self, writer: Writer) -> None:
        writer.fixed(self.statement_hash, HASH_BYTES)
        for element in (self.nullifier, self.e1, self.e2):
            writer.fixed(element.encoding, ELEMENT_BYTES)
        self.anchorage.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> CommittedStatement:
        return cls(
            statement_hash=reader.fixed(HASH_BYTES, "statement hash"),
            nullifier=read_element(reader, "nullifier"),
            e1=read_element(reader, "E1"),
            e2=read_element(reader, "E2", allow_identity=True),
            anchorage=Anchorage.read(reader),
        )


def statement_leaf(statement_hash: bytes, nullifier: Element, e1: Element, e2: Element) -> Digest:
    """The leaf of a statement in an evaluator's log, 32 bytes."""
    return leaf_hash(statement_hash + nullifier.encoding + e1.encoding + e2.encoding)


class Opener(Struct, frozen=True):
    """The keys that open together: the regulator's part and the council's threshold key.

    `epoch` counts changes of the sum; a refresh of the council's shares changes the share keys and
    not the sum. Both parts were registered with proofs of possession (caller's duty). Raises
    `CaseRefused` if the sum is not a key, `InputRefused`.
    """

    epoch: int
    regulator: Element
    council: ThresholdKey

    def __post_init__(self) -> None:
        _check_integer("epoch of the opener", self.epoch)
        if self.regulator.is_identity or self.public_key.is_identity:
            raise CaseRefused("a key of the opener is the identity element")

    @property
    def public_key(self) -> Element:
        """PK, under which members encrypt themselves."""
        return self.regulator + self.council.public_key

    def write(self, writer: Writer) -> None:
        writer.uint(self.epoch, 8).fixed(self.regulator.encoding, ELEMENT_BYTES)
        writer.uint(self.council.threshold, 1)
        writer.fixed(self.council.public_key.encoding, ELEMENT_BYTES)
        writer.sequence(
            self.council.share_keys, lambda out, key: out.fixed(key.encoding, ELEMENT_BYTES)
        )

    @classmethod
    def read(cls, reader: Reader) -> Opener:
        epoch, regulator = reader.uint(8, "opener epoch"), read_element(reader, "regulator key")
        council = ThresholdKey(
            threshold=reader.uint(1, "threshold"),
            public_key=read_element(reader, "council key"),
            share_keys=reader.sequence(
                "share keys", MAX_HOLDERS, lambda into: read_element(into, "share key")
            ),
        )
        return cls(epoch, regulator, council)


@dataclass(frozen=True, slots=True)
class OpeningCase:
    """One case on one chain: what is opened and by which keys. Raises `InputRefused`.

    `digest` (64 bytes) covers chain, case id, statement with its place, opener epoch and both of
    the opener's keys. It leaves the council's share keys out, since each part is proved for its own
    share key anyway: a case so outlives a refresh of the shares.
    """

    chain_id: int
    genesis_hash: bytes
    case_id: bytes
    statement: CommittedStatement
    opener: Opener
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_integer("chain id", self.chain_id)
        _check_hash("genesis hash", self.genesis_hash)
        _check_hash("case id", self.case_id)
        statement = Writer()
        self.statement.write(statement)
        keys = (self.opener.regulator, self.opener.council.public_key)
        transcript = Transcript(_CASE_LABEL).add_int(self.chain_id).add(self.genesis_hash)
        transcript.add(self.case_id).add(statement.done()).add_int(self.opener.epoch)
        object.__setattr__(self, "digest", transcript.add_elements(keys).digest())

    def write(self, writer: Writer) -> None:
        writer.uint(self.chain_id, 8).fixed(self.genesis_hash, HASH_BYTES)
        writer.fixed(self.case_id, HASH_BYTES)
        self.statement.write(writer)
        self.opener.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> OpeningCase:
        return cls(
            chain_id=reader.uint(8, "chain id"),
            genesis_hash=reader.fixed(HASH_BYTES, "genesis hash"),
            case_id=reader.fixed(HASH_BYTES, "case id"),
            statement=CommittedStatement.read(reader),
            opener=Opener.read(reader),
        )


def read_element(reader: Reader, field_name: str, *, allow_identity: bool = False) -> Element:
    """An element of 32 bytes. Raises `EncodingRefused`."""
    encoding = reader.fixed(ELEMENT_BYTES, field_name)
    return decode_element(encoding, allow_identity=allow_identity, what=field_name)


def _check_hash(what: str, value: bytes) -> None:
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise InputRefused(what, f"{len(value)} bytes", f"{HASH_BYTES} bytes")


def _check_integer(what: str, value: int) -> None:
    if not 0 <= value <= _MAX_INTEGER:
        raise InputRefused(what, value, "0 to 2^64 - 1")
