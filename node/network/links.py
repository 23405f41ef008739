"""Which connection counts for each member: at most one, chosen alike at both ends.

Rules: of two connections between the same two runs of two nodes, the one dialled by the smaller
member id stays; of two in one direction the newer stays, as its dialler has given the older up.
A member that appears with another instance while its connection is up is either a restart that TCP
has not noticed or a second node with one identity (pitfall P14): the older connection is probed,
and if it answers, the newcomer is refused and reported. A connection that yields to another is read
for a moment longer, so that what was on its way is not lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bulwark.ledger.ids import MemberId
from node.network.errors import Reason
from node.network.limits import Limits
from node.network.peer import Link


class Links:
    """The accepted connections by member."""

    def __init__(
        self,
        own_id: MemberId,
        limits: Limits,
        *,
        up: Callable[[Link, bool], None],
        down: Callable[[MemberId, float], None],
        duplicate: Callable[[MemberId], None],
    ) -> None:
        """`up(link, fresh)`: it counts now; fresh if the member was not connected before.
        `down(member, lived_ms)`: it has none any more. `duplicate(member)`: seen twice."""
        self._own_id = own_id
        self._limits = limits
        self._up = up
        self._down = down
        self._duplicate = duplicate
        self._live: dict[MemberId, Link] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def get(self, member: MemberId) -> Link | None:
        """The member's connection."""
        return self._live.get(member)

    def live(self) -> tuple[Link, ...]:
        """All connections that count."""
        return tuple(self._live.values())

    def members(self) -> set[MemberId]:
        """Members with a connection."""
        return set(self._live)

    def consider(self, link: Link) -> None:
        """A connection completed its hello: keep it, or the one that is there, or find out."""
        member = link.member
        if member is None or link.ended:
            return
        current = self._live.get(member)
        if current is None:
            self._adopt(member, link, fresh=True)
        elif current.instance != link.instance:
            self._probe(member, link, current)
        elif self._outranks(member, link, current):
            self._adopt(member, link, fresh=False)
            self._retire(current)
        elif link.dialled is None:
            link.close(Reason.SURPLUS, "the connection dialled by the smaller id stays")
        else:  # the other end has accepted it and may have sent something already
            link.accept()
            self._up(link, False)
            self._retire(link)

    def lost(self, link: Link) -> None:
        """A connection ended; tells `down` if it was the member's."""
        member = link.member
        if member is not None and self._live.get(member) is link:
            del self._live[member]
            self._down(member, (asyncio.get_running_loop().time() - link.since) * 1000)

    def keep_alive(self, *, forgive: bool) -> None:
        """Ping the quiet connections and end the silent ones; `forgive` starts the wait anew."""
        now = asyncio.get_running_loop().time()
        for link in self.live():
            if forgive:
                link.heard = now
            quiet_ms = (now - link.heard) * 1000
            if quiet_ms >= self._limits.silence_ms:
                link.abort(Reason.SILENT, f"nothing for {quiet_ms:.0f} ms")
            elif quiet_ms >= self._limits.ping_ms / 2 or forgive:
                link.ping()

    def stop(self) -> None:
        """Cancel the probes and closings under way."""
        for handle in self._timers:
            handle.cancel()
        self._timers.clear()

    def _adopt(self, member: MemberId, link: Link, *, fresh: bool) -> None:
        self._live[member] = link
        link.accept()
        self._up(link, fresh)

    def _outranks(self, member: MemberId, link: Link, current: Link) -> bool:
        same_direction = (link.dialled is None) == (current.dialled is None)
        dialler = self._own_id if link.dialled is not None else member
        return same_direction or dialler == min(self._own_id, member)

    def _probe(self, member: MemberId, link: Link, current: Link) -> None:
        seen = current.pongs
        current.ping()

        def decide() -> None:
            if link.ended:
                return
            if self._live.get(member) is not current:
                self.consider(link)
            elif current.pongs > seen:
                self._duplicate(member)
                link.close(Reason.DUPLICATE_IDENTITY, f"another node runs as {member}")
            else:
                current.abort(Reason.REPLACED, "it did not answer and the member came back")
                self.consider(link)

        self._later(self._limits.probe_ms, decide)

    def _retire(self, link: Link) -> None:
        """Send no more on it, but read what is on its way until it is closed a little later."""
        self._later(
            self._limits.drain_ms,
            lambda: link.close(Reason.REPLACED, "by another connection of the same run"),
        )

    def _later(self, delay_ms: int, action: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(handle)
            action()

        handle = asyncio.get_running_loop().call_later(delay_ms / 1000, run)
        self._timers.add(handle)
