"""The outbox: this member's own transactions and records until they are final, on disk.

Rules: a parcel is in the outbox, flushed, before anybody is told `accepted`; what is in it after a
restart is sent again; it leaves with the checkpoint that makes it final. Beside it stands the index
of the member's own records, so that a second report of the same thing finds the first. Records of
an anchor that the ledger refused leave that index, so that they can be reported again, and are
remembered as failed for who asks by their id.
Only salted tags and payloads are in here, no clear text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from bulwark.indicators.records import source_of
from bulwark.ledger.ids import Address, RecordId, Tag
from bulwark.ledger.record import Record
from bulwark.ledger.transaction import Transaction
from node.gossip import Parcel, decode_parcel
from node.storage.port import KeyValueStore
from node.storage.schema import OUTBOX, number8

_PARCELS = OUTBOX + b"t"
"""nonce8 | account20 -> parcel: a member whose account key is rotated has two lanes for a while."""
_NONCE_BYTES = 8
_OWN = OUTBOX + b"r"
"""own-record name16 -> record id32."""
_FAILED = OUTBOX + b"f"
"""record id32 -> hash of the anchor that was reverted."""


def _key(nonce: int, account: Address) -> bytes:
    return _PARCELS + number8(nonce) + account


def _name(transaction: Transaction) -> bytes:
    return _key(transaction.nonce, transaction.sender)


def own_name(tag: Tag, fraud_type: int, object_role: int, *, is_copy: bool = False) -> bytes:
    """Name of what this member says once about one indicator: tag, fraud type, role.

    What it knows by itself is no repetition of a copy that it passed on, and the other way round.
    """
    told = bytes((fraud_type, object_role)) + tag + (b"copy" if is_copy else b"")
    return blake2b(told, digest_size=16).digest()


def _own_name(record: Record) -> bytes:
    payload = record.payload
    is_copy = source_of(payload) is not None
    return own_name(record.tag, payload.fraud_type, payload.object_role, is_copy=is_copy)


class Outbox:
    """Parcels by account nonce, and the own-record index."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._name_lanes()

    def _name_lanes(self) -> None:
        """Give parcels of an older program, kept by nonce alone, the name that has the account."""
        puts: dict[bytes, bytes | None] = {}
        for key, value in self._store.iterate(_PARCELS):
            if len(key) == len(_PARCELS) + _NONCE_BYTES:
                puts |= {key: None, _name(decode_parcel(value).transaction): value}
        if puts:
            self._store.write(puts, sync=True)

    def add(
        self,
        parcel: Parcel,
        own_records: Mapping[bytes, RecordId],
        extra: Mapping[bytes, bytes | None],
    ) -> None:
        """Write a parcel with its own-record entries and `extra` puts, in one batch.

        The caller waits for the flush before it tells anybody (ADR-0009).
        """
        puts: dict[bytes, bytes | None] = {_name(parcel.transaction): parcel.encode()}
        puts.update((_OWN + name, record_id) for name, record_id in own_records.items())
        puts.update(extra)
        self._store.write(puts, sync=False)

    def remove(self, lane: Iterable[tuple[int, Address]]) -> None:
        """Forget parcels that are final, by nonce and account.

        Not synced, since a leftover is only sent again.
        """
        puts: dict[bytes, bytes | None] = {_key(nonce, account): None for nonce, account in lane}
        if puts:
            self._store.write(puts, sync=False)

    def removal(self, parcel: Parcel) -> dict[bytes, bytes | None]:
        """The put that forgets a parcel, to be written with what takes its place."""
        return {_name(parcel.transaction): None}

    def parcels(self) -> Iterator[Parcel]:
        """Everything that is not final yet, in nonce order."""
        for _, value in self._store.iterate(_PARCELS):
            yield decode_parcel(value)

    def parcel(self, nonce: int, account: Address) -> Parcel | None:
        """The parcel of an account's nonce, if it is not final yet."""
        value = self._store.get(_key(nonce, account))
        return None if value is None else decode_parcel(value)

    def fail(self, parcel: Parcel) -> int:
        """Note that a parcel's anchor was reverted; how many records it had.

        Not synced: the parcel itself stays until it is final, so a restart comes here again.
        """
        if parcel.sidecar is None:
            return 0
        puts: dict[bytes, bytes | None] = {}
        for entry in parcel.sidecar.entries:
            puts[_FAILED + entry.record_id] = parcel.transaction.hash
            if not isinstance(entry, Record):
                continue
            name = _own_name(entry)
            if self.own_record(name) == entry.record_id:
                puts[_OWN + name] = None
        self._store.write(puts, sync=False)
        return parcel.sidecar.count

    def known_puts(self, record: Record) -> dict[bytes, bytes | None]:
        """The put by which the report of an own record is known again."""
        return {_OWN + _own_name(record): record.record_id}

    def forget_puts(self, record: Record) -> dict[bytes, bytes | None]:
        """The put that forgets an own record by which its report would be known again."""
        name = _own_name(record)
        return {_OWN + name: None} if self.own_record(name) == record.record_id else {}

    def release_puts(
        self, tag: Tag, fraud_type: int, object_role: int
    ) -> dict[bytes, bytes | None]:
        """The put after which a report of this is made anew, whatever was said before."""
        return {_OWN + own_name(tag, fraud_type, object_role): None}

    def failed(self, record_id: bytes) -> bool:
        """Whether a record was accepted here and its anchor was reverted."""
        return self._store.get(_FAILED + record_id) is not None

    def own_record(self, name: bytes) -> RecordId | None:
        """This member's live record of the same thing, if there is one."""
        value = self._store.get(_OWN + name)
        return None if value is None else RecordId(value)
