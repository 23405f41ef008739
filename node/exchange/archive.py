"""The records of the ledger as exports take them: the newest final ones, with token and standing.

Rules: only what is final goes out; records marked red go out to nobody but their reporter's own
system, so they are left out; the newest `most` are taken and the oldest passed over. It takes turns
with the event loop, since votes must not wait for an export.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from bulwark.indicators.lifetime import DAY_MS
from bulwark.indicators.vocabulary import Tlp
from bulwark.interop.misp.outgoing import Clear, Outgoing
from bulwark.ledger.ids import Height, MemberId, RecordId
from bulwark.ledger.lifecycle import STATEMENTS, State
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Entry
from bulwark.ledger.standing import Standing
from node.audit.scan import LedgerScan, Placed
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.exchange.book import ExchangeBook
from node.exchange.port import ExportWish
from node.reporting.payload import fields_of
from node.storage.port import KeyValueStore

TURN: Final = 50
"""Records between two turns of the event loop."""


class Archive(Struct, frozen=True):
    """Reads for exports."""

    store: KeyValueStore
    chain: ChainStore
    records: RecordReader
    standings: Standings
    book: ExchangeBook
    member: MemberId
    member_of: Callable[[bytes], MemberId]
    name_reporters: bool

    async def outgoing(self, wish: ExportWish) -> list[Outgoing]:
        """The records of an export, oldest first."""
        scan = LedgerScan(self.store, self.chain.finalized, self.member_of)
        found: list[tuple[Placed, int, Entry]] = []
        number = 0
        for placed in scan.anchors(self._first(scan, wish.since_ms)):
            if not placed.anchor.count:
                continue
            reporter = scan.member_of(placed.anchor.account)
            for position, entry in enumerate(scan.entries(placed.anchor)):
                number += 1
                if number % TURN == 0:
                    await asyncio.sleep(0)
                if wish.own_only and reporter != self.member:
                    continue
                if isinstance(entry, Record) and entry.payload.operation not in STATEMENTS:
                    continue
                if not scan.is_copy(entry.record_id, placed.anchor, position):
                    found.append((placed, position, entry))
            if len(found) > 2 * wish.most:
                found = found[-wish.most :]
        made: list[Outgoing] = []
        for at, (placed, _, entry) in enumerate(found[-wish.most :], 1):
            outgoing = self._outgoing(scan, placed, entry, wish)
            if outgoing is not None:
                made.append(outgoing)
            if at % TURN == 0:
                await asyncio.sleep(0)
        return made

    def _first(self, scan: LedgerScan, since_ms: int) -> int:
        """Height of the first block at or after a moment."""
        low, high = 0, int(scan.last) + 1
        while low < high:
            middle = (low + high) // 2
            if scan.time_of(Height(middle)) < since_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def _outgoing(
        self, scan: LedgerScan, placed: Placed, entry: Entry, wish: ExportWish
    ) -> Outgoing | None:
        record_id = RecordId(entry.record_id)
        found = self.records.by_id(record_id)
        standing = None if found is None else self.standings.shown(found)
        if standing is None:
            return None
        stated_ms = scan.time_of(placed.anchor.height)
        steps = [step.timestamp_ms for step in standing.history if step.refused is None]
        is_erased = not isinstance(entry, Record) or standing.state is State.ERASED
        live = None if is_erased or not isinstance(entry, Record) else entry
        if live is not None and live.payload.tlp == Tlp.RED:
            return None
        reporter = scan.member_of(placed.anchor.account)
        kept = self.book.clear_of(record_id) if wish.clear and live is not None else None
        return Outgoing(
            record_id=record_id,
            fields=fields_of(live.payload) if live is not None else {},
            token=self.book.token(live.tag) if live is not None else b"",
            state=self._state(entry, standing),
            reporter=str(reporter) if self.name_reporters else "member",
            stated_ms=stated_ms,
            changed_ms=max([stated_ms, *steps]),
            clear=None if kept is None else Clear(str(kept.row["canonical"]), kept.origin),
        )

    def _state(self, entry: Entry, standing: Standing) -> str:
        """State in words; a record whose last day is over is expired."""
        if not isinstance(entry, Record):
            return State.ERASED.label
        is_past = entry.payload.valid_until_day < self.records.tip.timestamp_ms // DAY_MS
        if standing.state is State.ACTIVE and is_past:
            return State.EXPIRED.label
        return standing.state.label
