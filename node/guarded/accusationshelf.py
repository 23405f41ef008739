"""The accusation shelf: wrong evaluations as the evidence list of this node shows them.

Rules: what the ledger has stands there as it was verified; own cases that are still on their way
are shown to this member's people as not posted, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator

from bulwark.ledger.ids import Digest
from node.evidence import EvidenceEntry
from node.guarded.accusation import AccountOf, WrongEvaluation
from node.guarded.accusationbook import AccusationBook
from node.guarded.accuser import Accuser


class AccusationShelf:
    """Entries of the evidence list."""

    def __init__(self, book: AccusationBook, accuser: Accuser, account_of: AccountOf) -> None:
        self._book = book
        self._accuser = accuser
        self._account_of = account_of

    def entries(self) -> Iterator[EvidenceEntry]:
        """Cases on the ledger, then own ones on their way."""
        for case, transaction in self._book.entries():
            yield self._entry(case, transaction)
        for case in self._accuser.pending():
            if not self._book.has(case):
                yield self._entry(case, None)

    def get(self, identity: Digest) -> EvidenceEntry | None:
        """A case by its id."""
        return next((entry for entry in self.entries() if entry.case.id == identity), None)

    def _entry(self, case: WrongEvaluation, transaction: Digest | None) -> EvidenceEntry:
        account = self._account_of(case.culprit)
        return EvidenceEntry(
            case=case,
            culprit=case.culprit,
            node="" if account is None else f"0x{account.hex()}",
            holds=True,
            posted="" if transaction is None else f"0x{transaction.hex()}",
        )
