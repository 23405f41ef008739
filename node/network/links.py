"""Which connection counts for each member: at most one, chosen alike at both ends.

Rules: of two connections between the same two runs of two nodes, the one dialled by the smaller
member id stays; of two in one direction the newer stays, as its dialler has given the older up.
A member that appears with another instance while its connection is up is either a restart that TCP
has not noticed or a second node with one identity (pitfall P14): the older connection is probed,
and if it answers, the newcomer is refused and reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bulwark.ledger.ids import MemberId
from node.network.errors import Reason
from node.network.limits import Limits
from node.network.peer import Link

_BACKGROUND: Final = "a second node with this identity answers"


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
        self._probes: set[asyncio.TimerHandle] = set()

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
            self._live[member] = link
            current.close(Reason.REPLACED, "by another connection of the same run")
            self._adopt(member, link, fresh=False)
        else:
            link.close(Reason.SURPLUS, "the connection dialled by the smaller id stays")

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
        """Cancel the probes under way."""
        for handle in self._probes:
            handle.cancel()
        self._probes.clear()

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
            self._probes.discard(handle)
            if link.ended:
                return
            if self._live.get(member) is not current:
                self.consider(link)
            elif current.pongs > seen:
                self._duplicate(member)
                link.close(Reason.DUPLICATE_IDENTITY, f"{member}: {_BACKGROUND}")
            else:
                current.abort(Reason.REPLACED, "it did not answer and the member came back")
                self.consider(link)

        handle = asyncio.get_running_loop().call_later(self._limits.probe_ms / 1000, decide)
        self._probes.add(handle)
