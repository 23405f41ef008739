"""The log anchorer: closes intervals of the query log and puts their roots on the ledger, once.

Rules: only an interval that is over is sent, after a barrier, so that no root is on the ledger
whose entries a power cut took; what was sent is written with the transaction itself, so a restart
neither forgets nor repeats it; a root that the ledger has is never sent again. What the ledger
refused (the member was suspended, say) is sent again under the next free number, after a while:
numbers only go forward there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, MemberId
from contracts.members import member_id_bytes
from contracts.privacy.query_log import QUERY_LOG, encode_anchor, read_anchor, read_last_anchor
from contracts.slots import ReadSlot
from node.guarded.querylog import Anchoring, Interval, QueryLog
from node.logs import Log
from node.reporting.evidence_poster import Lane
from node.service import Busy
from node.storage.durability import Durability

ANCHOR_GAS: Final = 200_000
"""Gas limit: the dearest measured anchor takes under 120,000."""
RETRY_MS: Final = 120_000
"""Block time after which an anchor that neither waits nor stands is sent again."""

log = Log("querylog")


class AnchorLedger(Struct, frozen=True):
    """What this needs of the chain."""

    read_slot: ReadSlot
    """In the state of the last block."""
    waits: Callable[[Digest], bool]
    """Whether an own transaction is still on its way."""


class LogAnchorer:
    """Anchors one evaluator's query log."""

    def __init__(
        self,
        querylog: QueryLog,
        lane: Lane,
        ledger: AnchorLedger,
        durability: Durability,
        member: MemberId,
    ) -> None:
        self._log = querylog
        self._lane = lane
        self._ledger = ledger
        self._durability = durability
        self._id = member_id_bytes(member)
        self._busy = False
        self.sent = 0
        """Anchors sent since start, repeated ones included."""

    async def follow(self, now_ms: int) -> None:
        """A block with this time was executed: send what is over, note what is anchored.

        Raises StoreWriteFailed, StoreDamaged.
        """
        if self._busy:
            return
        self._busy = True
        try:
            self._settle(now_ms)
            over = self._log.close_before(now_ms)
            if over:
                await self._durability.barrier()
                for interval in over:
                    if not self._send(interval, now_ms):
                        break
        finally:
            self._busy = False

    def _settle(self, now_ms: int) -> None:
        """Note the anchors that the ledger has, send again what it does not take up."""
        for interval, anchoring in self._log.waiting():
            if self._confirm(interval, anchoring.root):
                continue
            if self._ledger.waits(Digest(anchoring.transaction)):
                continue
            if now_ms - anchoring.sent_ms >= RETRY_MS:
                log.warning("an anchor of the query log is sent again", interval=str(interval))
                self._send(interval, now_ms)

    def _confirm(self, interval: Interval, root: Digest) -> bool:
        found = read_anchor(self._ledger.read_slot, self._id, root)
        if found is None:
            return False
        number = Interval(found.epoch, found.interval)
        self._log.anchored(interval, Anchoring(number, found.count, root, bytes(32), 0))
        return True

    def _send(self, interval: Interval, now_ms: int) -> bool:
        root, count = self._log.root(interval)
        if self._confirm(interval, root):
            # A power cut took the note that it was sent; the alliance had it already.
            return True
        number = max(interval, self._after_last())
        data = encode_anchor(number.epoch, number.number, count, root)
        try:
            self._lane.send(
                Address(QUERY_LOG),
                data,
                extra=lambda signed: self._log.sent(
                    interval, Anchoring(number, count, root, signed.hash, now_ms)
                ),
                gas=ANCHOR_GAS,
            )
        except Busy:
            return False
        self.sent += 1
        return True

    def _after_last(self) -> Interval:
        """The lowest number that is free for sure."""
        free = [Interval(0, 0)]
        if self._log.last_sent is not None:
            free.append(self._log.last_sent.after)
        last = read_last_anchor(self._ledger.read_slot, self._id)
        if last is not None:
            free.append(Interval(last.epoch, last.interval).after)
        return max(free)
