"""The gate: a report that names a consent goes out only if that consent permits it.

Rules: `consent.not-given`: the consent must stand on the executed ledger as of this node's last
block; `consent.does-not-cover`: its receipt must be in this member's vault and cover the purpose,
the lawful basis, the kind of the identifier and the sharing. A consent that another member holds
covers nothing here: what it says can not be read. Passing is remembered, so that who withdraws can
be told which of its own records rest on the consent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bulwark.consents.facts import ReceiptFacts
from bulwark.indicators.model import IndicatorReport
from bulwark.ledger.header import Header
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import ConsentStanding
from node.chain.consents import ConsentReader
from node.consents.vault import Vault
from node.service import Refusal

NOT_GIVEN: Final = "consent.not-given"
DOES_NOT_COVER: Final = "consent.does-not-cover"
_FIELD: Final = "consent_anchor"
_WHY: Final = {
    ConsentStanding.WITHDRAWN: "it was withdrawn",
    ConsentStanding.EXPIRED: "it is over",
}


class ConsentGate:
    """Issuing checks of one member."""

    def __init__(self, vault: Vault, reader: ConsentReader, tip: Callable[[], Header]) -> None:
        self._vault = vault
        self._reader = reader
        self._tip = tip
        self._facts: tuple[str, int, ReceiptFacts] | None = None
        """The last receipt that was read: rows of one upload mostly rest on one consent."""

    def refusal(self, report: IndicatorReport) -> Refusal | None:
        """Why a report may not go out; None if it may, or names no consent."""
        anchor_id = report.consent_anchor
        if not anchor_id:
            return None
        standing = self._reader.standing(anchor_id, self._tip())
        if standing is not ConsentStanding.GIVEN:
            why = _WHY.get(standing, "it is not on the executed ledger")
            return Refusal(NOT_GIVEN, f"a consent that stands is needed: {why}", _FIELD)
        facts = self._facts_of(anchor_id.hex())
        if facts is None:
            detail = "its receipt must be in this member's vault"
            return Refusal(DOES_NOT_COVER, detail, _FIELD)
        gaps = facts.gaps(report.kind, report.purpose, report.lawful_basis)
        if gaps:
            return Refusal(DOES_NOT_COVER, f"the receipt does not cover: {', '.join(gaps)}", _FIELD)
        return None

    def resting(self, report: IndicatorReport, record_id: RecordId) -> dict[bytes, bytes | None]:
        """The put that remembers what a record rests on; empty for a report without consent."""
        if not report.consent_anchor:
            return {}
        return self._vault.put_resting(report.consent_anchor, record_id)

    def _facts_of(self, consent_id: str) -> ReceiptFacts | None:
        consent = self._vault.find(consent_id)
        if consent is None:
            return None
        if self._facts is None or self._facts[:2] != (consent_id, consent.latest):
            facts = ReceiptFacts.of(self._vault.version(consent).receipt)
            self._facts = (consent_id, consent.latest, facts)
        return self._facts[2]
