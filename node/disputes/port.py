"""What the outside may ask of a node about follow-ups of records: a Protocol and its views.

The desk (`node.disputes.desk`) implements it, the API translates it to HTTP. What the lifecycle
refuses is refused here with the same rule id, before anything is sent.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import Digest, Height, MemberId, RecordId
from bulwark.ledger.lifecycle import Operation, Ruling
from node.service import Caller, Idempotency, RecordView, Stage


class Whose(StrEnum):
    """Which disputes a list shows."""

    INBOX = "inbox"
    """Of this member's records."""
    OPENED = "opened"
    """Opened by this member."""
    ALL = "all"
    """Of the whole ledger."""


class Wish(Struct, frozen=True):
    """What a desk is asked to do to a record."""

    subject: RecordId
    operation: Operation
    reason: int = 0
    """Ground of a dispute, ruling, ground of an erasure; 0 for none."""
    is_for_person: bool = False
    """A dispute of the person concerned, who gets a reference code."""
    case_ref: str = ""
    """The member's own reference, for its access log alone."""


class FollowUpOutcome(Struct, frozen=True):
    """What became of a follow-up of this member."""

    record_id: RecordId
    """The follow-up itself."""
    subject: RecordId
    operation: Operation
    transaction: Digest | None
    """None where an earlier request with the same key is told again."""
    stage: Stage
    height: Height | None
    refused: str | None
    """Rule id where the ledger refused it after all: somebody else came first."""
    state: str
    """State of the record in the last block."""
    reference: str
    """Under which a dispute is looked up: the person's code, else the follow-up's id."""


class DisputeView(Struct, frozen=True):
    """A dispute as it stands in the last block."""

    reference: str
    dispute_id: RecordId
    record_id: RecordId
    """The record that is disputed."""
    reporter: MemberId
    member: MemberId
    """Who disputes."""
    ground: int
    height: Height
    opened_ms: int
    due_ms: int
    """When it should be ruled on."""
    ruling: Ruling | None
    status: str
    """`open`, `upheld`, `rejected`, `corrected`, `moot` (the record went first) or `refused`."""
    refused: str | None
    """Rule id where the ledger refused the dispute."""
    is_for_person: bool
    """Known at the member alone through which the person disputes."""
    is_overdue: bool


class DisputePage(Struct, frozen=True):
    """Some disputes, newest first, and where the next page begins."""

    disputes: tuple[DisputeView, ...]
    next: bytes | None


class DisputesService(Protocol):
    """The desk of one node."""

    async def follow(
        self, wish: Wish, *, by: Caller, wait: Stage, idempotency: Idempotency | None
    ) -> FollowUpOutcome:
        """Send a follow-up. Raises NotFound, RuleRefused, Forbidden, Busy.

        That `by` asks is in the access log before anything is done.
        """
        ...

    async def disputes(
        self, whose: Whose, *, open_only: bool, cursor: bytes | None, most: int
    ) -> DisputePage:
        """A page of disputes, newest first."""
        ...

    async def dispute(self, reference: str) -> DisputeView:
        """One dispute by a person's code or by its record id in hex. Raises NotFound."""
        ...

    async def history(self, record_id: RecordId) -> RecordView:
        """A statement with its standing and whole history, erased or not. Raises NotFound."""
        ...
