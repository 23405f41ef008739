"""What a person may ask of a node by its code: how a dispute or a customer's report stands."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Sort(StrEnum):
    """What a code leads to."""

    REPORT = "report"
    DISPUTE = "dispute"


class StatusView(Struct, frozen=True):
    """How a case stands; nothing of it names a person, an identifier, a record or a member."""

    sort: Sort
    state: str
    """Of a report: those of ReportState; of a dispute: sent, open, upheld, rejected, corrected,
    moot, refused."""
    opened_ms: int | None
    """None for a dispute that no block holds yet."""
    due_ms: int | None
    """When an answer is due; None once there is one."""
    is_overdue: bool


class StatusLookup(Protocol):
    """The desk of one node."""

    def look(self, plain: str) -> StatusView | None:
        """The case of a code as `bulwark.advice.reference.plain_code` gives it, None for none.

        Raises StoreDamaged.
        """
        ...
