"""The members that a sync asks: who helps, who does not, and what that is answered with.

Rules: a member that failed is left out for the rest of the sync and asked last in the next one; who
lied is named in the log and in the counters and its connection is dropped for a while. A member
that only lacks something may be asked again when the target has moved. It judges no answer itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest, MemberId
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.chain.errors import BlockContradicts, NotNext
from node.clock import Clock
from node.logs import Log
from node.requests import Mesh, PeerUnavailable, Topic
from node.sync.faults import Fault, PeerLied, PeerWithholds

REQUEST_TIMEOUT_MS: Final = 15_000
BANNED_MS: Final = 30_000
"""How long the connection of a liar stays closed: it is a validator's only line to this node."""
KEPT_BARE: Final = 10_000
"""Givers of sidecars with bare leaves that are remembered."""

Drop = Callable[[MemberId, str, int], None]
"""Close a member's connection for some milliseconds and say why."""
FAULTS: Final = (PeerLied, PeerWithholds, LedgerError, PeerUnavailable, BlockContradicts, NotNext)
"""What a peer's answer can come to; anything else is this node's own trouble."""

log = Log("sync")


class Blame(NamedTuple):
    """The last thing that a member did wrong."""

    fault: Fault
    reason: str
    at_ms: int
    """Wall clock."""


def fault_of(error: Exception) -> Fault:
    """Whose fault it is, of an exception among FAULTS."""
    if isinstance(error, PeerUnavailable):
        return Fault.SILENT
    return Fault.WITHHELD if isinstance(error, PeerWithholds) else Fault.LIED


class Peers:
    """Who may be asked."""

    def __init__(
        self,
        mesh: Mesh,
        drop: Drop | None = None,
        timeout_ms: int = REQUEST_TIMEOUT_MS,
        wall_ms: Callable[[], int] | None = None,
    ) -> None:
        self._wall_ms = Clock().wall_ms if wall_ms is None else wall_ms
        self._mesh = mesh
        self._drop = drop
        self._timeout_ms = timeout_ms
        self._left_out: dict[MemberId, Fault] = {}
        self._strikes: dict[MemberId, int] = {}
        """How often in a row a member did not help."""
        self.faults: Counter[Fault] = Counter()
        """Since start, for metrics."""
        self.blamed: dict[MemberId, Blame] = {}
        """The last fault of each member since start."""
        self.liars: dict[MemberId, Blame] = {}
        """The last lie of each member since start, whatever it did afterwards."""
        self.received: Counter[Topic] = Counter()
        """Bytes of answers since start, good or not."""
        self.verified: Counter[Topic] = Counter()
        """Blocks and state values that held since start."""

        self.bare_from: OrderedDict[Digest, MemberId] = OrderedDict()
        """Who gave which sidecar with a bare leaf, the latest; `node.erasure.bare` asks."""

    def note_bare(self, member: MemberId, sidecars: Iterable[Sidecar]) -> None:
        """Remember who gave sidecars in which a record was erased, by order or not."""
        for sidecar in sidecars:
            if not all(isinstance(entry, Record) for entry in sidecar.entries):
                self.bare_from[sidecar.root] = member
                if len(self.bare_from) > KEPT_BARE:
                    self.bare_from.popitem(last=False)

    def begin(self) -> None:
        """A new sync: everybody may be asked."""
        self._left_out.clear()

    def forgive_lacking(self) -> None:
        """The target moved: who lacked something may have what is asked for now."""
        lacking = [m for m, fault in self._left_out.items() if fault is Fault.WITHHELD]
        for member in lacking:
            del self._left_out[member]

    @property
    def left_out(self) -> int:
        """Members left out of the running sync."""
        return len(self._left_out)

    def usable(self) -> list[MemberId]:
        """Connected members not left out, those that failed least often in a row first."""
        usable = [m for m in self._mesh.connected() if m not in self._left_out]
        return sorted(usable, key=lambda member: self._strikes.get(member, 0))

    def choose(
        self, prefer: MemberId | None, among: set[MemberId] | None = None
    ) -> MemberId | None:
        """The best member to ask, the preferred one among equals; None if nobody is left."""
        usable = [m for m in self.usable() if among is None or m in among]
        return min(usable, key=lambda m: (self._strikes.get(m, 0), m != prefer), default=None)

    async def ask(self, member: MemberId, topic: Topic, body: bytes) -> bytes:
        """Ask; raises PeerUnavailable, also when the mesh is not as punctual as it should be."""
        try:
            async with asyncio.timeout(self._timeout_ms / 1000 + 1):
                answer = await self._mesh.ask(member, topic, body, self._timeout_ms)
        except TimeoutError as error:
            raise PeerUnavailable(member, f"no answer in {self._timeout_ms} ms") from error
        self.received[topic] += len(answer)
        return answer

    def helped(self, member: MemberId) -> None:
        """A member's answer was good."""
        self._strikes.pop(member, None)

    def blame(self, member: MemberId, error: Exception) -> None:
        """A member's answer was none, or no good."""
        fault, reason = fault_of(error), str(error)
        log.warning("peer does not help", peer=member, fault=str(fault), reason=reason)
        self._left_out[member] = fault
        self._strikes[member] = self._strikes.get(member, 0) + 1
        self.faults[fault] += 1
        self.blamed[member] = Blame(fault, reason, self._wall_ms())
        if fault is Fault.LIED:
            self.liars[member] = self.blamed[member]
        if fault is Fault.LIED and self._drop is not None:
            log.error("peer lied in sync and is dropped", peer=member, reason=reason)
            self._drop(member, f"lied in sync: {reason}", BANNED_MS)
