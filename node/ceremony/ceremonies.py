"""Key ceremonies and rings of a running node: told of every block, asked for keys and rings.

Rules: blocks are followed in order, and at a start those since the opening of an unfinished session
are read again; where state sync skipped blocks, what is in the state counts and the rest is read
from the blocks that came with it. Acting (posting, opening, closing, publishing, enrolling) is done
by the clock and after every block, by a validator that has caught up only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.receipt import Log, Receipt
from contracts.governance import GOVERNANCE
from contracts.members import MEMBER_REGISTRY
from contracts.privacy.ceremony import KEY_CEREMONY
from contracts.privacy.keys import PRIVACY_KEYS
from contracts.privacy.rings import read_council as read_council
from contracts.slots import ReadSlot
from node.ceremony.driver import CeremonyDriver
from node.ceremony.enrolment import Enrolment
from node.chain.store import ChainStore
from node.clock import Clock
from node.guarded.rings import RingBook, RingView
from node.service import HistoryPruned
from node.storage.errors import StoreDamaged

SlotAt = Callable[[Digest, Address, int], int]
"""Value of a contract's slot in the state with a root."""
ACT_S: Final = 1.0
_RING_CONTRACTS: Final = frozenset((MEMBER_REGISTRY, PRIVACY_KEYS, KEY_CEREMONY, GOVERNANCE))


class Ceremonies:
    """What a node does about shared keys."""

    def __init__(
        self,
        *,
        chain: ChainStore,
        read_slot: ReadSlot,
        slot_at: SlotAt,
        driver: CeremonyDriver,
        enrolment: Enrolment,
        rings: RingBook,
        clock: Clock,
        may_act: Callable[[], bool],
        ring_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`may_act`: whether this node has caught up and may send transactions; `ring_changed` is
        called when the ring book follows another ring."""
        self._chain = chain
        self._read_slot = read_slot
        self._slot_at = slot_at
        self._driver = driver
        self._enrolment = enrolment
        self._rings = rings
        self._clock = clock
        self._may_act = may_act
        self._ring_changed = ring_changed
        self._is_running = False

    def resume(self) -> None:
        """Take up what the ledger says at a start; before the first `executed`."""
        self._driver.refresh()
        first = self._driver.resume_from()
        if first is not None:
            for logs in self._logs_since(Height(first)):
                self._driver.follow(logs)
        tip = self._chain.tip.height
        lowest = min(tip, max(self._rings.lowest_needed(tip), self._chain.state_from))
        self._rings.begin(self._ring_at, Height(lowest), tip)
        self._ring_changed()

    def _ring_at(self, height: Height) -> RingView:
        header = self._chain.tip if height == self._chain.applied else self._chain.header(height)
        if header is None:
            raise StoreDamaged(f"header {height}", "is missing")
        root = header.state_root
        return self._rings.read(
            lambda contract, slot: self._slot_at(root, contract, slot), height, header.timestamp_ms
        )

    def executed(self, receipts: Sequence[Receipt] | None) -> None:
        """A block was executed; None: state sync skipped some."""
        if receipts is None:
            self.resume()
            return
        logs = [log for receipt in receipts for log in receipt.logs]
        touched = {log.address for log in logs}
        if KEY_CEREMONY in touched:
            self._driver.follow(logs)
        self._follow_ring(is_changed=not _RING_CONTRACTS.isdisjoint(touched))
        if self._is_running and KEY_CEREMONY in touched:
            self.act()

    def act(self) -> None:
        """Do what is due now. Raises KeystoreError: shares can not be written."""
        if self._may_act():
            now_s = self._clock.wall_ms() // 1000
            self._enrolment.act(now_s)
            self._driver.act(now_s)

    async def run(self) -> None:
        """Act by the clock until cancelled."""
        self._is_running = True
        while True:
            self.act()
            await asyncio.sleep(ACT_S)

    def _follow_ring(self, *, is_changed: bool) -> None:
        tip = self._chain.tip
        changed = self._rings.follow(
            self._read_slot, tip.height, tip.timestamp_ms, is_changed=is_changed
        )
        if changed:
            self._ring_changed()

    def _logs_since(self, first: Height) -> Iterator[list[Log]]:
        for number in range(first, self._chain.applied + 1):
            try:
                block = self._chain.block(Height(number))
            except HistoryPruned:
                continue  # blocks with events of ceremonies are kept
            if block is not None:
                logs = [log for receipt in block.receipts for log in receipt.logs]
                if any(log.address == Address(KEY_CEREMONY) for log in logs):
                    yield logs
