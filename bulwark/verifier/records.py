"""The records of a pack: every leaf of every batch, all that the selection covers, nothing more.

Rules: the log that the headers fixed says which batches there are, so none can be left out; the
anchor of a batch fixes count and root of its leaves, so no record can be; a leaf without a record
needs an erasure order on the ledger; a record outside the selection has to be about one inside it.
Who may order an erasure is the alliance's rule (`bulwark.ledger.lifecycle`): orders of others than
the reporter and a regulator at genesis are counted and told, not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bulwark.audit.packbatch import PackBatch, PackEntry, Shown, read_batch
from bulwark.audit.packfiles import ANCHORS, BATCHES
from bulwark.audit.packmanifest import ALL, RECORDS, REPORTER, Selection
from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import ZERO_DIGEST, Address, Digest, RecordId
from bulwark.ledger.lifecycle import STATEMENTS, Operation
from bulwark.ledger.merkle import root_of
from bulwark.verifier.archive import Archive
from bulwark.verifier.chain import ProvenChain, read_anchor
from bulwark.verifier.codes import Code, PackRefused

Step = Callable[[int, int], None]


@dataclass(slots=True)
class ProvenRecords:
    """What the batches of a pack show."""

    anchors: int = 0
    batches: int = 0
    records: int = 0
    """Shown in full."""
    erased: int = 0
    withheld: int = 0
    follow_ups: int = 0
    """Of the records shown: disputes, rulings, retractions, erasures and the like."""
    orders_of_others: int = 0
    """Erased records whose only order is by neither their reporter nor a regulator at genesis."""
    policies: set[Digest] = field(default_factory=set)
    """Ids that the selected batches name, without the zero of the default policy."""


def prove_records(
    archive: Archive, genesis: Genesis, selection: Selection, chain: ProvenChain, step: Step
) -> ProvenRecords:
    """Check every batch against its anchor and the selection; raises PackRefused."""
    return _Walk(archive, genesis, selection, chain, step).run()


class _Walk:
    def __init__(
        self,
        archive: Archive,
        genesis: Genesis,
        selection: Selection,
        chain: ProvenChain,
        step: Step,
    ) -> None:
        self._chain = chain
        self._selection = selection
        self._step = step
        self._anchors = archive.reader(ANCHORS)
        self._batches = archive.reader(BATCHES)
        self._genesis = genesis
        self._next: PackBatch | None = None
        self._last = -1
        self._wanted = set(selection.records)
        self._inside: set[bytes] = set()
        """Records that are shown or erased, and roots of batches: what a follow-up may be about."""
        self._open: list[tuple[str, RecordId | None]] = []
        """Follow-ups outside the selection and what they are about, not met before them."""
        self._bare: dict[RecordId, tuple[str, set[Address]]] = {}
        """Erased records: where the first stands, and who anchored it or a copy of it."""
        self._orders: dict[RecordId, set[Address]] = {}
        """Who ordered the erasure of which record. A copy may be anchored behind the order."""
        self._found = ProvenRecords()

    def run(self) -> ProvenRecords:
        found, last = self._found, self._chain.tip.record_log_size
        self._advance()
        for position in range(self._chain.log_first, last):
            anchor = read_anchor(self._anchors, position)
            found.anchors += 1
            if self._next is not None and self._next.position == position:
                self._batch(anchor, self._next)
                self._advance()
            elif self._covers(anchor) and self._selection.kind != RECORDS:
                detail = f"the batch of block {anchor.height} that anchor {position} commits to"
                raise PackRefused(Code.BATCH_MISSING, BATCHES, f"anchor {position}", detail)
            self._step(position + 1 - self._chain.log_first, last - self._chain.log_first)
        if self._next is not None:
            where = f"anchor {self._next.position}"
            raise PackRefused(Code.BATCH_PLACE, BATCHES, where, "an anchor that the log has")
        self._check_whole()
        return found

    def _advance(self) -> None:
        if not self._batches.left:
            self._next = None
            return
        where = f"byte {self._batches.offset}"
        try:
            self._next = read_batch(self._batches.take)
        except LedgerError as error:
            raise PackRefused(Code.RECORD_MALFORMED, BATCHES, where, str(error)) from error
        if self._next.position <= self._last or self._next.position < self._chain.log_first:
            detail = f"an anchor behind {self._last}, {self._next.position} given"
            raise PackRefused(Code.BATCH_PLACE, BATCHES, where, detail)
        self._last = self._next.position

    def _covers(self, anchor: Anchor) -> bool:
        """Whether the selection covers the whole batch of an anchor."""
        wish = self._selection
        if anchor.kind is not AnchorKind.RECORDS or not wish.first <= anchor.height <= wish.last:
            return False
        return wish.kind == ALL or (wish.kind == REPORTER and anchor.account == wish.account)

    def _batch(self, anchor: Anchor, batch: PackBatch) -> None:
        where = f"anchor {batch.position}"
        if anchor.kind is not AnchorKind.RECORDS:
            detail = f"the anchor of a batch, one of {anchor.kind.name} is there"
            raise PackRefused(Code.BATCH_PLACE, BATCHES, where, detail)
        if len(batch.entries) != anchor.count:
            detail = f"{anchor.count} records, {len(batch.entries)} given"
            raise PackRefused(Code.BATCH_COUNT, BATCHES, where, detail)
        # Each record against its leaf first: that names the record, the root only the batch.
        for index, entry in enumerate(batch.entries):
            _check_leaf(entry, f"{where} record {index}")
        if root_of([Digest(entry.leaf) for entry in batch.entries]) != anchor.digest:
            detail = f"leaves that lead to root {anchor.digest.hex()}"
            raise PackRefused(Code.BATCH_ROOT, BATCHES, where, detail)
        self._found.batches += 1
        # A confirmation of erasures names the root of the batch that ordered them.
        self._inside.add(anchor.digest)
        covered = self._covers(anchor)
        selected = covered
        for index, entry in enumerate(batch.entries):
            selected |= self._entry(anchor, entry, covered, f"{where} record {index}")
        if selected and anchor.reference != ZERO_DIGEST:
            self._found.policies.add(anchor.reference)

    def _entry(self, anchor: Anchor, entry: PackEntry, covered: bool, where: str) -> bool:
        """Count one record; whether the selection covers it."""
        selected = covered or entry.leaf in self._wanted
        if entry.shown is Shown.WITHHELD:
            if selected:
                detail = f"record {entry.leaf.hex()}, which the selection covers"
                raise PackRefused(Code.RECORD_WITHHELD, BATCHES, where, detail)
            self._found.withheld += 1
            return False
        self._wanted.discard(entry.leaf)
        if entry.record is None:
            self._bare.setdefault(entry.leaf, (where, set()))[1].add(anchor.account)
            self._found.erased += 1
        else:
            self._full(anchor, entry, selected, where)
        if selected or entry.record is not None:
            self._inside.add(entry.leaf)
        return selected

    def _full(self, anchor: Anchor, entry: PackEntry, selected: bool, where: str) -> None:
        if entry.record is None:
            return
        self._found.records += 1
        if entry.record.operation in STATEMENTS:
            if not selected:
                detail = "a record of the selection, or one about it"
                raise PackRefused(Code.RECORD_OUTSIDE, BATCHES, where, detail)
            return
        self._found.follow_ups += 1
        subject = entry.record.payload.previous_record
        if subject is not None and entry.record.operation == Operation.ERASE:
            self._orders.setdefault(subject, set()).add(anchor.account)
        if not selected and (subject is None or subject not in self._inside):
            # What it is about may stand behind it: a copy of a record that was erased before.
            self._open.append((where, subject))

    def _check_whole(self) -> None:
        for where, subject in self._open:
            if subject not in self._inside:
                detail = "a follow-up about a record of the selection"
                raise PackRefused(Code.RECORD_OUTSIDE, BATCHES, where, detail)
        for missing in sorted(self._wanted):
            raise PackRefused(
                Code.RECORD_MISSING, BATCHES, "", f"record {missing.hex()} of the selection"
            )
        for leaf, (where, reporters) in self._bare.items():
            orders = self._orders.get(leaf)
            if orders is None:
                detail = f"an erasure order on the ledger that names {leaf.hex()}"
                raise PackRefused(Code.ERASURE_NO_ORDER, BATCHES, where, detail)
            own = orders & reporters or any(self._is_regulator(by) for by in orders)
            self._found.orders_of_others += 0 if own else 1

    def _is_regulator(self, account: Address) -> bool:
        member = self._genesis.member_of_account(account)
        return member is not None and "regulator" in member.roles


def _check_leaf(entry: PackEntry, where: str) -> None:
    if entry.record is not None and entry.record.record_id != entry.leaf:
        detail = f"salt, tag and payload of record {entry.leaf.hex()}"
        raise PackRefused(Code.RECORD_CHANGED, BATCHES, where, detail)
