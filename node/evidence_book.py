"""The evidence book: cases against validators on this node's disk.

Rules: a case is stored once, under epoch, culprit and its hash; at most MAX_CASES against one
validator in one epoch are kept, proof enough, so that a liar can not fill the disk; what was posted
to the ledger is remembered beside it. It judges nothing: the core reports, `holds` verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from bulwark.ledger.epochs import EpochChange
from bulwark.ledger.ids import Digest, Epoch, MemberId
from consensus.evidence import Evidence
from consensus.terms import Terms
from node.evidence import MAX_EVIDENCE_BYTES, Case, EvidenceEntry, EvidenceInvalid
from node.logs import Log
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENSUS

EVIDENCE: Final = CONSENSUS + b"e"
"""epoch8 | culprit4 | SHA-256 -> encoded case."""
POSTED: Final = CONSENSUS + b"p"
"""SHA-256 of a case -> hash of the transaction that posted it."""
MAX_CASES: Final = 256
"""Cases kept against one validator in one epoch."""
_KEY_BYTES: Final = len(EVIDENCE) + 8 + 4 + 32

log = Log("evidence")


class EvidenceBook:
    """Cases on disk; `terms_of` gives an epoch's terms, None for one that this node forgot."""

    def __init__(
        self,
        store: KeyValueStore,
        terms_of: Callable[[Epoch], Terms | None],
        changes_of: Callable[[Epoch], tuple[EpochChange, ...]] = lambda epoch: (),
    ) -> None:
        """`changes_of` gives the proven ends of all epochs before one that `terms_of` knows."""
        self._store = store
        self._changes_of = changes_of
        self._terms_of = terms_of
        self._checked: dict[Digest, bool] = {}
        """Whether a case holds; signatures do not change."""

    def keep(self, evidence: Evidence, epoch: Epoch) -> Digest | None:
        """Store a case; its id, or None where there is no room for it."""
        return keep_case(self._store, Case(epoch, evidence))

    def entries(self) -> Iterator[EvidenceEntry]:
        """Every readable case, by epoch, culprit and hash."""
        for key, data in self._store.iterate(EVIDENCE):
            entry = self._entry(key, data)
            if entry is not None:
                yield entry

    def get(self, identity: Digest) -> EvidenceEntry | None:
        """A case by its id, with what leads from genesis to its epoch."""
        for key, data in self._store.iterate(EVIDENCE):
            if key[-32:] == identity and len(key) == _KEY_BYTES:
                entry = self._entry(key, data)
                case = None if entry is None else entry.case
                if entry is None or not isinstance(case, Case):
                    return entry
                if self._terms_of(case.epoch) is None:
                    return entry
                return replace(entry, changes=self._changes_of(case.epoch))
        return None

    def mark_posted(self, identity: Digest, transaction: Digest) -> dict[bytes, bytes | None]:
        """Puts that remember the posting, to be written with the transaction itself."""
        return {POSTED + identity: bytes(transaction)}

    def count(self) -> int:
        """Number of cases."""
        return sum(1 for _ in self._store.iterate(EVIDENCE))

    def _entry(self, key: bytes, data: bytes) -> EvidenceEntry | None:
        if len(key) != _KEY_BYTES:
            return None
        try:
            case = Case.decode(data)
        except EvidenceInvalid as error:
            log.warning("stored evidence is damaged", key=key.hex(), reason=str(error))
            return None
        terms = self._terms_of(case.epoch)
        identity = Digest(key[-32:])
        if identity not in self._checked and terms is not None:
            self._checked[identity] = case.holds(terms)
        known = terms is not None and case.evidence.culprit < len(terms.validators)
        address = terms.validators.address_of(case.evidence.culprit) if terms and known else b""
        posted = self._store.get(POSTED + identity)
        return EvidenceEntry(
            case=case,
            culprit=self._member(case),
            node=f"0x{address.hex()}" if address else "",
            holds=self._checked.get(identity, False),
            posted="" if posted is None else f"0x{posted.hex()}",
        )

    def _member(self, case: Case) -> MemberId:
        terms = self._terms_of(case.epoch)
        index = case.evidence.culprit
        if terms is None or index >= len(terms.validators):
            return MemberId(f"validator {index}")
        return terms.validators.validators[index].member


def keep_case(store: KeyValueStore, case: Case) -> Digest | None:
    """Store a case; its id, or None where there is no room for it. Raises StorageError."""
    data, identity = case.encode(), case.id
    prefix = _prefix(case.epoch, case.evidence.culprit)
    full = sum(1 for _ in store.iterate(prefix)) >= MAX_CASES
    if full or len(data) > MAX_EVIDENCE_BYTES:
        return None
    store.write({prefix + identity: data}, sync=True)
    return identity


def _prefix(epoch: Epoch, culprit: int) -> bytes:
    return EVIDENCE + epoch.to_bytes(8, "big") + culprit.to_bytes(4, "big")
