"""The scope of a report: which stretch of the ledger, whose acts, which page.

Rules: everything that needs the state, which belongs to the event loop, is a port here; what a
report lists is in ledger order; a page ends at its bound and says where the next one begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from bulwark.audit.report import Cell, Column, Report
from bulwark.indicators.terms import Term
from bulwark.ledger.ids import Address, Height, MemberId
from bulwark.ledger.lifecycle import ConsentStanding
from node.audit.port import MAX_ROWS
from node.audit.scan import LedgerScan
from node.chain.records import StoredRecord

TITLES: Final[Mapping[str, str]] = {
    "sharing": "Sharing register",
    "retention": "Retention of records",
    "consents": "Consents",
    "disputes": "Disputes",
    "quotas": "Questions served and quotas",
    "openings": "Openings of questions",
    "erasures": "Confirmations of erasures and recalls",
    "breaches": "Records in breach of a policy",
    "reporters": "Reporters",
}
"""Name to title, in the order of lists."""


class Scope(Struct, frozen=True, kw_only=True):
    """What one page of a report is about."""

    scan: LedgerScan
    first: int = 0
    """First block of the events that are listed."""
    member: MemberId | None = None
    after: int = 0
    most: int = MAX_ROWS
    members: Sequence[MemberId] = ()
    """Members by the newest state."""
    is_regulator: Callable[[Address, Height], bool] = lambda _account, _height: False
    """Whether an account held the role regulator in a block."""
    quotas: Mapping[str, int] = field(default_factory=dict)
    """Quotas in force now, by scope."""
    consent: Callable[[bytes], ConsentStanding] = lambda _anchor_id: ConsentStanding.GIVEN
    """How a consent stands at the last block, by anchor id."""
    breaches: Callable[[Sequence[StoredRecord]], list[str | None]] | None = None
    """Rule ids that records break, None for none; None where this node knows no policies."""

    def wants(self, member: MemberId) -> bool:
        """Whether what this member did is asked for."""
        return self.member is None or self.member == member

    def report(
        self,
        name: str,
        columns: tuple[Column, ...],
        rows: Sequence[tuple[Cell, ...]],
        notes: tuple[str, ...] = (),
        following: int | None = None,
    ) -> Report:
        """A page of a report on this scope's block."""
        return Report(
            name=name,
            title=TITLES[name],
            generated_from=self.scan.basis,
            columns=columns,
            rows=tuple(rows),
            notes=notes,
            next=following,
        )


def label(vocabulary: type[Term], code: int) -> str:
    """The word of a code, its number for one that this version does not know."""
    found = vocabulary.find(code)
    return found.label if found else f"code {code}" if code else ""


def counted(words: Counter[str]) -> str:
    """`iban 3, phone 12`: words in their order with how often each occurs."""
    return ", ".join(f"{word} {words[word]}" for word in sorted(words) if word)
