"""The access log of a member: who asked what kind of thing and why, as a chain that shows gaps.

Rules owned here: an entry never holds an identifier, a tag or an answer, only how many were asked
about; each entry holds the hash of the one before it, the first one that of a start which belongs
to one alliance and one member; the head after so many entries is what the member anchors on the
ledger, so an auditor who is shown the entries finds what was changed, left out or cut off. What
people do to the node itself, and who came in, stands in the same chain: those entries name an
action and what it was done to, in an encoding of their own version (ADR-0035). One entry has one
encoding.

It keeps nothing and asks no ledger: the anchors are what the auditor read there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError, LimitExceeded
from bulwark.ledger.ids import Digest

VERSION: Final = 1
"""Of entries about identifiers and records."""
ACTION_VERSION: Final = 2
"""Of entries about the node itself: the same fields, then action and subject."""
MAX_WHO_BYTES: Final = 256
MAX_ROLE_BYTES: Final = 64
MAX_WORD_BYTES: Final = 64
"""Of a purpose or a lawful basis: labels of their vocabularies."""
MAX_CASE_BYTES: Final = 512
"""A case reference of 128 characters."""
MAX_ACTION_BYTES: Final = 96
"""As `api-key.rotated`, or the method and route of a request."""
MAX_SUBJECT_BYTES: Final = 256
"""What it was done to: the id of a key, the name of a setting."""
MAX_ENTRY_BYTES: Final = 1_600
_START: Final = b"bulwark/access-log/start/1\x00"
_ENTRY: Final = b"bulwark/access-log/entry/1\x00"


class AccessKind(IntEnum):
    """What kind of request it was; the numbers are for ever."""

    SCREENING = 1
    """A question about one identifier."""
    SCREENING_BATCH = 2
    """A question about an upload of identifiers."""
    REPORT = 3
    """A report of one indicator."""
    REPORT_BATCH = 4
    """A report of an upload."""
    RECORD = 5
    """A record or its proof was read."""
    TAGGING = 6
    """Tags were made ahead of questions."""
    OPENING = 7
    """A request, a vote or a result of an opening."""
    FOLLOW_UP = 8
    """A dispute, ruling, retraction, expiry or erasure of a record."""
    ADMINISTRATION = 9
    """Something about this node was changed, its log was exported, or what it keeps of persons was
    taken or read."""
    LOG_IN = 10
    """Somebody began a session of the console."""
    REFUSED_LOG_IN = 11
    """Keys, tokens or certificates were refused; the count says how often in a while."""

    @property
    def has_action(self) -> bool:
        """Whether an entry of this kind names an action."""
        return self >= AccessKind.ADMINISTRATION


class Head(Struct, frozen=True):
    """The chain after so many entries."""

    count: int
    digest: Digest


class AccessEntry(Struct, frozen=True, kw_only=True):
    """One access. Raises LimitExceeded for a text that is too long."""

    number: int
    """From 1, without gaps."""
    previous: Digest
    """Hash of the entry before, of the chain's start for the first."""
    time_ms: int
    """Wall clock of the node."""
    who: str
    """Id of the user or API key, never the key."""
    role: str
    purpose: str
    lawful_basis: str
    case_ref: str
    """The member's own reference, empty for none."""
    kind: AccessKind
    count: int
    """Identifiers in the request; of a refused log-in how many there were, of an action 1."""
    action: str = ""
    """What was done, empty where the kind says it."""
    subject: str = ""
    """What it was done to."""

    def __post_init__(self) -> None:
        for name, value, most in (
            ("who", self.who, MAX_WHO_BYTES),
            ("role", self.role, MAX_ROLE_BYTES),
            ("purpose", self.purpose, MAX_WORD_BYTES),
            ("lawful_basis", self.lawful_basis, MAX_WORD_BYTES),
            ("case_ref", self.case_ref, MAX_CASE_BYTES),
            ("action", self.action, MAX_ACTION_BYTES if self.kind.has_action else 0),
            ("subject", self.subject, MAX_SUBJECT_BYTES if self.kind.has_action else 0),
        ):
            if len(value.encode("utf-8")) > most:
                raise LimitExceeded(f"access entry.{name}", len(value.encode("utf-8")), most)

    def encode(self) -> bytes:
        """Canonical bytes, version first."""
        version = ACTION_VERSION if self.kind.has_action else VERSION
        writer = Writer().uint(version, 1).uint(self.number, 8).fixed(self.previous, 32)
        writer.uint(self.time_ms, 8).text(self.who).text(self.role)
        writer.text(self.purpose).text(self.lawful_basis).text(self.case_ref)
        writer.uint(self.kind, 1).uint(self.count, 4)
        if self.kind.has_action:
            writer.text(self.action).text(self.subject)
        return writer.done()

    @classmethod
    def decode(cls, data: bytes) -> AccessEntry:
        """Inverse of encode(); raises DecodeError."""
        reader = Reader(data, "access entry")
        version = reader.uint(1, "version")
        if version not in (VERSION, ACTION_VERSION):
            raise DecodeError("access entry.version", f"{VERSION} or {ACTION_VERSION} needed", 0)
        number, previous = reader.uint(8, "number"), Digest(reader.fixed(32, "previous"))
        time_ms = reader.uint(8, "time")
        who, role = reader.text("who", MAX_WHO_BYTES), reader.text("role", MAX_ROLE_BYTES)
        purpose = reader.text("purpose", MAX_WORD_BYTES)
        lawful_basis = reader.text("lawful_basis", MAX_WORD_BYTES)
        case_ref = reader.text("case_ref", MAX_CASE_BYTES)
        kind, count = reader.uint(1, "kind"), reader.uint(4, "count")
        action = subject = ""
        if version == ACTION_VERSION:
            action = reader.text("action", MAX_ACTION_BYTES)
            subject = reader.text("subject", MAX_SUBJECT_BYTES)
        reader.end()
        if kind not in AccessKind.__members__.values():
            raise DecodeError("access entry.kind", f"{kind} is unknown")
        if AccessKind(kind).has_action != (version == ACTION_VERSION):
            raise DecodeError("access entry.kind", f"{kind} is not of version {version}")
        return cls(
            number=number,
            previous=previous,
            time_ms=time_ms,
            who=who,
            role=role,
            purpose=purpose,
            lawful_basis=lawful_basis,
            case_ref=case_ref,
            kind=AccessKind(kind),
            count=count,
            action=action,
            subject=subject,
        )

    @property
    def head(self) -> Head:
        """The chain after this entry."""
        return Head(self.number, Digest(sha256(_ENTRY + self.encode()).digest()))


def chain_start(genesis_hash: bytes, member_id: bytes) -> Head:
    """The head before the first entry of a member; both have 32 bytes. Raises DecodeError."""
    writer = Writer().fixed(genesis_hash, 32).fixed(member_id, 32)
    return Head(0, Digest(sha256(_START + writer.done()).digest()))


class Gap(Struct, frozen=True):
    """The first thing in a log that is not as it was anchored."""

    number: int
    """Entry at which it shows, from 1."""
    reason: str


def verify_chain(
    entries: Iterable[AccessEntry], anchors: Sequence[Head], start: Head
) -> Gap | None:
    """The first gap of a log, None if it is whole up to the last anchor.

    `anchors` are the heads that the ledger has, in any order; `start` is `chain_start`, or an
    anchored head where older entries were dropped: anchors before it can not be checked then.
    """
    wanted: dict[int, set[bytes]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.count, set()).add(anchor.digest)
    at = start
    if wanted.pop(at.count, {at.digest}) != {at.digest}:
        return Gap(at.count, "the head here is not the one that was anchored")
    for entry in entries:
        if entry.number != at.count + 1:
            return Gap(at.count + 1, f"entry {entry.number} stands in its place")
        if entry.previous != at.digest:
            return Gap(entry.number, "it does not follow from the entry before it")
        at = entry.head
        if wanted.pop(at.count, {at.digest}) != {at.digest}:
            return Gap(at.count, "the head here is not the one that was anchored")
    missing = [count for count in wanted if count > at.count]
    if missing:
        return Gap(at.count + 1, f"{max(missing)} entries were anchored, {at.count} are there")
    return None
