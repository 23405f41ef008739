"""Populations: what a sample is drawn from, in ledger order, and what a drawn number names.

Rules: a population is what the ledger had at a final block, erased records too, so it is the same
at every node and no later block changes it. Records are counted by their batches; a number is
turned into a name only when it was drawn.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from bulwark.audit.sampling import Draw, Item, Population, Seed, Stratum
from bulwark.ledger.ids import MemberId
from contracts.members import member_id_bytes
from contracts.privacy.query_log import (
    ACCESS_ANCHORED_TOPIC,
    QUERY_LOG,
    AccessAnchored,
    decode_query_log_event,
)
from node.audit.scan import LedgerScan


@dataclass(slots=True)
class _Part:
    """Batches or anchors of one stratum: where each ends in the count, and its position."""

    ends: list[int] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.ends[-1] if self.ends else 0

    def add(self, index: int, count: int) -> None:
        self.ends.append(self.size + count)
        self.indexes.append(index)

    def place(self, number: int) -> tuple[int, int]:
        """Position in the record log, and the offset in that batch."""
        at = bisect_right(self.ends, number)
        return self.indexes[at], number - (self.ends[at - 1] if at else 0)


def drawn(
    scan: LedgerScan, population: Population, seed: Seed, size: int, *, by_member: bool
) -> tuple[Stratum, ...]:
    """`size` items of the population, or of each member's part of it."""
    if population.kind == "access":
        return (_drawn_access(scan, population, seed, size),)
    parts = _parts(scan, population, by_member=by_member)
    return tuple(
        _drawn(scan, population, seed, size, member, part) for member, part in sorted(parts.items())
    )


def _parts(scan: LedgerScan, population: Population, *, by_member: bool) -> dict[str, _Part]:
    parts: dict[str, _Part] = {} if by_member else {"": _Part()}
    for placed in scan.anchors():
        anchor = placed.anchor
        count = anchor.count if population.kind == "records" else 1
        member = scan.member_of(anchor.account)
        if count and population.member in (None, member):
            parts.setdefault(member if by_member else "", _Part()).add(placed.index, count)
    return parts


def _drawn(
    scan: LedgerScan, population: Population, seed: Seed, size: int, stratum: str, part: _Part
) -> Stratum:
    numbers = Draw(seed, population, stratum).numbers(part.size, size)
    by_batch: dict[int, list[tuple[int, int]]] = {}
    for number in numbers:
        index, offset = part.place(number)
        by_batch.setdefault(index, []).append((number, offset))
    found: dict[int, Item] = {}
    for index, wanted in by_batch.items():  # each batch is read once, however much of it is drawn
        anchor = next(scan.anchors(after=index)).anchor
        entries = scan.entries(anchor) if population.kind == "records" else ()
        for number, offset in wanted:
            name = entries[offset].record_id if entries else anchor.digest
            member = scan.member_of(anchor.account)
            found[number] = Item(number, member, anchor.height, name.hex())
    whose = MemberId(stratum) if stratum else population.member
    return Stratum(whose, part.size, tuple(found[number] for number in numbers))


def _drawn_access(scan: LedgerScan, population: Population, seed: Seed, size: int) -> Stratum:
    """Entries of a member's access log that its anchors up to the block cover."""
    member = population.member
    if member is None:
        raise ValueError("the access log of which member?")
    wanted = member_id_bytes(member)
    heads: list[tuple[int, int]] = []
    for logged in scan.logs(QUERY_LOG, ACCESS_ANCHORED_TOPIC):
        event = decode_query_log_event(logged.log.address, logged.log.topics, logged.log.data)
        if isinstance(event, AccessAnchored) and event.id == wanted:
            heads.append((event.count, logged.height))
    count = max((head[0] for head in heads), default=0)
    numbers = Draw(seed, population).numbers(count, size)
    items = []
    for number in numbers:
        height = next(height for upto, height in heads if upto > number)
        items.append(Item(number, member, type(scan.last)(height), str(number + 1)))
    return Stratum(member, count, tuple(items))
