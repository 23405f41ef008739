"""The mesh as the node sees it: start, send, broadcast, request, and who is connected.

Rules: at most one connection a member; everything runs on the loop that started it, and handlers
are called there, so they must not block. `send` never waits: it says whether the frame was queued.
A handler's exception is logged and counted and does not close the connection.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from bulwark.ledger.ids import MemberId
from bulwark.ledger.validators import max_faulty
from node.keys import RandomBytes
from node.network.bans import Bans
from node.network.counters import Counters, Refusals, log
from node.network.dialler import Dialler
from node.network.dispatch import Dispatch, FrameHandler, MemberCallback
from node.network.errors import NotConnected, Reason
from node.network.frames import encode_frame
from node.network.hello import INSTANCE_BYTES, NONCE_BYTES, Greeter
from node.network.identity import LocalIdentity, Member, MemberTable, check_local
from node.network.kinds import Kind, Lane
from node.network.limits import Limits
from node.network.links import Links
from node.network.listener import Listener
from node.network.peer import Link
from node.network.requests import Calls, Responder
from node.network.tls import client_context, server_context
from node.network.witnesses import Witnesses


def monotonic_ms() -> int:
    """The default clock."""
    return time.monotonic_ns() // 1_000_000


class PeerState(Struct, frozen=True):
    """A connection as diagnosis shows it."""

    member: MemberId
    remote: str
    dialled: bool
    """This node called."""
    height: int
    """The peer's height at the hello."""
    level: int
    """Highest protocol level that the peer's build knows."""
    age_ms: int
    silent_ms: int
    waiting: Mapping[Lane, int]
    """Bytes queued by lane."""


class Network:
    """The node's end of the mesh."""

    def __init__(
        self,
        local: LocalIdentity,
        members: Iterable[Member],
        addresses: Mapping[MemberId, tuple[str, int]],
        listen: tuple[str, int],
        *,
        height: Callable[[], int],
        level: int = 0,
        limits: Limits | None = None,
        random_bytes: RandomBytes = os.urandom,
        clock_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        """`addresses`: where to dial members (the own id is skipped); `listen` port 0 lets the
        system choose; `height` gives the tip
        and `level` the highest protocol level for the hello. Raises IdentityInvalid."""
        table = MemberTable(members)
        check_local(local, table)
        self._local = local
        self._limits = limits or Limits()
        self._random_bytes = random_bytes
        self._clock_ms = clock_ms
        self._height = height
        self._addresses = dict(addresses)
        self.counters = Counters()
        self._dispatch = Dispatch(self.counters)
        self._refusals = Refusals(self.counters, clock_ms, self._limits.log_lines_per_second)
        self._greeter = Greeter(local, table, local.pin(), random_bytes(INSTANCE_BYTES), level)
        self._client: ssl.SSLContext = client_context(local)
        self._listener = Listener(
            listen, server_context(local), self._accepted, self._refusals, self._limits, clock_ms
        )
        self._links = Links(
            local.id, self._limits, up=self._up, down=self._down, duplicate=self._duplicate
        )
        self._every: set[Link] = set()
        self._calls: dict[Link, Calls] = {}
        self._diallers: dict[MemberId, Dialler] = {}
        self._witnesses = Witnesses(clock_ms, self._many_witnesses)
        self._bans = Bans(clock_ms)
        self._leaving: set[asyncio.Task[None]] = set()
        self._tick: asyncio.TimerHandle | None = None
        self._ticked = 0.0
        self._running = False

    # -- registration

    def on_frame(self, kind: Kind, handler: FrameHandler) -> None:
        """Register the handler of CONSENSUS, TRANSACTION or ANNOUNCE; raises ValueError."""
        self._dispatch.on_frame(kind, handler)

    def on_request(self, topic: int, responder: Responder) -> None:
        """Register who answers requests of a topic (0..255); raises ValueError for a second."""
        self._dispatch.on_request(topic, responder)

    def on_up(self, callback: MemberCallback) -> None:
        """Call when a member becomes connected."""
        self._dispatch.up.append(callback)

    def on_down(self, callback: MemberCallback) -> None:
        """Call when a member has no connection any more."""
        self._dispatch.down.append(callback)

    def on_duplicate(self, callback: MemberCallback) -> None:
        """Call when a second node with a member's identity is seen (maybe this node's own).

        It proved both keys to this node, or more members than may lie (f) say so about this node.
        """
        self._dispatch.duplicate.append(callback)

    # -- life

    async def start(self) -> None:
        """Listen and dial; raises OSError when the address can not be bound."""
        await self._listener.start()
        self._running = True
        for member, address in self._addresses.items():
            self._dial(member, address)
        self._plan_tick()

    async def stop(self) -> None:
        """Close everything; afterwards no task, timer or socket of the mesh is left."""
        self._running = False
        if self._tick is not None:
            self._tick.cancel()
        self._links.stop()
        diallers = [dialler.cancel() for dialler in self._diallers.values()]
        self._diallers.clear()
        for link in list(self._every):
            link.close(Reason.STOPPING, "this node stops")
        await self._listener.stop()
        await asyncio.gather(*diallers, *self._leaving, return_exceptions=True)
        await self._all_closed()
        for link in list(self._every):
            link.abort(Reason.STOPPING, "this node stops")
        await self._all_closed()

    def set_members(
        self, members: Iterable[Member], addresses: Mapping[MemberId, tuple[str, int]]
    ) -> None:
        """Take over a changed member table: removed members are cut off, new ones dialled."""
        old = self._greeter
        table = MemberTable(members)
        check_local(self._local, table)
        self._greeter = Greeter(self._local, table, old.own_pin, old.instance, old.level)
        for link in list(self._every):
            member = link.member
            if member is not None and not link.fits(table.get(member)):
                link.close(Reason.REMOVED, "the member table changed")
        for member in list(self._diallers):
            if addresses.get(member) != self._addresses.get(member) or table.get(member) is None:
                self._leave(self._diallers.pop(member).cancel())
        self._addresses = dict(addresses)
        for member, address in self._addresses.items():
            if self._running and member not in self._diallers:
                self._dial(member, address)

    def renew(self, local: LocalIdentity, members: Iterable[Member]) -> None:
        """Show other keys from the next connection on; those there are stay. IdentityInvalid."""
        table = MemberTable(members)
        check_local(local, table)
        client, server = client_context(local), server_context(local)
        self._local, self._client = local, client
        self._listener.renew(server)
        self._greeter = Greeter(local, table, local.pin(), self._greeter.instance)
        for dialler in self._diallers.values():
            dialler.renew(client)

    # -- traffic

    @property
    def port(self) -> int:
        """The bound port, after start."""
        return self._listener.port

    @property
    def half_open(self) -> int:
        """Incoming handshakes under way."""
        return self._listener.half_open

    def connected(self) -> set[MemberId]:
        """Members with a connection, without this node."""
        return self._links.members()

    def peers(self) -> tuple[PeerState, ...]:
        """Every connection, for diagnosis."""
        return tuple(self._state(link) for link in self._links.live())

    def refusals(self) -> dict[MemberId, tuple[Reason, str, int]]:
        """Why each member's last refused connection ended, and how many ms ago."""
        now_ms = self._clock_ms()
        last = self._refusals.last
        return {MemberId(m): (why, detail, now_ms - at) for m, (why, detail, at) in last.items()}

    def send(self, member: MemberId, kind: Kind, payload: bytes) -> bool:
        """Queue a frame; False when not connected or the lane is full. Raises PayloadTooLarge."""
        link = self._links.get(member)
        return link is not None and link.send(kind, encode_frame(kind, payload))

    def broadcast(
        self, kind: Kind, payload: bytes, members: Iterable[MemberId] | None = None
    ) -> int:
        """Queue a frame to these members (all connected ones by default); the number queued."""
        frame = encode_frame(kind, payload)
        chosen = self.connected() if members is None else members
        links = (self._links.get(member) for member in chosen)
        return sum(link.send(kind, frame) for link in links if link is not None)

    async def request(self, member: MemberId, topic: int, payload: bytes, timeout_ms: int) -> bytes:
        """Ask a member and wait for the answer.

        Raises NotConnected, RequestTimeout, RequestRefused, TooManyRequests (all RequestError)
        or PayloadTooLarge.
        """
        link = self._links.get(member)
        calls = None if link is None else self._calls.get(link)
        if calls is None:
            raise NotConnected(member, topic, "there is no connection")
        return await calls.ask(topic, payload, timeout_ms)

    def disconnect(self, member: MemberId) -> None:
        """Close a member's connection; it is dialled again as any lost one."""
        link = self._links.get(member)
        if link is not None:
            link.close(Reason.CLOSED, "by this node")

    def drop(self, member: MemberId, reason: str, for_ms: int) -> None:
        """Close a member's connection and refuse new ones for so long: it was caught in a lie."""
        self._bans.add(member, reason, for_ms)
        link = self._links.get(member)
        if link is not None:
            link.close(Reason.MISBEHAVED, reason)

    # -- what links tell (LinkOwner)

    def link_ready(self, link: Link) -> None:
        """A connection completed its hello; the member table may have changed meanwhile."""
        entry = link.entry
        if entry is None or not link.fits(self._greeter.members.get(entry.id)):
            link.close(Reason.REMOVED, "the member table changed")
            return
        banned = self._bans.reason(entry.id)
        if banned is not None:
            link.close(Reason.MISBEHAVED, banned)
        else:
            self._links.consider(link)

    def link_frame(self, link: Link, kind: Kind, payload: bytes) -> None:
        """A frame of an accepted connection."""
        member = link.member
        calls = self._calls.get(link)
        if member is None or calls is None:
            return
        if kind is Kind.REQUEST:
            calls.on_request(payload)
        elif kind is Kind.RESPONSE:
            calls.on_response(payload)
        else:
            self._dispatch.frame(member, kind, payload)

    def link_lost(self, link: Link, reason: Reason, detail: str) -> None:
        """A connection ended, accepted or not."""
        self._refusals.note(reason, detail, link.member or link.dialled, link.remote)
        calls = self._calls.pop(link, None)
        if calls is not None:
            for task in calls.end():
                self._leave(task)
        if reason is Reason.DUPLICATE_IDENTITY and link.member == self._local.id:
            self._duplicate(self._local.id)
        elif reason is Reason.REFUSED_BY_PEER and detail == Reason.DUPLICATE_IDENTITY:
            self._witnesses.said(link.member)
        self._links.lost(link)

    # -- inside

    async def _all_closed(self) -> None:
        closing = [link.closed for link in self._every]
        if closing:
            await asyncio.wait(closing, timeout=self._limits.shutdown_ms / 1000)

    def _accepted(self, remote: str) -> Link:
        return self._make_link(None, remote)

    def _make_link(self, dialled: MemberId | None, remote: str) -> Link:
        link = Link(
            self,
            self._greeter,
            self.counters,
            self._limits,
            nonce=self._random_bytes(NONCE_BYTES),
            height=self._height(),
            dialled=dialled,
            remote=remote,
        )
        self._every.add(link)
        link.closed.add_done_callback(lambda _: self._every.discard(link))
        return link

    def _dial(self, member: MemberId, address: tuple[str, int]) -> None:
        if member == self._local.id or self._greeter.members.get(member) is None:
            return
        dialler = Dialler(
            member,
            address,
            context=self._client,
            make_link=self._make_link,
            refusals=self._refusals,
            limits=self._limits,
            grace_ms=0 if self._local.id < member else self._limits.dial_grace_ms,
            jitter=lambda: int.from_bytes(self._random_bytes(4), "big") / 2**32,
        )
        self._diallers[member] = dialler
        if self._links.get(member) is not None:
            dialler.connected()

    def _up(self, link: Link, fresh: bool) -> None:
        member = link.member
        if member is None:
            return
        self._calls[link] = Calls(
            member, link.send, self._dispatch.responders, self.counters, self._limits
        )
        self.counters.connections += 1
        dialler = self._diallers.get(member)
        if dialler is not None:
            dialler.connected()
        if fresh:
            fields = {"member": member, "remote": link.remote, "height": link.height}
            log.info("peer up", extra=fields)
            self._dispatch.tell(self._dispatch.up, member)

    def _down(self, member: MemberId, lived_ms: float) -> None:
        dialler = self._diallers.get(member)
        if dialler is not None:
            dialler.lost(lived_ms)
        log.info("peer down", extra={"member": member})
        self._dispatch.tell(self._dispatch.down, member)

    def _duplicate(self, member: MemberId) -> None:
        self.counters.duplicates += 1
        log.error("duplicate identity", extra={"member": member})
        self._dispatch.tell(self._dispatch.duplicate, member)

    def _many_witnesses(self, count: int) -> None:
        if count > max_faulty(len(self._greeter.members.ids())):
            self._duplicate(self._local.id)

    def _leave(self, task: asyncio.Task[None]) -> None:
        """Remember a cancelled task until it is gone, so that stop() can wait for it."""
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _state(self, link: Link) -> PeerState:
        now = asyncio.get_running_loop().time()
        return PeerState(
            member=link.member or MemberId(""),
            remote=link.remote,
            dialled=link.dialled is not None,
            height=link.height,
            level=link.level,
            age_ms=int((now - link.since) * 1000),
            silent_ms=int((now - link.heard) * 1000),
            waiting={lane: link.waiting(lane) for lane in Lane},
        )

    def _plan_tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticked = loop.time()
        self._tick = loop.call_later(self._limits.ping_ms / 1000, self._keep_alive)

    def _keep_alive(self) -> None:
        """Look for silent peers; after an own pause nobody is to blame for silence during it."""
        late = asyncio.get_running_loop().time() - self._ticked > 2 * self._limits.ping_ms / 1000
        self._links.keep_alive(forgive=late)
        self._plan_tick()
