"""The confirmer: one CONFIRM of this member for every batch that asked something, once.

Rules: it is sent when all is done, whether this member had any hit or not, so that a confirmation
says nothing about who asked; several batches share one transaction; what the ledger has is not sent
again, and what neither the ledger nor the outbox has is. A member without the role reporter or
regulator can not anchor and confirms nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.ids import Address, Digest, RecordId
from bulwark.ledger.lifecycle import REFERENCE_KIND, Operation, reference_tag
from bulwark.ledger.record import SALT_BYTES, Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from node.chain.records import RecordReader, StoredRecord
from node.chain.store import ChainStore
from node.erasure.book import Duty, ErasureBook, Stage
from node.logs import Log
from node.reporting.anchorer import Anchorer
from node.reporting.gatherer import NO_POLICY, RECORD_SCHEMA
from node.reporting.outbox import Outbox
from node.service import Busy
from node.storage.port import KeyValueStore

MOST: Final = 500
"""Confirmations in one transaction."""

log = Log("erasure")


class Lane(Struct, frozen=True):
    """How own transactions are sent, and what is known of them."""

    anchorer: Anchorer
    outbox: Outbox

    def is_on_its_way(self, confirmation: bytes, transaction: bytes) -> bool:
        """Whether an own record waits in the outbox, also under another transaction's hash."""
        if self.anchorer.waits(Digest(transaction)):
            return True
        return any(
            parcel.sidecar is not None and Digest(confirmation) in parcel.sidecar.leaves
            for parcel in self.outbox.parcels()
        )


class Confirmer:
    """Confirmations of one member."""

    def __init__(
        self,
        store: KeyValueStore,
        chain: ChainStore,
        records: RecordReader,
        book: ErasureBook,
        lane: Lane,
        may_anchor: Callable[[], bool],
        is_own: Callable[[bytes], bool],
        random_bytes: RandomBytes,
    ) -> None:
        """`is_own`: whether an account is or was this member's."""
        self._store = store
        self._chain = chain
        self._records = records
        self._book = book
        self._lane = lane
        self._may_anchor = may_anchor
        self._is_own = is_own
        self._random_bytes = random_bytes
        self.sent = 0
        """Confirmations sent since start."""

    def of(self, root: Digest) -> Iterator[StoredRecord]:
        """Every member's confirmations of a batch, in ledger order. Raises StoreDamaged."""
        for record in self._records.follow_ups(RecordId(root)):
            if record.payload.operation == Operation.CONFIRM:
                yield record

    def confirmed(self, root: Digest) -> bool:
        """Whether the ledger has this member's confirmation of a batch."""
        return any(self._is_own(record.reporter) for record in self.of(root))

    def work(self) -> None:
        """Send what is ready, settle what is final. Raises StoreWriteFailed, StoreDamaged."""
        puts: dict[bytes, bytes | None] = {}
        ready: list[Duty] = []
        for duty in self._book.duties():
            if duty.stage is Stage.SENT:
                puts |= self._look_after(duty)
            elif duty.stage is Stage.READY:
                if self.confirmed(duty.root) or not self._may_anchor():
                    puts |= self._book.duty_done_puts(duty)
                else:
                    ready.append(duty)
        if puts:
            self._store.write(puts, sync=False)
        for start in range(0, len(ready), MOST):
            if not self._send(ready[start : start + MOST]):
                return

    def _look_after(self, duty: Duty) -> dict[bytes, bytes | None]:
        place = self._chain.record_place(RecordId(duty.confirmation))
        if place is not None:
            is_final = place.height <= self._chain.finalized
            return self._book.duty_done_puts(duty) if is_final else {}
        if self._lane.is_on_its_way(duty.confirmation, duty.transaction):
            return {}
        log.warning("a confirmation was lost and is sent again", batch=duty.root.hex())
        return self._book.duty_puts(replace(duty, stage=Stage.READY))

    def _send(self, duties: Sequence[Duty]) -> bool:
        made = [self._record(duty) for duty in duties]
        sidecar = Sidecar(tuple(made))

        def sent(transaction: Transaction) -> dict[bytes, bytes | None]:
            puts: dict[bytes, bytes | None] = {}
            for duty, record in zip(duties, made, strict=True):
                puts |= self._book.duty_puts(
                    replace(
                        duty,
                        stage=Stage.SENT,
                        confirmation=record.record_id,
                        transaction=transaction.hash,
                    )
                )
            return puts

        call = encode_anchor(sidecar.root, sidecar.count, RECORD_SCHEMA, NO_POLICY)
        try:
            self._lane.anchorer.send(Address(RECORD_REGISTRY), call, sidecar=sidecar, extra=sent)
        except Busy:
            return False
        self.sent += len(made)
        return True

    def _record(self, duty: Duty) -> Record:
        payload = RecordPayload(
            operation=Operation.CONFIRM,
            kind=REFERENCE_KIND,
            reason=duty.bits,
            previous_record=RecordId(duty.root),
        )
        return Record.of(self._random_bytes(SALT_BYTES), reference_tag(duty.root), payload)
