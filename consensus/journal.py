"""The durable memory of a replica: which records exist, and their keys and values.

Rules owned: P1 what is staged becomes one `Persist`, emitted before the message it protects; P2
keys name kind and height, so writing again replaces (idempotent) and a later view overwrites an
earlier one; P3 records at or below the low mark go in a batch that also stores the stable
certificate.
It holds no values in memory, only the live keys of each height. Reading back is `recovery`.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.batch import Batch
from bulwark.ledger.codec import Writer
from bulwark.ledger.ids import Digest, Height, View
from bulwark.ledger.votes import Certificate, VoteKind
from consensus.effects import Persist
from consensus.messages import NewView, ViewChange, Vote
from consensus.types import Status

KEY_VIEW: Final = b"view"
KEY_VIEW_CHANGE: Final = b"view-change"
KEY_NEW_VIEW: Final = b"new-view"
KEY_STABLE: Final = b"stable"
KEY_SILENT: Final = b"silent"
PREFIX_VOTE: Final = b"vote/"
PREFIX_PREPARED: Final = b"prepared/"
PREFIX_BODY: Final = b"body/"
PREFIX_VOUCHED: Final = b"vouched/"


def vote_key(kind: VoteKind, height: Height) -> bytes:
    """Key of the own last vote of a kind at a height."""
    return PREFIX_VOTE + bytes([kind]) + height.to_bytes(8, "big")


def prepared_key(height: Height) -> bytes:
    """Key of the prepared certificate behind the own COMMIT at a height."""
    return PREFIX_PREPARED + height.to_bytes(8, "big")


def body_key(height: Height, digest: Digest) -> bytes:
    """Key of a body behind the own PREPARE at a height."""
    return PREFIX_BODY + height.to_bytes(8, "big") + digest


def vouched_key(height: Height) -> bytes:
    """Key of the order of own PREPAREs at a height, where there were several digests."""
    return PREFIX_VOUCHED + height.to_bytes(8, "big")


def encode_view(view: View, status: Status) -> bytes:
    """Value under KEY_VIEW: the view and whether its NEW-VIEW is still awaited."""
    return Writer().uint(view, 8).flag(status is Status.CHANGING).done()


def encode_new_view(new_view: NewView, view_changes: tuple[ViewChange, ...]) -> bytes:
    """Value under KEY_NEW_VIEW: the NEW-VIEW and the VIEW-CHANGEs it names, in its order."""
    writer = Writer()
    new_view.write(writer)
    return writer.sequence(view_changes, lambda w, c: c.write(w)).done()


class Journal:
    """Stages records and turns them into Persist effects."""

    __slots__ = ("_live", "_staged")

    def __init__(self) -> None:
        self._staged: dict[bytes, bytes | None] = {}
        self._live: dict[Height, set[bytes]] = {}

    def note_live(self, height: Height, key: bytes) -> None:
        """Recovery: a record of a height is on disk."""
        self._live.setdefault(height, set()).add(key)

    def live_records(self) -> int:
        """Records that belong to a height and are not pruned."""
        return sum(len(keys) for keys in self._live.values())

    def view(self, view: View, status: Status) -> None:
        """Stage the view number; never derived from anything else (S10)."""
        self._staged[KEY_VIEW] = encode_view(view, status)

    def view_change(self, message: ViewChange) -> None:
        """Stage the own VIEW-CHANGE."""
        writer = Writer()
        message.write(writer)
        self._staged[KEY_VIEW_CHANGE] = writer.done()

    def new_view(self, new_view: NewView, view_changes: tuple[ViewChange, ...]) -> None:
        """Stage the proof of the entered view; the own VIEW-CHANGE for it is over."""
        self._staged[KEY_NEW_VIEW] = encode_new_view(new_view, view_changes)
        self._staged[KEY_VIEW_CHANGE] = None

    def vote(self, vote: Vote) -> None:
        """Stage an own vote."""
        height = vote.subject.height
        writer = Writer()
        vote.write(writer)
        self._put(height, vote_key(vote.subject.kind, height), writer.done())

    def vouched(self, height: Height, digests: list[Digest]) -> None:
        """Stage which digests were PREPAREd last: V9 keeps the bodies of these (S12)."""
        writer = Writer().sequence(digests, lambda w, digest: w.fixed(digest, 32))
        self._put(height, vouched_key(height), writer.done())

    def prepared(self, certificate: Certificate) -> None:
        """Stage a prepared certificate."""
        height = certificate.subject.height
        self._put(height, prepared_key(height), certificate.encode())

    def body(self, height: Height, batch: Batch) -> None:
        """Stage a body once."""
        key = body_key(height, batch.digest)
        if key not in self._live.get(height, ()):
            self._put(height, key, batch.encode())

    def drop_body(self, height: Height, digest: Digest) -> None:
        """Stage the removal of a body that no certificate needs."""
        key = body_key(height, digest)
        if key in self._live.get(height, ()):
            self._live[height].discard(key)
            self._staged[key] = None

    def stable(self, certificate: Certificate) -> None:
        """Stage the stable certificate; rides with the next Persist, as peers have it too."""
        self._staged[KEY_STABLE] = certificate.encode()

    def silent(self, until: Height | None) -> None:
        """Stage the amnesia rule's height (P6); None ends it."""
        self._staged[KEY_SILENT] = None if until is None else until.to_bytes(8, "big")

    def prune(self, low: Height) -> None:
        """P3: stage the removal of everything at or below the low mark."""
        for height in [h for h in self._live if h <= low]:
            for key in sorted(self._live.pop(height)):
                self._staged[key] = None

    def flush(self) -> Persist | None:
        """Everything staged as one Persist, None if there is nothing."""
        if not self._staged:
            return None
        records = tuple(self._staged.items())
        self._staged = {}
        return Persist(records)

    def _put(self, height: Height, key: bytes, value: bytes) -> None:
        self._live.setdefault(height, set()).add(key)
        self._staged[key] = value
