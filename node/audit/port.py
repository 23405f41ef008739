"""What the outside may ask of a node about the whole alliance: a Protocol and its views.

The desk (`node.audit.desk`) implements it, API and console translate it. All of it comes from this
node's own replica: an observer's node says the same as a validator's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from bulwark.audit.report import Report
from bulwark.audit.sampling import Sample
from bulwark.ledger.ids import Height, MemberId, RecordId

MAX_ROWS: Final = 1_000
"""Rows of one page of a report."""
MAX_SAMPLE: Final = 1_000


class ReportTitle(Struct, frozen=True):
    """A report that can be asked for."""

    name: str
    title: str


class ReportWish(Struct, frozen=True, kw_only=True):
    """Which part of the ledger a report is about."""

    from_height: int = 0
    """First block of the events that it lists; states are those at the end whatever it is."""
    to_height: Height | None = None
    """Block that it rests on; None: the last final one."""
    member: MemberId | None = None
    """Only what this member did; None: all."""
    after: int = 0
    """`next` of the page before, 0 for the first."""
    most: int = MAX_ROWS


class SampleWish(Struct, frozen=True, kw_only=True):
    """What to draw."""

    population: str
    """`records`, `anchors` or `access` (a member's access-log entries)."""
    to_height: Height
    """The population is what is on the ledger up to here."""
    size: int
    member: MemberId | None = None
    """Only of this member; needed for `access`."""
    by_member: bool = False
    """Draw `size` of every member."""


class Drawing(Struct, frozen=True):
    """A sample whose seed is still being made: ask again."""

    seed_block: Height
    done: int
    """Stages of the delay function that are done, of `stages`."""
    stages: int


class AuditService(Protocol):
    """Reports and samples as this node's replica gives them."""

    def reports(self) -> Sequence[ReportTitle]:
        """All reports in the order of lists."""
        ...

    async def report(self, name: str, wish: ReportWish) -> Report:
        """One page of a report, at most MAX_ROWS rows.

        Raises NotFound for an unknown report or member, Conflict for a block that is not final.
        """
        ...

    def ring_key_owner(self, key: bytes) -> MemberId | None:
        """Who uses or ever used a ring key (32 bytes), None for a key of nobody."""
        ...

    def case_key(self, record_id: RecordId) -> bytes:
        """The key that opens the case commitment of one record of this member.

        Raises NotFound for an unknown record, Conflict for another member's or an erased one.
        """
        ...

    async def sample(self, wish: SampleWish) -> Sample | Drawing:
        """A sample that nobody chose; the first ask for a seed starts its delay function.

        Raises NotFound, Conflict while no final block above the population's is a seed.
        """
        ...
