"""What goes into an evidence pack: which batches, which records of them, and up to which block.

Rules: an erased record brings the order that erased it, wherever on the final ledger that is; a
selection of single records or of one reporter brings what was said about them up to its last block,
and withholds the other records of the batches that carry it. The chain of the pack ends at the
lowest certified block that covers all of this. It reads one snapshot and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bulwark.audit.packfiles import MAX_SELECTED_RECORDS
from bulwark.audit.packmanifest import ALL, RECORDS, REPORTER, Selection
from bulwark.ledger.anchor import Anchor, AnchorKind
from bulwark.ledger.ids import ZERO_DIGEST, Address, Digest, Height, RecordId, Tag
from bulwark.ledger.lifecycle import STATEMENTS, Operation, reference_tag
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Entry, Sidecar
from node.audit.packport import PackWish
from node.service import Conflict, NotFound
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.port import ReadView
from node.storage.seal import unseal
from node.storage.values import RecordPlace, TaggedRecord, decode_number

_HEIGHT: Final = slice(1 + 32, 1 + 32 + 8)


@dataclass(slots=True)
class PackPlan:
    """What a pack will hold."""

    selection: Selection
    chain_first: Height
    chain_last: Height
    batches: dict[int, frozenset[int] | None] = field(default_factory=dict)
    """Position in the record log -> indexes of the records that are shown; None: all of them."""
    policies: set[Digest] = field(default_factory=set)
    """That the selected batches name."""
    places: dict[RecordId, int] = field(default_factory=dict)
    """Position in the record log of the records that were asked for by id."""


def plan_pack(view: ReadView, wish: PackWish, account: Address | None = None) -> PackPlan:
    """Decide what belongs in; `account` is that of the wish's reporter.

    Raises NotFound, Conflict, StoreDamaged.
    """
    return _Planner(view, wish, account).plan()


class _Planner:
    def __init__(self, view: ReadView, wish: PackWish, account: Address | None) -> None:
        self._view = view
        self._finalized = blocks.read_finalized(view)
        self._selection = _selection(wish, account, self._finalized)
        first = self._selection.first
        from_start = self._selection.kind == RECORDS or first == 0
        self._first = Height(0 if from_start else first - 1)
        self._shown: dict[int, set[int]] = {}
        self._whole: set[int] = set()
        self._needed = self._selection.last
        """Highest block that something of the pack stands in."""
        self._least = self._selection.first
        """Lowest one; an order may stand before a copy of what it erased."""

    def plan(self) -> PackPlan:
        plan = PackPlan(self._selection, self._first, Height(0))
        subjects = self._named(plan) if self._selection.kind == RECORDS else self._covered(plan)
        seen: set[bytes] = set()
        while subjects:
            subject, is_bare = subjects.pop()
            if subject not in seen:
                seen.add(subject)
                subjects += self._about(subject, is_bare=is_bare)
        plan.chain_first = Height(max(0, min(self._first, self._least - 1)))
        plan.chain_last = self._certified(self._needed)
        for position in sorted(self._whole | self._shown.keys()):
            whole = position in self._whole
            plan.batches[position] = None if whole else frozenset(self._shown[position])
        return plan

    def _covered(self, plan: PackPlan) -> list[tuple[bytes, bool]]:
        """Batches that the selection covers whole; the records whose follow-ups are wanted.

        Where others' batches are looked through for what they say about these records, the index
        is asked only for records that something is said about.
        """
        own: list[tuple[bytes, bool]] = []
        said: set[bytes] = set()
        every = self._selection.kind == ALL
        for position, anchor in self._anchors():
            entries = self._sidecar(anchor.digest).entries
            if not every:
                said.update(_subjects(entries))
                if anchor.account != self._selection.account:
                    continue
            self._whole.add(position)
            if anchor.reference != ZERO_DIGEST:
                plan.policies.add(anchor.reference)
            own += [(entry.record_id, not isinstance(entry, Record)) for entry in entries]
        return [(subject, is_bare) for subject, is_bare in own if is_bare or subject in said]

    def _anchors(self) -> Iterator[tuple[int, Anchor]]:
        """Anchors of batches in the selection's blocks with their positions."""
        before = Height(max(self._selection.first - 1, 0))
        start = blocks.read_header(self._view, before).record_log_size
        end = blocks.read_header(self._view, self._selection.last).record_log_size
        for position in range(start, end):
            anchor = read_anchor(self._view, position)
            if anchor.kind is AnchorKind.RECORDS:
                yield position, anchor

    def _named(self, plan: PackPlan) -> list[tuple[bytes, bool]]:
        subjects: list[tuple[bytes, bool]] = []
        for record_id in self._selection.records:
            place = self._place(record_id)
            if place is None or place.height > self._selection.last:
                raise NotFound(f"no record {record_id.hex()} up to block {self._selection.last}")
            position, anchor = self._show(place)
            plan.places[record_id] = position
            if anchor.reference != ZERO_DIGEST:
                plan.policies.add(anchor.reference)
            entry = self._sidecar(place.root).entries[place.position]
            subjects.append((record_id, not isinstance(entry, Record)))
        return subjects

    def _about(self, subject: bytes, *, is_bare: bool) -> list[tuple[bytes, bool]]:
        """Show what was said about a record or batch; the subjects that this brings."""
        found: list[tuple[bytes, bool]] = []
        has_order = False
        for height, record in self._follow_ups(subject):
            erases = record.payload(b"").operation == Operation.ERASE
            late = height > self._selection.last
            is_outside = late or height < self._selection.first
            if is_outside and not (is_bare and erases and not has_order):
                continue
            place = self._place(record.record_id)
            if place is None:
                continue
            has_order |= erases
            self._needed = max(self._needed, height)
            self._least = min(self._least, height)
            if self._selection.kind != ALL or is_outside:
                self._show(place)
                found.append((record.record_id, False))
                if erases and not is_outside:
                    found.append((place.root, False))  # for those who confirmed the erasure
        return found

    def _follow_ups(self, subject: bytes) -> Iterator[tuple[Height, TaggedRecord]]:
        """Final follow-ups about a subject with their blocks, in the order of the ledger."""
        tag: Tag = reference_tag(subject)
        for key, stored in self._view.iterate(schema.records_by_tag(tag)):
            height = Height(decode_number(key, key[_HEIGHT]))
            if height > self._finalized:
                return
            record = TaggedRecord.decode(key, unseal(key, stored))
            if record.payload(key).operation not in STATEMENTS:
                yield height, record

    def _show(self, place: RecordPlace) -> tuple[int, Anchor]:
        """Show one record of its batch; position and anchor of the batch."""
        position, anchor = self._position(place)
        self._shown.setdefault(position, set()).add(place.position)
        return position, anchor

    def _position(self, place: RecordPlace) -> tuple[int, Anchor]:
        prefix = schema.LOG_INDEX + place.root
        for key, _ in self._view.iterate(prefix):
            position = decode_number(key, key[len(prefix) :])
            anchor = read_anchor(self._view, position)
            if (anchor.height, anchor.transaction_index) == (place.height, place.transaction_index):
                return position, anchor
        raise StoreDamaged("record log", f"batch {place.root.hex()} is not in it")

    def _place(self, record_id: RecordId) -> RecordPlace | None:
        found = next(self._view.iterate(schema.record(record_id)), None)
        return None if found is None else RecordPlace.decode(*found)

    def _sidecar(self, root: Digest) -> Sidecar:
        return read_sidecar(self._view, root)

    def _certified(self, height: Height) -> Height:
        """The lowest certified block at or above a height; block 0 has no certificate."""
        start = schema.checkpoint(max(height, Height(1)))
        found = next(self._view.iterate(schema.CHECKPOINTS, start=start), None)
        at = None if found is None else Height(decode_number(found[0], found[0][1:]))
        if at is None or at > self._finalized:
            raise Conflict(f"block {height} is not final yet")
        return at


def _subjects(entries: Iterable[Entry]) -> Iterator[bytes]:
    """What the follow-ups among these records are about."""
    for entry in entries:
        if isinstance(entry, Record) and entry.operation not in STATEMENTS:
            subject = entry.payload.previous_record
            if subject is not None:
                yield subject


def read_anchor(view: ReadView, position: int) -> Anchor:
    """The anchor at a position of the record log. Raises StoreDamaged."""
    anchor = blocks.read_anchor(view, position)
    if anchor is None:
        raise StoreDamaged("record log", f"anchor {position} is missing")
    return anchor


def read_sidecar(view: ReadView, root: Digest) -> Sidecar:
    """The sidecar of an anchored batch. Raises StoreDamaged."""
    sidecar = blocks.read_sidecar(view, root)
    if sidecar is None:
        raise StoreDamaged("sidecars", f"batch {root.hex()} is missing")
    return sidecar


def _selection(wish: PackWish, account: Address | None, finalized: Height) -> Selection:
    """The wish with its blocks filled in; raises Conflict."""
    last = finalized if wish.to_height is None else wish.to_height
    first = Height(0) if wish.from_height is None else wish.from_height
    if last > finalized:
        raise Conflict(f"block {last} is not final here, {finalized} is the last that is")
    if last < 1 or first > last:
        raise Conflict(f"no final block between {first} and {last}")
    if wish.records and account is not None:
        raise Conflict("a selection is by reporter or by records, not both")
    if len(wish.records) > MAX_SELECTED_RECORDS:
        raise Conflict(f"at most {MAX_SELECTED_RECORDS} records by id")
    kind = RECORDS if wish.records else ALL if account is None else REPORTER
    return Selection(
        kind=kind,
        first=first,
        last=last,
        account=account,
        records=_ascending(wish.records),
    )


def _ascending(records: Iterable[RecordId]) -> tuple[RecordId, ...]:
    found: Sequence[RecordId] = sorted(set(records))
    return tuple(found)
