"""Forged records: changed, dropped, swapped, bared, withheld."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from msgspec.structs import replace

from bulwark.audit.packbatch import PackBatch, PackEntry, Shown
from bulwark.audit.packfiles import (
    BATCHES,
)
from bulwark.ledger.ids import Height, RecordId, Tag
from bulwark.ledger.record import Record
from bulwark.verifier.codes import Code
from node.audit.packport import PackWish
from tests.unit.node.execution.alliance import make_sidecar
from tests.unit.verifier.forging import (
    batches,
    each,
    files_of,
    kind,
    manifest_of,
    signed,
    whole,
    with_batches,
    without,
)
from tests.unit.verifier.scene import (
    POLICY_ID,
    packed,
    scene,
)

POLICY_FILE = f"policies/{POLICY_ID.hex()}.json"
EVIDENCE_FILE = f"evidence/{sha256(b'case').hexdigest()}.json"


def entry_changed(at: int, index: int, change: Callable[[PackEntry], PackEntry]) -> bytes:
    def batch(found: PackBatch) -> PackBatch:
        return replace(found, entries=tuple(each(found.entries, index, change)))

    files = whole()
    return signed(with_batches(files, each(batches(files), at, batch)))


def record_changed(change: Callable[[Record], Record]) -> bytes:
    def entry(found: PackEntry) -> PackEntry:
        assert found.record is not None
        return replace(found, record=change(found.record))

    return entry_changed(0, 1, entry)


@kind("a payload byte changed", Code.RECORD_CHANGED, BATCHES, "anchor 0 record 1")
def payload_byte_changed() -> bytes:
    def change(record: Record) -> Record:
        payload = bytearray(record.payload_bytes)
        payload[6] ^= 1  # the confidence
        return Record(record.salt, record.tag, bytes(payload))

    return record_changed(change)


@kind("a salt changed", Code.RECORD_CHANGED, BATCHES, "anchor 0 record 1")
def salt_changed() -> bytes:
    return record_changed(lambda r: Record(bytes(32), r.tag, r.payload_bytes))


@kind("a wrong tag", Code.RECORD_CHANGED, BATCHES, "anchor 0 record 1")
def tag_changed() -> bytes:
    return record_changed(lambda r: Record(r.salt, Tag(b"\x07" * 32), r.payload_bytes))


@kind("a record replaced", Code.BATCH_ROOT, BATCHES, "anchor 0")
def record_replaced_with_its_leaf() -> bytes:
    other = make_sidecar(1, "another").entries[0]
    assert isinstance(other, Record)
    return entry_changed(0, 1, lambda _: PackEntry(Shown.FULL, other.record_id, other))


def batch_changed(at: int, change: Callable[[PackBatch], PackBatch]) -> bytes:
    files = whole()
    return signed(with_batches(files, each(batches(files), at, change)))


@kind("a record dropped", Code.BATCH_COUNT, BATCHES, "anchor 0")
def record_dropped() -> bytes:
    return batch_changed(0, lambda b: replace(b, entries=b.entries[:-1]))


@kind("an extra record", Code.BATCH_COUNT, BATCHES, "anchor 0")
def record_added() -> bytes:
    other = make_sidecar(1, "another").entries[0]
    assert isinstance(other, Record)
    more = PackEntry(Shown.FULL, other.record_id, other)
    return batch_changed(0, lambda b: replace(b, entries=(*b.entries, more)))


@kind("records swapped", Code.BATCH_ROOT, BATCHES, "anchor 0")
def records_swapped() -> bytes:
    return batch_changed(
        0, lambda b: replace(b, entries=(b.entries[1], b.entries[0], *b.entries[2:]))
    )


@kind("a batch dropped", Code.BATCH_MISSING, BATCHES, "anchor 2")
def batch_dropped() -> bytes:
    files = whole()
    return signed(with_batches(files, without(batches(files), 2)))


@kind("a batch at another place", Code.BATCH_MISSING, BATCHES, "anchor 1")
def batch_at_another_place() -> bytes:
    return batch_changed(1, lambda b: replace(b, position=77))


@kind("a bare leaf without an erasure order", Code.ERASURE_NO_ORDER, BATCHES, "anchor 0 record 0")
def record_bared_without_an_order() -> bytes:
    return entry_changed(0, 0, lambda e: PackEntry(Shown.ERASED, e.leaf))


@kind("a record withheld", Code.RECORD_WITHHELD, BATCHES, "anchor 0 record 0")
def record_withheld() -> bytes:
    return entry_changed(0, 0, lambda e: PackEntry(Shown.WITHHELD, e.leaf))


@kind("the erasure order dropped", Code.ERASURE_NO_ORDER, BATCHES, "anchor 0 record 2")
def erasure_order_dropped() -> bytes:
    """The order's own batch is outside the selection, so only the bare leaf tells."""
    files = files_of(packed(PackWish(to_height=Height(1))))
    return signed(with_batches(files, batches(files)[:-1]))


@kind("others' records shown", Code.RECORD_OUTSIDE, BATCHES)
def extra_record_of_others() -> bytes:
    files = files_of(packed(PackWish(records=(scene().disputed,))))
    full = next(b for b in batches(whole()) if b.position == batches(files)[0].position)
    return signed(with_batches(files, [full, *batches(files)[1:]]))


@kind("a wanted record missing", Code.RECORD_MISSING, BATCHES)
def wanted_record_missing() -> bytes:
    files = files_of(packed(PackWish(records=(scene().disputed,))))
    asked = manifest_of(files).selection
    more = tuple(sorted((*asked.records, RecordId(b"\x01" * 32))))
    return signed(files, selection=replace(asked, records=more))
