"""Bare leaves: whether the ledger ordered what a peer left out, and getting back what it did not.

Rules: a sidecar that came with a bare leaf is marked in the write of its block; the mark goes when
an order that the lifecycle took covers every such leaf. Leaves that no final block covers although
this node is in step are asked from the other members; what comes back has to hash to the same root,
and the member that left it out is named. Until then the mark stays, and an operator sees it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest, MemberId, RecordId
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.chain.erasing import Eraser
from node.chain.store import ChainStore
from node.erasure.book import ErasureBook
from node.logs import Log
from node.requests import Mesh, PeerUnavailable, Topic, decode_found, encode_root
from node.sync.faults import PeerLied

PATIENCE_MS: Final = 10_000
"""From the first look at a mark to asking others: the order may be in a block to come."""
RETRY_MS: Final = 60_000
TIMEOUT_MS: Final = 5_000
A_TURN: Final = 100
"""Sidecars asked for in one turn."""

log = Log("erasure")


class Givers(Protocol):
    """Who gave which sidecar with a bare leaf, and what is held against whom."""

    bare_from: OrderedDict[Digest, MemberId]
    """By root, the latest."""

    def blame(self, member: MemberId, error: Exception) -> None:
        """Name a member that did wrong."""
        ...


class BareLeaves:
    """Bare leaves at one node."""

    def __init__(
        self,
        chain: ChainStore,
        book: ErasureBook,
        eraser: Eraser,
        mesh: Mesh,
        givers: Callable[[], Givers],
        in_step: Callable[[], bool],
        now_ms: Callable[[], int],
    ) -> None:
        """`in_step`: whether every order that peers know is carried out here too."""
        self._chain = chain
        self._book = book
        self._eraser = eraser
        self._mesh = mesh
        self._givers = givers
        self._in_step = in_step
        self._now_ms = now_ms
        self._due_ms: dict[Digest, int] = {}
        self._seen = -1
        """Erased records at the last look: while it stays, nothing was covered since."""
        self.open = 0
        """Sidecars with a bare leaf that no order covers."""
        self.named: dict[MemberId, int] = {}
        """Members that left records out which nobody ordered to erase, and how many."""

    async def settle(self) -> None:
        """Look at every mark once. Raises StoreDamaged, StoreWriteFailed."""
        settled: list[Digest] = []
        is_open = 0
        asked = 0
        is_news, self._seen = len(self._chain.erased) != self._seen, len(self._chain.erased)
        for root in self._book.bare():
            if not is_news and self._now_ms() < self._due_ms.get(root, 0):
                is_open += 1
                continue
            await asyncio.sleep(0)
            sidecar = self._chain.sidecar(root)
            missing = None if sidecar is None else self._uncovered(sidecar)
            if missing is None:
                continue
            if missing and asked < A_TURN and self._is_due(root):
                asked += 1
                missing -= await self._ask(root, missing)
            if missing:
                is_open += 1
            else:
                settled.append(root)
                self._due_ms.pop(root, None)
        self.open = is_open
        self._book.bare_settled(settled)

    def _uncovered(self, sidecar: Sidecar) -> set[RecordId]:
        return {
            entry.record_id
            for entry in sidecar.entries
            if not isinstance(entry, Record) and entry.record_id not in self._chain.erased
        }

    def _is_due(self, root: Digest) -> bool:
        now_ms = self._now_ms()
        due_ms = self._due_ms.setdefault(root, now_ms + PATIENCE_MS)
        if now_ms < due_ms or not self._in_step():
            return False
        self._due_ms[root] = now_ms + RETRY_MS
        return True

    async def _ask(self, root: Digest, missing: set[RecordId]) -> set[RecordId]:
        """What others have of the missing records, put back."""
        giver = self._givers().bare_from.get(root)
        back: set[RecordId] = set()
        for member in self._mesh.connected():
            if member == giver or not missing - back:
                continue
            try:
                answer = await self._mesh.ask(member, Topic.SIDECAR, encode_root(root), TIMEOUT_MS)
                data = decode_found(answer)
                given = None if data is None else Sidecar.decode(data)
            except (PeerUnavailable, LedgerError) as error:
                log.warning("sidecar not served", peer=member, reason=str(error))
                continue
            if given is None or given.root != root:
                continue
            here = missing - back - self._chain.erased
            if self._eraser.give_back(root, given, here):
                full = {e.record_id for e in given.entries if isinstance(e, Record)}
                back |= here & full
        if back and giver is not None:
            self.named[giver] = self.named.get(giver, 0) + len(back)
            lie = f"left out {len(back)} records of {root.hex()} that nobody ordered to erase"
            self._givers().blame(giver, PeerLied(lie))
        elif missing - back:
            log.warning("records are missing without an order", batch=root.hex())
        return back
