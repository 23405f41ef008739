"""What a replica starts from: its durable records read back, and where execution stands.

Rules owned: P4 recovery is the same path as a first start (no records); P5 a record that does not
decode stops the start, because a forgotten vote may be contradicted (pitfalls S6, S7).
It checks form, not signatures: the records are the replica's own, guarded by the store's checksums.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.codec import Reader
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest, Height, View
from bulwark.ledger.limits import MAX_VALIDATORS
from bulwark.ledger.votes import Certificate
from consensus.errors import RecordsDamaged
from consensus.journal import (
    KEY_NEW_VIEW,
    KEY_SILENT,
    KEY_STABLE,
    KEY_VIEW,
    KEY_VIEW_CHANGE,
    PREFIX_BODY,
    PREFIX_PREPARED,
    PREFIX_VOTE,
    PREFIX_VOUCHED,
    body_key,
    prepared_key,
    vote_key,
    vouched_key,
)
from consensus.log import MAX_VOUCHED_BODIES
from consensus.messages import NewView, ViewChange, Vote
from consensus.types import FIRST_VIEW, Status


class NewViewProof(Struct, frozen=True):
    """A NEW-VIEW with the VIEW-CHANGEs it names, in its order: proves a view to anyone."""

    new_view: NewView
    view_changes: tuple[ViewChange, ...]


class Recovery(Struct, frozen=True):
    """Everything a replica needs to go on where it stopped."""

    applied_height: Height
    """Height of the last durable block."""
    applied_hash: Digest
    """Hash of its header (of the genesis header at height 0)."""
    stable: Certificate | None = None
    """Highest CHECKPOINT certificate of this epoch; None is the epoch's start."""
    epoch_end: Height | None = None
    """E1: last height of this epoch, if an applied block decided it."""
    view: View = FIRST_VIEW
    status: Status = Status.NORMAL
    view_change: ViewChange | None = None
    """Own VIEW-CHANGE while one is under way."""
    proof: NewViewProof | None = None
    """Proof of the last entered view; None for view 0."""
    votes: tuple[Vote, ...] = ()
    """Own last votes."""
    prepared: tuple[Certificate, ...] = ()
    bodies: tuple[tuple[Height, Batch], ...] = ()
    vouched: tuple[tuple[Height, tuple[Digest, ...]], ...] = ()
    """Digests PREPAREd at a height, the last one last, where there were several."""
    wiped: bool = False
    """The records are lost: the amnesia rule (P6) keeps the replica silent for a while."""
    silent_until: Height | None = None
    """P6 under way: no vote before this height is stable."""

    @classmethod
    def from_records(
        cls,
        records: Iterable[tuple[bytes, bytes]],
        *,
        applied_height: Height,
        applied_hash: Digest,
        stable: Certificate | None = None,
        epoch_end: Height | None = None,
        wiped: bool = False,
    ) -> Recovery:
        """Read back what Persist wrote; raises RecordsDamaged.

        `stable` is the driver's own highest finality certificate; the higher of the two counts.
        """
        found = cls(applied_height, applied_hash, stable, epoch_end, wiped=wiped)
        for key, value in sorted(records):
            try:
                found = _add(found, key, value)
            except LedgerError as error:
                raise RecordsDamaged(key, str(error)) from error
        return found


def _add(found: Recovery, key: bytes, value: bytes) -> Recovery:
    reader = Reader(value, "record")
    if key == KEY_VIEW:
        view, changing = View(reader.uint(8, "view")), reader.flag("changing")
        found = replace(found, view=view, status=Status.CHANGING if changing else Status.NORMAL)
    elif key == KEY_VIEW_CHANGE:
        found = replace(found, view_change=ViewChange.read(reader))
    elif key == KEY_NEW_VIEW:
        new_view = NewView.read(reader)
        changes = reader.sequence("view_changes", MAX_VALIDATORS, ViewChange.read)
        found = replace(found, proof=NewViewProof(new_view, changes))
    elif key == KEY_STABLE:
        certificate = Certificate.read(reader)
        if found.stable is None or certificate.subject.height > found.stable.subject.height:
            found = replace(found, stable=certificate)
    elif key == KEY_SILENT:
        found = replace(found, silent_until=Height(reader.uint(8, "height")))
    elif key.startswith(PREFIX_VOTE):
        vote = Vote.read(reader)
        _same(key, vote_key(vote.subject.kind, vote.subject.height))
        found = replace(found, votes=(*found.votes, vote))
    elif key.startswith(PREFIX_PREPARED):
        certificate = Certificate.read(reader)
        _same(key, prepared_key(certificate.subject.height))
        found = replace(found, prepared=(*found.prepared, certificate))
    elif key.startswith(PREFIX_BODY):
        height = Height(int.from_bytes(key[len(PREFIX_BODY) : len(PREFIX_BODY) + 8], "big"))
        batch = Batch.decode(value)
        _same(key, body_key(height, batch.digest))
        return replace(found, bodies=(*found.bodies, (height, batch)))
    elif key.startswith(PREFIX_VOUCHED):
        height = Height(int.from_bytes(key[len(PREFIX_VOUCHED) :], "big"))
        _same(key, vouched_key(height))
        digests = reader.sequence(
            "vouched", MAX_VOUCHED_BODIES, lambda r: Digest(r.fixed(32, "digest"))
        )
        found = replace(found, vouched=(*found.vouched, (height, digests)))
    else:
        raise RecordsDamaged(key, "no record has such a key")
    reader.end()
    return found


def _same(key: bytes, expected: bytes) -> None:
    if key != expected:
        raise RecordsDamaged(key, "the value belongs under another key")
