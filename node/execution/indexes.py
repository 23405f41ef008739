"""What a block adds to the indexes: transactions, events, record log, consents, records.

Rules: anchors are read from the events of successful transactions, in order, and nowhere else; a
record is indexed when the anchor of its sidecar succeeded; an erased entry keeps its id and has
no tag. Every key comes from `node.storage.schema`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.batch import Batch
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs
from bulwark.ledger.lifecycle import REFERENCE_KIND
from bulwark.ledger.merkle import Frontier
from bulwark.ledger.receipt import Log, Receipt
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from contracts.bindings import ConsentState, decode_consent_anchored, decode_records_anchored
from node.execution.errors import ExecutionError, SidecarMissing
from node.storage import schema
from node.storage.seal import seal
from node.storage.values import (
    ConsentEvent,
    PlaceEncoder,
    encode_receipts,
    encode_transaction_place,
    tagged_tail_of,
)

Puts = dict[bytes, bytes | None]
_CONSENT_KINDS: Final = {
    ConsentState.GIVEN: AnchorKind.CONSENT_GIVEN,
    ConsentState.WITHDRAWN: AnchorKind.CONSENT_WITHDRAWN,
    ConsentState.RENEWED: AnchorKind.CONSENT_RENEWED,
}


def anchors_of(height: Height, receipts: Sequence[Receipt]) -> tuple[Anchor, ...]:
    """Anchors of a block in the order of their events; failed receipts have no logs."""
    anchors: list[Anchor] = []
    log_index = 0
    for transaction_index, receipt in enumerate(receipts):
        for log in receipt.logs:
            anchor = _anchor_of(log, height, transaction_index, log_index)
            if anchor is not None:
                anchors.append(anchor)
            log_index += 1
    return tuple(anchors)


def _anchor_of(log: Log, height: Height, transaction_index: int, log_index: int) -> Anchor | None:
    records = decode_records_anchored(log.address, log.topics, log.data)
    if records is not None:
        return Anchor(
            kind=AnchorKind.RECORDS,
            height=height,
            transaction_index=transaction_index,
            log_index=log_index,
            account=Address(records.reporter),
            digest=Digest(records.root),
            reference=Digest(records.policy),
            count=records.count,
            schema=records.schema,
        )
    consent = decode_consent_anchored(log.address, log.topics, log.data)
    if consent is None:
        return None
    return Anchor(
        kind=_CONSENT_KINDS[consent.event_kind],
        height=height,
        transaction_index=transaction_index,
        log_index=log_index,
        account=Address(consent.issuer),
        digest=Digest(consent.commitment),
        reference=Digest(consent.anchor_id),
        purpose=consent.purpose,
        basis=consent.code,
        valid_until_day=consent.valid_until_day,
    )


def anchor_name(anchor: Anchor) -> bytes:
    """What an anchor is looked up by: the root of a batch, the anchor id of a consent."""
    return anchor.digest if anchor.kind is AnchorKind.RECORDS else anchor.reference


def block_puts(
    header: Header,
    batch: Batch,
    placed: Sequence[tuple[int, Receipt]],
    transaction_hashes: Sequence[Digest],
) -> Puts:
    """The block itself with its transaction and event indexes; `placed` as in SyncBlock."""
    height = header.height
    header_key, batch_key = schema.header(height), schema.batch(height)
    receipts_key = schema.receipts(height)
    return {
        header_key: seal(header_key, header.encode()),
        schema.height_by_hash(header.hash()): schema.number8(height),
        batch_key: seal(batch_key, batch.encode()),
        receipts_key: seal(receipts_key, encode_receipts(placed)),
        **transaction_puts(height, transaction_hashes),
        **event_puts(height, [receipt for _, receipt in placed]),
    }


def transaction_puts(height: Height, hashes: Sequence[Digest]) -> Puts:
    """Transaction hash to place."""
    return {
        schema.transaction(each): encode_transaction_place(height, index)
        for index, each in enumerate(hashes)
    }


def event_puts(height: Height, receipts: Sequence[Receipt]) -> Puts:
    """Address and first topic to height."""
    return {
        schema.event(log.address, log.topics[0] if log.topics else schema.NO_TOPIC, height): b""
        for receipt in receipts
        for log in receipt.logs
    }


def log_puts(frontier: Frontier, anchors: Sequence[Anchor]) -> Puts:
    """Leaves and nodes of the record log, and what its leaves say of consents; `frontier` grows."""
    puts: Puts = {}
    for anchor in anchors:
        index = frontier.size
        leaf_key = schema.log_leaf(index)
        puts[leaf_key] = seal(leaf_key, anchor.encode())
        puts[schema.log_index(anchor_name(anchor), index)] = b""
        if anchor.kind is not AnchorKind.RECORDS:
            _put_consent(puts, anchor)
        for level, place, digest in frontier.append(anchor.leaf_hash):
            puts[schema.log_node(level, place)] = digest
    return puts


def _put_consent(puts: Puts, anchor: Anchor) -> None:
    key = schema.consent_state(
        anchor.reference, anchor.height, anchor.transaction_index, anchor.log_index
    )
    said = ConsentEvent(
        anchor.kind,
        anchor.account,
        anchor.purpose,
        anchor.basis,
        anchor.valid_until_day,
        anchor.digest,
    )
    puts[key] = seal(key, said.encode())


def record_puts(
    anchors: Sequence[Anchor], sidecars: Mapping[Digest, Sidecar], timestamp_ms: TimestampMs
) -> Puts:
    """Records by id and by tag, of every batch that was anchored. Raises SidecarMissing."""
    puts: Puts = {}
    for anchor in anchors:
        if anchor.kind is not AnchorKind.RECORDS:
            continue
        sidecar = sidecars.get(anchor.digest)
        if sidecar is None:
            raise SidecarMissing(anchor.height, anchor.digest)
        if sidecar.count != anchor.count:
            raise ExecutionError(
                f"sidecar {anchor.digest.hex()} has {sidecar.count} entries, "
                f"its anchor says {anchor.count}"
            )
        puts[schema.pending_sidecar(anchor.digest)] = None
        _index_sidecar(puts, anchor, sidecar, timestamp_ms)
    return puts


def _index_sidecar(puts: Puts, anchor: Anchor, sidecar: Sidecar, timestamp_ms: TimestampMs) -> None:
    """Both keys of every entry; the loop a block spends its time in, so it is kept lean."""
    places = PlaceEncoder(anchor.height, anchor.transaction_index, anchor.digest)
    tagged_tail = tagged_tail_of(anchor.account, timestamp_ms)
    for position, (leaf, entry) in enumerate(zip(sidecar.leaves, sidecar.entries, strict=True)):
        order = places.order(position)
        puts[schema.RECORDS + leaf + order] = places.value(position)
        if isinstance(entry, Record):
            key = schema.RECORDS_BY_TAG + entry.tag + order
            puts[key] = seal(key, leaf + tagged_tail + entry.payload_bytes)
            if entry.kind == REFERENCE_KIND:
                _index_follow_up(puts, entry, order)
        else:
            # Somebody erased it: node.erasure asks whether the ledger says so.
            puts[schema.bare_sidecar(anchor.digest)] = b""


def _index_follow_up(puts: Puts, record: Record, order: bytes) -> None:
    """The key by which follow-ups of all records are read in ledger order."""
    subject = record.payload.previous_record
    if subject is not None:
        key = schema.FOLLOW_UPS + order
        puts[key] = seal(key, record.record_id + subject + bytes((record.operation,)))
