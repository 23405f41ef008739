"""What the outside may ask of a node about erasures: a Protocol and its views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, Protocol

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from node.service import Idempotency, Refusal, Stage

MAX_ORDERS: Final = 2_000
"""Orders in one request: one batch of the ledger."""


class Ground(IntEnum):
    """Why a record is ordered to be erased: the reason of its ERASE record."""

    REQUEST = 1
    """The person concerned, or a court, asked for it."""
    CONSENT = 2
    """The consent it rested on was withdrawn or ran out."""
    RETENTION = 3
    """Its time is over."""
    ERROR = 4
    """It should never have been reported."""

    @property
    def label(self) -> str:
        """The name over the API."""
        return self.name.lower()


class OrderOutcome(Struct, frozen=True):
    """What became of a request to erase records."""

    root: Digest | None
    """Batch that holds the orders; None where every one was refused."""
    transaction: Digest | None
    stage: Stage
    height: Height | None
    ordered: tuple[RecordId, ...]
    refused: tuple[tuple[RecordId, Refusal], ...]
    """Records that this member may not erase now, each with the lifecycle's rule."""


class Confirmation(Struct, frozen=True):
    """One member's word on a batch of orders."""

    member: MemberId
    record_id: RecordId
    """The CONFIRM record, of which anybody can get a proof."""
    recalled: bool
    destroyed: bool
    height: Height
    timestamp_ms: int


class BatchView(Struct, frozen=True):
    """A batch of follow-ups and who confirmed it."""

    root: Digest
    height: Height
    timestamp_ms: int
    confirmations: tuple[Confirmation, ...]
    missing: tuple[MemberId, ...]
    """Members that can confirm and did not yet."""


class OrderView(Struct, frozen=True):
    """An ERASE record about a record."""

    record_id: RecordId
    member: MemberId
    ground: int
    height: Height
    timestamp_ms: int
    refused: str | None
    """The lifecycle's rule id where it was refused."""
    batch: BatchView | None
    """Only of the order that was taken."""


class ErasureView(Struct, frozen=True):
    """How the erasure of one record stands."""

    record_id: RecordId
    erased_here: bool
    """Whether this node holds nothing of it but the leaf."""
    orders: tuple[OrderView, ...]


class Offer(Struct, frozen=True):
    """A consent of this member that ended, and what of its records still rests on it."""

    anchor_id: bytes
    records: tuple[RecordId, ...]


class ErasureService(Protocol):
    """Erasures at one node."""

    async def order(
        self,
        records: Sequence[RecordId],
        ground: Ground,
        *,
        wait: Stage,
        idempotency: Idempotency | None,
    ) -> OrderOutcome:
        """Order the erasure of records, at most MAX_ORDERS.

        Raises Forbidden, Conflict, Busy, IdempotencyMismatch.
        """
        ...

    async def offers(self, most: int) -> Sequence[Offer]:
        """Ended consents of this member with its records that rest on them, to be ordered."""
        ...

    async def erasure(self, record_id: RecordId) -> ErasureView:
        """How the erasure of a record stands. Raises NotFound."""
        ...

    async def batch(self, root: Digest) -> BatchView:
        """Who confirmed a batch. Raises NotFound."""
        ...

    async def receipts(self, record_id: RecordId) -> Mapping[str, object]:
        """Signed receipts of all members for one record, as one document.

        Raises NotFound, Conflict while the order is not final.
        """
        ...
