"""Facts of a receipt that was issued: what its terms cover, read from the document itself.

Rules: it reads documents that satisfied the schema when they were made; whether the consent still
stands is the ledger's to say. A receipt covers a report if purpose and lawful basis are the same,
a personal data category covers the indicator's kind, and its scopes let it be shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bulwark.consents.vocabulary import basis_of, covering, purpose_of
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose

SHARE_SCOPE = "indicator:share"


class ReceiptFacts(Struct, frozen=True):
    """What a receipt permits."""

    version: int
    is_consent: bool
    purpose: Purpose | None
    basis: LawfulBasis | None
    personal_data: tuple[str, ...]
    scopes: tuple[str, ...]
    valid_until: str
    """ISO date of the last day, empty without end."""
    given_at: str
    """RFC 3339 time in UTC of the gift or last renewal."""

    @classmethod
    def of(cls, receipt: Mapping[str, Any]) -> ReceiptFacts:
        """The facts of an issued receipt."""
        record = receipt["dpv:hasRecordOfActivity"]
        process = record["dpv:hasProcess"][0]
        is_consent = "dpv:hasConsentStatus" in record
        events = record["dpv:hasConsentStatus" if is_consent else "dpv:hasActivityStatus"]
        return cls(
            version=receipt["bulwark:version"],
            is_consent=is_consent,
            purpose=purpose_of(process["dpv:hasPurpose"][0]),
            basis=basis_of(record["dpv:hasLegalBasis"]),
            personal_data=tuple(e["skos:broader"] for e in process["dpv:hasPersonalData"]),
            scopes=tuple(process["bulwark:scopes"]),
            valid_until=events[-1]["dpv:hasDuration"].get("rdf:value", ""),
            given_at=events[-1]["dpv:isIndicatedAtTime"],
        )

    def gaps(self, kind: Kind, purpose: Purpose, basis: LawfulBasis) -> tuple[str, ...]:
        """What of a report on an indicator of this kind it does not cover; empty if all."""
        gaps: list[str] = []
        if purpose is not self.purpose:
            gaps.append("purpose")
        if basis is not self.basis:
            gaps.append("lawful basis")
        if not set(self.personal_data) & set(covering(kind)):
            gaps.append(f"personal data ({' or '.join(covering(kind))} is needed)")
        if SHARE_SCOPE not in self.scopes:
            gaps.append(f"scope {SHARE_SCOPE}")
        return tuple(gaps)
