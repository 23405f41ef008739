"""What the outside may ask of a node about customers' reports: a Protocol and its views.

States: received -> triaged (an analyst chose what to report) -> reported; declined and merged end a
report from either; erased is what is left after the person's wish or the time of keeping.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from bulwark.indicators.country import Country
from bulwark.indicators.vocabulary import (
    Channel,
    FraudType,
    Kind,
    LawfulBasis,
    LossBand,
    ObjectRole,
)
from node.service import Caller, Idempotency, Stage


class ReportState(StrEnum):
    """Where a customer's report stands."""

    RECEIVED = "received"
    TRIAGED = "triaged"
    REPORTED = "reported"
    DECLINED = "declined"
    MERGED = "merged"
    ERASED = "erased"


class DeclineReason(StrEnum):
    """Why a report is not passed on."""

    NOT_FRAUD = "not_fraud"
    TOO_LITTLE = "too_little"
    NOT_SHAREABLE = "not_shareable"
    WITHDRAWN = "withdrawn"
    OTHER = "other"


class Identifier(Struct, frozen=True):
    """An identifier that a customer names, as typed."""

    kind: Kind
    value: str
    region: Country

    def __repr__(self) -> str:
        return f"Identifier({self.kind.label})"


class NewReport(Struct, frozen=True):
    """What a customer says."""

    customer: str
    """The member's own pairwise pseudonym of the customer; kept as a keyed hash alone."""
    channel: Channel
    language: str
    text: str
    identifiers: tuple[Identifier, ...]
    happened_day: int | None
    """Days since 1970-01-01."""
    loss_band: LossBand
    fraud_types: tuple[FraudType, ...]
    case_ref: str = ""

    def __repr__(self) -> str:
        return f"NewReport({len(self.identifiers)} identifiers)"


class Choice(Struct, frozen=True):
    """What an analyst makes of one identifier of a report."""

    number: int
    """Its place in the report, from 0."""
    fraud_type: FraudType
    object_role: ObjectRole
    confidence: int
    lawful_basis: LawfulBasis
    policy: str = ""


class IdentifierView(Struct, frozen=True):
    """An identifier of a report with what became of it."""

    number: int
    kind: str
    value: str | None
    """None in lists."""
    customers: int
    """Distinct customers of this member who named it, in reports that are kept and not declined."""
    chosen: Mapping[str, Any] | None
    """What the analyst chose to state."""
    record_id: str | None
    duplicate: bool
    rule: str | None
    """Rule that refused it, as `policy.customers-below-threshold`."""
    detail: str | None

    def __repr__(self) -> str:
        return f"IdentifierView({self.number}, {self.kind})"


class ReportView(Struct, frozen=True):
    """A customer's report as the member's staff sees it."""

    report_id: str
    code: str | None
    """The person's code; None once erased, and in lists."""
    state: ReportState
    received_ms: int
    changed_ms: int
    due_ms: int
    reported_ms: int | None
    channel: str
    language: str
    happened_day: int | None
    loss_band: str
    fraud_types: tuple[str, ...]
    text: str | None
    """None in lists and once erased."""
    case_ref: str
    identifiers: tuple[IdentifierView, ...]
    note: str
    decline_reason: str | None
    merged_into: str | None
    kept_until_ms: int

    def __repr__(self) -> str:
        return f"ReportView({self.report_id}, {self.state})"


class ReportPage(Struct, frozen=True):
    """Some reports, newest first, and where the next page begins."""

    reports: tuple[ReportView, ...]
    next: bytes | None


class CustomerReports(Protocol):
    """The desk of one node."""

    async def take(self, report: NewReport, idempotency: Idempotency | None) -> ReportView:
        """Keep what a customer says. Raises RowError, Busy, IdempotencyMismatch."""
        ...

    async def page(self, state: ReportState | None, before: bytes | None) -> ReportPage:
        """A page of reports, newest first."""
        ...

    def show(self, report_id: str) -> ReportView:
        """One report in full. Raises NotFound."""
        ...

    async def triage(
        self, report_id: str, choices: tuple[Choice, ...], note: str, by: Caller
    ) -> ReportView:
        """Note what is to be reported of it. Raises NotFound, RuleRefused."""
        ...

    async def report(self, report_id: str, *, by: Caller, wait: Stage) -> ReportView:
        """Send what was chosen to the ledger. Raises NotFound, RuleRefused, Forbidden, Busy."""
        ...

    async def decline(self, report_id: str, reason: DeclineReason, note: str) -> ReportView:
        """End it without a record. Raises NotFound, RuleRefused."""
        ...

    async def merge(self, report_id: str, into: str) -> ReportView:
        """Join it with one that names the same identifier. Raises NotFound, RuleRefused."""
        ...

    async def erase(self, report_id: str) -> ReportView:
        """Destroy what the person said. Raises NotFound."""
        ...

    def export(self, report_id: str) -> Mapping[str, Any]:
        """The report as an alert for case tools. Raises NotFound."""
        ...
