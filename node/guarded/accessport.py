"""What the outside may ask of a node about access logs: a Protocol and its views.

The desk (`node.guarded.accessdesk`) implements it, the API translates it to HTTP. Entries are this
member's own; anchors are on the ledger, so any node shows those of any member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.accesslog import AccessEntry, Gap, Head
from bulwark.ledger.ids import Height
from bulwark.privacy.slotclaim import SlotClaim

MAX_PAGE = 1_000
"""Entries or anchors of one page."""


class AccessPage(Struct, frozen=True):
    """Consecutive entries of this member's log."""

    member: str
    start: Head
    """Before the oldest entry that is kept."""
    head: Head
    """After the newest entry."""
    entries: tuple[AccessEntry, ...]
    damaged: Gap | None
    """The entry behind these if it can not be opened; the page ends before it."""


class AnchoredAccess(Struct, frozen=True):
    """One anchor of a member's log, as its block has it."""

    sequence: int
    head: Head
    height: Height
    time_ms: int


class AccessCheck(Struct, frozen=True):
    """What comparing the whole log with the ledger came to."""

    gap: Gap | None
    entries: int
    """Entries by the log's own count, dropped ones included."""
    anchored: int
    """Entries that the newest anchor covers."""
    anchors: int
    start: Head


class ClaimPage(Struct, frozen=True):
    """Consecutive claims of slots that this member spent; `next` is where the next page begins."""

    claims: tuple[SlotClaim, ...]
    next: bytes | None


class AccessService(Protocol):
    """Access logs as this node sees them."""

    def page(self, after: int, most: int) -> AccessPage:
        """Entries behind number `after`, at most `most` and at most MAX_PAGE."""
        ...

    def claims(self, after: bytes | None, most: int) -> ClaimPage:
        """This member's claims of the slots it spent, behind a place, at most MAX_PAGE."""
        ...

    def anchors(self, member: str, after: int, most: int) -> Sequence[AnchoredAccess]:
        """A member's anchors with a sequence over `after` in their order; NotFound."""
        ...

    async def check(self) -> AccessCheck:
        """This member's whole log against all anchors on this node's ledger."""
        ...
